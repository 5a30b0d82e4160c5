"""Scenarios of your own recordings: python -m benchmarks.own_scenarios OUT --audio FOLDER

A generator is to be judged by music that never taught it. FOLDER has the layout that training reads, and its split
`valid` is taken (another with --split), or it is any folder of music. Of each recording an excerpt, or --excerpts of
them, becomes a clip of OUT, which has the layout of benchmarks/scenario_folder.py: `python -m benchmarks.quality OUT`
measures it. What happens to clips is what happens in training (models/data/recipes.py), at fixed strength:

    noise5, noise15   recorded noise at 5 and 15 dB
    reverb            a room, direct sound at most 3 dB below what follows
    take              such a room, noise at 12 dB, low-passed at 11 kHz
    lp8k, lp4k        low-passed at 8 and 4 kHz
    covered           a hand over the hole, -18 dB
    clipped           12 dB into clipping
    codec             MP3 at its lowest quality

Where FOLDER has no noise it is synthetic, where it has no rooms they are simulated. The same command makes the same
clips, and more music changes none of them. OUT appears whole or not at all.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.noise import random_for
from benchmarks.quality import LEAST_SECONDS
from benchmarks.scenario_folder import COLUMNS, REFERENCE_SCENARIO, TABLE_NAME
from models.batches import load_material
from models.data.degradations import Samples
from models.data.material import Material
from models.data.recipes import Recipe
from models.data.recordings import SAMPLE_RATE, Recording, as_float, find_recordings, known_below_hz, load_cached
from models.data.rooms import simulated_rooms
from models.run_arguments import DEFAULT_CACHE

RECORDED, SYNTHETIC = "recorded", "synthetic"
RECIPES = {
    "noise5": "noise {noise} 5",
    "noise15": "noise {noise} 15",
    "reverb": "room -3",
    "lp8k": "lowpass 8000",
    "lp4k": "lowpass 4000",
    "take": "room -3, noise {noise} 12, lowpass 11000",
    "covered": "covered -18",
    "clipped": "clip 12",
    "codec": "codec mp3 0",
}
SECONDS, MOST_SECONDS = 8.0, 600.0
SPLIT = "valid"
LEVEL_DBFS = -23.0
LOUDEST_PEAK = 0.5
QUIETEST_RMS = 1e-3  # of what is worth hearing
TRIES = 20  # at finding such an excerpt
SIMULATED_ROOMS, ROOMS_SEED = 24, 1


@dataclass(frozen=True)
class Excerpt:
    """A clean clip [samples] at 48 kHz, its name, and the frequency above which it says nothing."""

    name: str
    samples: Samples
    cutoff_hz: float


def levelled(samples: Samples) -> Samples:
    """[samples] at a root mean square of -23 dBFS, or lower where the peak would lie above 0.5."""
    gain = 10 ** (LEVEL_DBFS / 20) / float(np.std(samples))
    return samples * np.float32(min(gain, LOUDEST_PEAK / float(np.max(np.abs(samples)))))


def excerpt(samples: NDArray[np.int16], length: int, random: np.random.Generator) -> Samples | None:
    """A stretch [length] of a recording that is not silent, or None where none is found, or it is too short."""
    if len(samples) < length:
        return None
    for _ in range(TRIES):
        start = int(random.integers(0, len(samples) - length + 1))
        found = as_float(np.asarray(samples[start : start + length]))
        if float(np.std(found)) > QUIETEST_RMS:
            return levelled(found)
    return None


def excerpts(recordings: Sequence[Recording], each: int, seconds: float, cache: Path) -> Iterator[Excerpt]:
    """So many excerpts of each recording of music or voice; of what is too short, or silent, none. No two have one
    name."""
    taken: set[str] = set()
    for recording in recordings:
        if recording.kind not in ("music", "voice"):
            continue
        samples, cutoff_hz = load_cached(recording, cache), known_below_hz(recording)
        for number in range(1, each + 1):
            name = recording.name.replace("/", "_").rpartition(".")[0] + (f"_{number}" if each > 1 else "")
            while name in taken:  # of two files that differ in their ending alone
                name += "_"
            taken.add(name)
            found = excerpt(samples, int(seconds * SAMPLE_RATE), random_for(name))
            if found is not None:
                yield Excerpt(name, found, cutoff_hz)


def write_scenarios(folder: Path, clips: Sequence[Excerpt], material: Material) -> None:
    """Every clip in every scenario, and the table, in an existing `folder`. Raises ValueError where a recipe lacks
    what it needs."""
    noise = RECORDED if material.noise else SYNTHETIC
    recipes = {scenario: Recipe.parse(text.format(noise=noise)) for scenario, text in RECIPES.items()}
    for recipe in recipes.values():
        recipe.check(material)
    for scenario in (REFERENCE_SCENARIO, *recipes):
        (folder / scenario).mkdir()
    for clip in tqdm(clips, desc="degrading", unit="clip", leave=False):
        heard = {REFERENCE_SCENARIO: clip.samples}
        for scenario, recipe in recipes.items():
            random = random_for(scenario, clip.name)
            heard[scenario] = recipe.degrade(clip.samples, clip.cutoff_hz, material, random).degraded
        for scenario, samples in heard.items():
            soundfile.write(folder / scenario / f"{clip.name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with (folder / TABLE_NAME).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows([clip.name, len(clip.samples) / SAMPLE_RATE, round(clip.cutoff_hz)] for clip in clips)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.own_scenarios",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, help="a folder that is not there yet")
    parser.add_argument("--audio", type=Path, required=True, help="the recordings")
    parser.add_argument("--split", default=SPLIT, help="of a folder that has splits (default: %(default)s)")
    parser.add_argument("--excerpts", type=int, default=1, help="of each recording (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="folder for decoded audio")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Make the folder. Raises ValueError where something cannot be made."""
    if options.out.exists():
        raise ValueError(f"{options.out} is there already: wanted a folder that is not")
    if options.excerpts < 1 or not LEAST_SECONDS <= options.seconds <= MOST_SECONDS:
        raise ValueError(
            f"got {options.excerpts} excerpts of {options.seconds:g} s each, wanted at least 1 of {LEAST_SECONDS:g} to "
            f"{MOST_SECONDS:g} s"
        )
    recordings = find_recordings(options.audio, options.split)
    clips = list(excerpts(recordings, options.excerpts, options.seconds, options.cache))
    if not clips:
        raise ValueError(f"{options.audio}: got no recording of {options.seconds:g} s that is not silent, wanted one")
    measured = any(recording.kind == "rir" for recording in recordings)
    rooms = [] if measured else simulated_rooms(SIMULATED_ROOMS, ROOMS_SEED, options.cache)
    material = load_material(recordings, rooms, options.cache)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{options.out.name}.", dir=options.out.parent))
    try:
        write_scenarios(partial, clips, material)
        partial.chmod(0o755)  # as other folders, not as temporary ones
        partial.replace(options.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"{len(clips)} clips, {len(RECIPES) + 1} scenarios in {options.out}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    try:
        run(parse(arguments))
    except (ValueError, OSError, soundfile.LibsndfileError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
