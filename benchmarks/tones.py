"""What becomes of test tones? python -m benchmarks.tones WEIGHTS ...

An engineer plays a sine first. Sines, chords, sweeps, scales, bells and beeps are synthesised, loud and quiet, as they
are and rounded to 16 bits; nothing is missing in them, so each should come out as it went in. Told is how far the level
moves and the SI-SDR of what comes out, blind, at full controls: for each sound the worst of all levels, and over sounds
how many keep their level to within 0.1 dB and how many come out at 35 dB or more. Weights as models.train writes them,
so that a run can be watched; several of them stand side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.measures import bounded, without_edges
from benchmarks.scenario_folder import RATE
from benchmarks.study.report import markdown_table
from benchmarks.study.systems import System
from benchmarks.watching import exit_code, open_systems, write_results
from studiomic.figures import level_difference, si_sdr

Samples = NDArray[np.float64]

SECONDS = 8.0
PEAKS = (0.99, 0.1, 0.01)
SINE_HERTZ = (60, 110, 220, 330, 440, 622, 880, 997, 1250, 1500, 2000, 3000, 4000, 5000, 7000, 10000)
HIGHEST_HERTZ = 20000.0  # of a partial
SIXTEEN_BITS = 2.0**15
SILENT_PEAK = 1e-9
LARGEST_LEVEL_DB, LEAST_SI_SDR_DB = 0.1, 35.0  # what is asked of clean recordings


@dataclass(frozen=True)
class Change:
    """What became of a sound: by how much its level moved, and its SI-SDR, in dB."""

    sound: str
    peak: float
    rounded: bool
    level_db: float
    si_sdr_db: float


def partials(hertz: float, time: Samples, numbers: Sequence[float], slope: float) -> Samples:
    """Partials at such multiples of `hertz`, whose amplitudes fall with their number to the power of `slope`."""
    audible = [number for number in numbers if number * hertz < HIGHEST_HERTZ]
    found: Samples = np.sum([np.sin(2 * np.pi * n * hertz * time) / n**slope for n in audible], axis=0)
    return found


def played(
    notes: Sequence[float], seconds: float, time: Samples, timbre: Callable[[float], Samples], decay: float = np.inf
) -> Samples:
    """Notes in hertz one after the other, so many seconds each, again and again, without clicks."""
    index = (time / seconds).astype(int) % len(notes)
    within = time % seconds
    envelope = np.clip(within / 0.005, 0, 1) * np.clip((seconds - within) / 0.01, 0, 1) * np.exp(-within / decay)
    found: Samples = np.sum([(index == at) * timbre(hertz) for at, hertz in enumerate(notes)], axis=0)
    return envelope * found


def sounds() -> dict[str, Samples]:
    """The sounds by name, [samples] each at 48 kHz, whatever their level."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    harmonics, odd = range(1, 9), range(1, 200, 2)
    growth = np.log(HIGHEST_HERTZ / 50) / SECONDS

    def sine(hertz: float) -> Samples:
        return partials(hertz, time, [1], 0.0)

    def square(hertz: float) -> Samples:
        return partials(hertz, time, odd, 1.0)

    scale, chord = (440.0, 494.0, 523.0, 587.0, 659.0), (220.0, 277.0, 330.0)
    return {
        **{f"sine, {hertz} Hz": sine(hertz) for hertz in SINE_HERTZ},
        "two sines, of a telephone's key": sine(697) + sine(1209),
        "sweep, 50 Hz to 20 kHz": np.sin(2 * np.pi * 50 / growth * (np.exp(growth * time) - 1)),
        "chord of an organ": np.sum([partials(hertz, time, harmonics, 1.0) for hertz in chord], axis=0),
        "square wave, 220 Hz": square(220),
        "saw tooth, 110 Hz": partials(110, time, range(1, 200), 1.0),
        "scale of sines": played(scale, 0.4, time, sine),
        "scale of square waves": played(scale, 0.25, time, square),
        "triads of triangles": played((220, 330, 262, 392), 0.5, time, lambda hertz: partials(hertz, time, odd, 2.0)),
        "plucked strings": played((220, 330, 262, 392), 0.5, time, lambda f: partials(f, time, range(1, 13), 1.0), 0.3),
        "bells": played((440, 660, 523), 1.0, time, lambda hertz: partials(hertz, time, (1, 2.76, 5.4), 0.6), 0.5),
        "vibrato": np.sin(2 * np.pi * 440 * time + 6 * np.sin(2 * np.pi * 5 * time)),
        "beeps, 1 kHz": sine(1000) * (time % 1.0 < 0.3),
    }


def change(system: System, name: str, sound: Samples, peak: float, rounded: bool) -> Change:
    """What a system makes of a sound [samples] at a peak, rounded to 16 bits or not. Raises ValueError for
    silence."""
    heard = peak * sound / max(float(np.max(np.abs(sound))), SILENT_PEAK)
    if rounded:
        heard = np.round(heard * SIXTEEN_BITS) / SIXTEEN_BITS
    judged, wanted = without_edges(system.restore(heard)), without_edges(heard)
    level_db, ratio_db = bounded(level_difference(judged, wanted)), bounded(si_sdr(judged, wanted))
    if level_db is None or ratio_db is None:
        raise ValueError(f"{name}: got silence, wanted a sound")
    return Change(name, peak, rounded, level_db, ratio_db)


def measure(system: System) -> list[Change]:
    """Every sound at every level."""
    return [
        change(system, name, sound, peak, rounded)
        for name, sound in tqdm(sounds().items(), desc=system.name, unit="sound", leave=False)
        for peak in PEAKS
        for rounded in (False, True)
    ]


def table(changes: dict[str, list[Change]]) -> str:
    """By sound the worst of each generator, then how many of all kept their level and waveform."""
    head = ["sound", *(f"{name}, {what}" for name in changes for what in ("level, dB", "SI-SDR, dB"))]
    rows = []
    for sound in dict.fromkeys(one.sound for found in changes.values() for one in found):
        row = [sound]
        for found in changes.values():
            of_sound = [one for one in found if one.sound == sound]
            row.append(f"{max((one.level_db for one in of_sound), key=abs):+.2f}")
            row.append(f"{min(one.si_sdr_db for one in of_sound):.0f}")
        rows.append(row)
    kept = ["all that keep it"]
    for found in changes.values():
        kept.append(f"{np.mean([abs(one.level_db) <= LARGEST_LEVEL_DB for one in found]):.0%}")
        kept.append(f"{np.mean([one.si_sdr_db >= LEAST_SI_SDR_DB for one in found]):.0%}")
    return markdown_table(head, [*rows, kept])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tones", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+", help="generators, as models.train writes them")
    parser.add_argument("--out", type=Path, help="every change as JSON")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure, print, and write OUT."""
    changes = {system.name: measure(system) for system in open_systems(options.weights)}
    print(table(changes))
    write_results(options.out, {"changes": {name: [asdict(one) for one in found] for name, found in changes.items()}})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return exit_code(run, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
