"""Which noises does a generator take, of which music? python -m benchmarks.kinds WEIGHTS ... --scenarios FOLDER
--noise NOISES

Every clean clip of FOLDER (the layout of benchmarks/scenario_folder.py) meets every recording in NOISES (say
noise/valid), and white, pink and brown noise, at one A-weighted signal-to-noise ratio; the generator restores it blind,
at full controls. Told is the gain in SI-SDR, by noise and by clip: what a mean hides. Weights as models.train writes
them, so that a run can be watched; several of them stand side by side.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.measures import bounded, without_edges
from benchmarks.noise import add_noise, brown_noise, pink_noise, white_noise
from benchmarks.study.report import markdown_table
from benchmarks.study.systems import System
from benchmarks.watching import clean_clips, exit_code, noise_parser, open_systems, write_results
from models.data.recordings import AUDIO_SUFFIXES, as_float, decode
from studiomic.figures import si_sdr

Samples = NDArray[np.float64]
COLOURS = {"white": white_noise, "pink": pink_noise, "brown": brown_noise}
MEAN = "mean"
WORST = "worst"


@dataclass(frozen=True)
class Gains:
    """Gains in SI-SDR, dB, [noises, clips]."""

    noises: tuple[str, ...]
    clips: tuple[str, ...]
    decibels: Samples

    def by_noise(self) -> dict[str, tuple[float, float]]:
        """Mean and worst gain over clips."""
        return {
            name: (float(row.mean()), float(row.min())) for name, row in zip(self.noises, self.decibels, strict=True)
        }

    def by_clip(self) -> dict[str, tuple[float, float]]:
        """Mean and worst gain over noises."""
        return {
            name: (float(row.mean()), float(row.min())) for name, row in zip(self.clips, self.decibels.T, strict=True)
        }

    def as_json(self) -> dict[str, dict[str, float]]:
        """Each gain by noise and clip."""
        return {
            noise: dict(zip(self.clips, row.tolist(), strict=True))
            for noise, row in zip(self.noises, self.decibels, strict=True)
        }


def synthetic_noises(length: int) -> dict[str, Samples]:
    """White, pink and brown noise, [length] each, always the same."""
    return {name: make(np.random.default_rng(zlib.crc32(name.encode())), length) for name, make in COLOURS.items()}


def recorded_noises(folder: Path, length: int) -> dict[str, Samples]:
    """Every recording in a folder by its name, repeated or cut to [length]. Raises ValueError where there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: got no recording, wanted a folder of noises ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return {path.stem: np.resize(as_float(decode(path)).astype(np.float64), length) for path in paths}


def gain_db(system: System, clean: Samples, noise: Samples, ratio_db: float) -> float:
    """How much nearer to `clean` [samples] the restored noisy clip is than the noisy one, in dB of SI-SDR.

    Raises ValueError where the clean clip is silent.
    """
    noisy = add_noise(clean, noise, ratio_db)
    wanted = without_edges(clean)
    before, after = (bounded(si_sdr(without_edges(heard), wanted)) for heard in (noisy, system.restore(noisy)))
    if before is None or after is None:
        raise ValueError("SI-SDR: got a silent clip, wanted music")
    return after - before


def measure(system: System, clips: dict[str, Samples], noises: dict[str, Samples], ratio_db: float) -> Gains:
    """Every clip with every noise."""
    rows = [
        [gain_db(system, clean, noise[: len(clean)], ratio_db) for clean in clips.values()]
        for noise in tqdm(noises.values(), desc=system.name, unit="noise", leave=False)
    ]
    return Gains(tuple(noises), tuple(clips), np.array(rows))


def table(gains: dict[str, Gains]) -> str:
    """By noise, then by clip: mean and worst gain of each generator."""
    head = [f"{name}, {what}" for name in gains for what in (MEAN, WORST)]
    parts = []
    for title, found in (
        ("noise", {name: one.by_noise() for name, one in gains.items()}),
        ("clip", {name: one.by_clip() for name, one in gains.items()}),
    ):
        rows = [
            [row, *(f"{value:+.2f}" for of_system in found.values() for value in of_system[row])]
            for row in next(iter(found.values()))
        ]
        means = [
            f"{summary:+.2f}"
            for of_system in found.values()
            for summary in (
                np.mean([mean for mean, _ in of_system.values()]),
                min(worst for _, worst in of_system.values()),
            )
        ]
        parts.append(markdown_table([title, *head], [*rows, [f"all of them, {MEAN} and {WORST}", *means]]))
    return "\n".join(parts)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = noise_parser("kinds", __doc__ or "")
    parser.add_argument("--noise", type=Path, help="folder of recorded noises (default: synthetic noise alone)")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write OUT."""
    systems = open_systems(options.weights)
    clips = clean_clips(options)
    longest = max(map(len, clips.values()))
    noises = synthetic_noises(longest)
    if options.noise is not None:
        noises |= recorded_noises(options.noise, longest)
    gains = {system.name: measure(system, clips, noises, options.ratio) for system in systems}
    print(table(gains))
    found = {name: one.as_json() for name, one in gains.items()}
    write_results(options.out, {"ratio_db": options.ratio, "gain_db": found})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return exit_code(run, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
