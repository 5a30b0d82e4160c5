"""From recordings to the batches of a run: decoded material, and examples at the generator's own rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soxr
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from models.data.dataset import Batch, DegradedMusic, collate
from models.data.degradations import Samples
from models.data.material import Material
from models.data.odds import teaching_odds
from models.data.recipes import Recipe
from models.data.recordings import (
    SAMPLE_RATE,
    Recording,
    as_float,
    find_recordings,
    keeps_aside,
    known_below_hz,
    load_cached,
)

SIMULATED_PER_MEASURED_ROOM = 4


def load_material(recordings: Sequence[Recording], rooms: Sequence[np.ndarray], cache: Path) -> Material:
    """Decode what is not in the cache yet, with a progress bar."""
    decoded = [
        (recording, load_cached(recording, cache)) for recording in tqdm(recordings, desc="decoding", unit="file")
    ]
    clean = [(r, x) for r, x in decoded if r.kind in ("music", "voice")]
    measured = [as_float(np.asarray(x)) for r, x in decoded if r.kind == "rir"]
    repeats = max(1, len(rooms) // (SIMULATED_PER_MEASURED_ROOM * len(measured))) if measured else 0
    return Material(
        clean=[x for _, x in clean],
        clean_cutoff_hz=[known_below_hz(r) for r, _ in clean],
        clean_odds=teaching_odds([r for r, _ in clean], [len(x) for _, x in clean]).tolist(),
        noise=[x for r, x in decoded if r.kind == "noise"],
        noise_names=[r.title for r, _ in decoded if r.kind == "noise"],
        rooms=[*rooms, *measured * repeats],
        voices=[x for r, x in clean if r.kind == "voice"],
    )


def watched_material(audio: Path, licences: Sequence[str], cache: Path) -> Material | None:
    """What the curve is watched on: recordings, rooms and noises kept aside in .../valid, or none where there are
    none.
    """
    if not keeps_aside(audio, "valid"):
        return None
    return load_material(find_recordings(audio, "valid", licences), [], cache)


class RestorationExamples(IterableDataset[tuple[Samples, ...]]):
    """The examples of `DegradedMusic` at another sample rate, wholly to be restored: controls 1, 1, 1.

    For generators without controls. Resampled where they are made, in the loader's processes.
    """

    def __init__(self, music: DegradedMusic, sample_rate: int) -> None:
        self.music = music
        self.sample_rate = sample_rate
        self.samples = music.samples * sample_rate // SAMPLE_RATE

    def resampled(self, part: Samples) -> Samples:
        """[samples] at 48 kHz to [samples] at the generator's rate."""
        if self.sample_rate == SAMPLE_RATE:
            return part
        result = np.zeros(self.samples, dtype=np.float32)
        if part.any():  # a resampler may give a sample more or less than asked for
            found = soxr.resample(part, SAMPLE_RATE, self.sample_rate, "HQ")[: self.samples]
            result[: len(found)] = found
        return result

    def __iter__(self) -> Iterator[tuple[Samples, ...]]:
        for *parts, controls, limits in self.music:
            yield *map(self.resampled, parts), np.ones_like(controls), limits


def batches(
    material: Material,
    recipe: str,
    seconds: float,
    batch: int,
    seed: int,
    first_example: int = 0,
    workers: int = 0,
    restored_at: int | None = None,
) -> Iterator[Batch]:
    """Batches without end of clips of `seconds`, degraded by `recipe`, made by `workers` processes (0: by this one).

    At 48 kHz under random controls, or for a generator without controls at its sample rate `restored_at`.
    """
    music = DegradedMusic(material, seconds, Recipe.parse(recipe), seed, first_example)
    examples = music if restored_at is None else RestorationExamples(music, restored_at)
    return iter(DataLoader(examples, batch_size=batch, num_workers=workers, collate_fn=collate))
