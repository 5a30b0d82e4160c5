"""Are highs raised where lows rumble? python -m benchmarks.rumble WEIGHTS ... --scenarios FOLDER

Rumble that falls steadily above the lows looks as music does behind a cover, so that an equaliser may raise highs that
nothing covered. Every clean clip of FOLDER (the layout of benchmarks/scenario_folder.py) meets some synthetic rumbles
(models/data/noise.py) at one A-weighted signal-to-noise ratio; the generator restores it blind, at full controls. Told
is how much louder what lies from 4 to 16 kHz comes out: in how many cases it rises, and the worst. Weights as
models.train writes them, so that a run can be watched; several of them stand side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from tqdm import tqdm

from benchmarks.measures import without_edges
from benchmarks.noise import add_noise, random_for
from benchmarks.scenario_folder import RATE
from benchmarks.study.report import markdown_table
from benchmarks.study.systems import System
from benchmarks.watching import clean_clips, exit_code, noise_parser, open_systems, write_results
from models.data.noise import rumble
from models.data.steps.noises import RUMBLE

Samples = NDArray[np.float64]
RUMBLES = 3  # that each clip meets
HIGHS_HERTZ = (4000.0, 16000.0)
SMALLEST_POWER = 1e-12  # of what is silent
RISES_DB = (2.0, 10.0)


def rumbles(clip: str, samples: int) -> list[Samples]:
    """The rumbles that a clip of that name meets, always the same, [samples] each."""
    random = random_for(RUMBLE, clip)
    return [rumble(samples, random).astype(np.float64) for _ in range(RUMBLES)]


def highs(audio: Samples) -> float:
    """Power of what lies within HIGHS_HERTZ."""
    power = np.abs(fft.rfft(audio)) ** 2 / len(audio) ** 2
    hertz = fft.rfftfreq(len(audio), 1 / RATE)
    return SMALLEST_POWER + float(power[(hertz >= HIGHS_HERTZ[0]) & (hertz < HIGHS_HERTZ[1])].sum())


def rise_db(system: System, clean: Samples, noise: Samples, ratio_db: float) -> float:
    """How much louder the highs of a clip [samples] in rumble come out than they went in."""
    heard = add_noise(clean, noise, ratio_db)
    before, after = (highs(without_edges(audio)) for audio in (heard, system.restore(heard)))
    return 10 * float(np.log10(after / before))


def measure(system: System, clips: dict[str, Samples], ratio_db: float) -> dict[str, list[float]]:
    """The rises of each clip, in dB."""
    return {
        name: [rise_db(system, clean, noise, ratio_db) for noise in rumbles(name, len(clean))]
        for name, clean in tqdm(clips.items(), desc=system.name, unit="clip", leave=False)
    }


def table(rises: dict[str, dict[str, list[float]]]) -> str:
    """By generator: in how many cases highs rise, the mean of all, and the worst."""
    head = ["generator", "cases", *(f"rise by more than {limit:g} dB" for limit in RISES_DB), "mean, dB", "worst, dB"]
    rows = []
    for name, found in rises.items():
        of_all = np.concatenate(list(found.values()))
        over = [str(int((of_all > limit).sum())) for limit in RISES_DB]
        rows.append([name, str(len(of_all)), *over, f"{of_all.mean():+.2f}", f"{of_all.max():+.2f}"])
    return markdown_table(head, rows)


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write OUT."""
    systems = open_systems(options.weights)
    clips = clean_clips(options)
    rises = {system.name: measure(system, clips, options.ratio) for system in systems}
    print(table(rises))
    write_results(options.out, {"ratio_db": options.ratio, "rise_db": rises})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return exit_code(run, noise_parser("rumble", __doc__ or "").parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
