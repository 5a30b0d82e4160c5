"""How much memory `studiomic enhance` needs for long files: python -m benchmarks.memory

A file of ten seconds and one of an hour are generated in a temporary folder and enhanced, each by a process of its own;
the most memory that each held is compared. The command reads and writes block by block, so an hour must not need more
than 20 MB above ten seconds: the exit code is 1 where it does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.machine import machine_in_words
from benchmarks.workers import run_python
from studiomic.commands.table import format_table
from studiomic.errors import StudiomicError

RATE = 48000
SHORT_SECONDS = 10.0
LONG_SECONDS = 3600.0
MOST_GROWTH = 20e6
"""Bytes that the long file may need above the short one."""
CHORD_HZ = (220.0, 277.18, 329.63)
NOISE_LEVEL = 0.02
TONE_LEVEL = 0.05
SEED = 0
BLOCK_SECONDS = 1


@dataclass(frozen=True)
class Held:
    """What enhancing one file took."""

    seconds: float
    peak_bytes: int
    elapsed_seconds: float


def write_music(path: Path, seconds: float, channels: int) -> None:
    """A chord in noise, 16 bits, written block by block."""
    generator = np.random.default_rng(SEED)
    with soundfile.SoundFile(path, "w", RATE, channels, subtype="PCM_16") as file:
        for begin in np.arange(0, seconds, BLOCK_SECONDS):
            count = round(min(BLOCK_SECONDS, seconds - begin) * RATE)
            file.write(_chord(begin, count)[:, None] + NOISE_LEVEL * generator.standard_normal((count, channels)))


def measure(seconds: float, channels: int, bundle: str | None) -> Held:
    """Enhance a generated file of that length. Raises RuntimeFailureError, with the command's words, where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        source, destination, report = (Path(folder, name) for name in ("music.wav", "enhanced.wav", "peak"))
        write_music(source, seconds, channels)
        chosen = ["--bundle", bundle] if bundle else []
        begin = time.perf_counter()
        run_python(
            ["-m", "benchmarks.peak_memory", str(report), "enhance", str(source), str(destination), "--quiet", *chosen]
        )
        return Held(seconds, int(report.read_text()), time.perf_counter() - begin)


def _chord(begin: float, count: int) -> NDArray[np.float64]:
    """A part of the chord, in phase with the part before."""
    time_axis = begin + np.arange(count) / RATE
    return np.asarray(TONE_LEVEL * sum(np.sin(2 * np.pi * hertz * time_axis) for hertz in CHORD_HZ))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both, print the table; 1 where the long file needs too much."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="a bundle's name or folder (default: the embedded one)")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--short", type=float, default=SHORT_SECONDS, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--long", type=float, default=LONG_SECONDS, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the results here")
    options = parser.parse_args(arguments)
    try:
        short, long = (measure(seconds, options.channels, options.bundle) for seconds in (options.short, options.long))
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    growth = long.peak_bytes - short.peak_bytes
    kept = growth <= MOST_GROWTH
    rows = [
        [f"{held.seconds:g} s", f"{held.peak_bytes / 1e6:.1f}", f"{held.elapsed_seconds:.1f}"] for held in (short, long)
    ]
    print(format_table(["file", "peak MB", "elapsed s"], rows))
    print(f"growth {growth / 1e6:+.1f} MB, at most {MOST_GROWTH / 1e6:g} MB wanted: {'kept' if kept else 'NOT KEPT'}")
    if options.out:
        results = {"machine": machine_in_words(), "channels": options.channels, "growth_bytes": growth, "kept": kept}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results | {"files": [asdict(short), asdict(long)]}, indent=1) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
