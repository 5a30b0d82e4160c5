"""What every training command takes: where recordings come from, how long to run, how batches are made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from models.batches import batches, load_material, watched_material
from models.data.dataset import Batch
from models.data.material import Material
from models.data.recipes import Recipe
from models.data.recordings import SAMPLE_RATE, Recording, find_recordings
from models.data.rooms import simulated_rooms

DEFAULT_AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"
DEFAULT_CACHE = Path.home() / ".cache" / "studiomic"
WATCHING_SEED = 1_000_003
WATCHED_BATCHES = 4


def add_run_arguments(parser: argparse.ArgumentParser, batch: int, seconds: float, workers: int, seed: int) -> None:
    """The arguments, with a command's defaults."""
    parser.add_argument(
        "--audio", type=Path, default=DEFAULT_AUDIO, help="folder of recordings (default: ../shared/audio)"
    )
    parser.add_argument(
        "--licences", default="all", help='which may teach: "all", "permissive", or SPDX names, by commas'
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an earlier run there goes on")
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="folder for decoded audio and simulated rooms"
    )
    parser.add_argument("--minutes", type=float, required=True, help="training time in all, over all sittings")
    parser.add_argument("--batch", type=int, default=batch, help="examples a step")
    parser.add_argument("--seconds", type=float, default=seconds, help="length of an example")
    parser.add_argument("--rooms", type=int, default=400, help="how many rooms to simulate, once")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="processor threads of the network")
    parser.add_argument("--workers", type=int, default=workers, help="processes that prepare examples")
    parser.add_argument("--seed", type=int, default=seed)


def add_degradations(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Where there is no `default`: those that the generator was trained with."""
    parser.add_argument(
        "--degradations",
        default=default,
        help="what happens to the music, as models/data/recipes.py explains "
        f"(default: {default or 'as the generator was trained'})",
    )


@dataclass(frozen=True)
class Lessons:
    """The recordings of a run, and how they are degraded; `restored_at`: as `batches` takes it."""

    recordings: list[Recording]
    material: Material
    watched: Material
    degradations: str
    given: argparse.Namespace
    restored_at: int | None

    @staticmethod
    def find(given: argparse.Namespace, degradations: str, restored_at: int | None) -> Lessons:
        """What the arguments of `add_run_arguments` say. Raises ValueError where nothing can teach."""
        recordings = find_recordings(given.audio, "train", licences(given))
        rooms = simulated_rooms(given.rooms, given.seed, given.cache)
        material = load_material(recordings, rooms, given.cache)
        watched = watched_material(given.audio, licences(given), given.cache) or material
        return Lessons(recordings, material, watched, str(Recipe.parse(degradations)), given, restored_at)

    def __str__(self) -> str:
        minutes = sum(len(x) for x in self.material.clean) / SAMPLE_RATE / 60
        return (
            f"{len(self.material.clean)} recordings of {minutes:.0f} min, {len(self.material.noise)} noises, "
            f"{len(self.material.rooms)} rooms"
        )

    def training(self, first_example: int) -> Iterator[Batch]:
        """Batches without end; a resumed run tells how many examples it has seen."""
        given = self.given
        return batches(
            self.material,
            self.degradations,
            given.seconds,
            given.batch,
            given.seed,
            first_example,
            given.workers,
            self.restored_at,
        )

    def fixed(self) -> list[Batch]:
        """The batches that a run is watched on, always the same."""
        made = batches(
            self.watched,
            self.degradations,
            self.given.seconds,
            self.given.batch,
            WATCHING_SEED,
            restored_at=self.restored_at,
        )
        return [next(made) for _ in range(WATCHED_BATCHES)]


def licences(given: argparse.Namespace) -> list[str]:
    """The licences that may teach."""
    return [name.strip() for name in given.licences.split(",")]
