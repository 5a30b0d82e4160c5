"""Does the TFLite runtime of 2023 run a bundle's files as today's does? python -m benchmarks.old_tflite --bundle FOLDER

Makes a virtual environment of its own with tflite-runtime 2.14 (the last of that name) and NumPy 1, runs each TFLite
file there and here through the SDK on the same music, and compares both with what the fp32 file gives here. Times are
the median of one thread; both take turns on one machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import studiomic
from studiomic.commands.table import format_table
from studiomic.manifest import GraphFile

ROOT = Path(__file__).resolve().parents[1]
MODULES = (ROOT, ROOT / "sdk")
PACKAGES = ("tflite-runtime==2.14.0", "numpy<2", "flatbuffers", "samplerate", "soundfile", "tqdm")
DEFAULT_SECONDS = 6.0
TIMEOUT_SECONDS = 600.0
MOVING_PERIOD_HOPS = 37
WARM_UP_HOPS = 5

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """What a file gave: enhanced [channels, samples], the last state, the runtime's name, and milliseconds a hop."""

    enhanced: Samples
    state: Samples
    runtime: str
    milliseconds: float


@dataclass(frozen=True)
class Row:
    """A file in the old runtime and in today's. Errors are ||a - b|| / ||b||, of output and of the last state."""

    file: str
    old_runtime: str
    runtime: str
    old_to_new: float
    old_to_new_state: float
    old_to_fp32_db: float | None
    new_to_fp32_db: float | None
    old_milliseconds: float
    milliseconds: float


def run_file(bundle: Path, channels: int, precision: str, sound: Samples, controls: Samples) -> Run:
    """A TFLite file over sound [channels, hops * hop] under controls [hops, 3], from the zero state."""
    runtime = studiomic.load_bundle(bundle).open(channels, "tflite", precision)
    states = runtime.initial_states()
    enhanced, times = [], []
    for index, block in enumerate(np.split(sound, len(controls), axis=1)):
        audio = np.ascontiguousarray(block)
        started = time.perf_counter()
        output, states = runtime.run(audio, controls[index : index + 1], states)
        times.append(time.perf_counter() - started)
        enhanced.append(output)
    return Run(
        np.concatenate(enhanced, axis=1),
        np.concatenate([state.ravel() for state in states]),
        runtime.name,
        1000 * float(np.median(times[WARM_UP_HOPS:])),
    )


def environment(folder: Path) -> Path:
    """The Python of an environment with the old runtime in `folder`, made where it is not there yet."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def run_in(python: Path, bundle: Path, file: GraphFile, given: Path) -> Run:
    """The file in the other environment, on the sound and controls in `given`. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made.npz")
        arguments = ["-m", "benchmarks.old_tflite", "--guest", str(made), "--given", str(given)]
        subprocess.run(
            [python, *arguments, "--bundle", str(bundle), "--file", file.precision, str(file.channels)],
            cwd=ROOT,
            env={"PYTHONPATH": ":".join(map(str, MODULES)), "OMP_NUM_THREADS": "1"},
            check=True,
            timeout=TIMEOUT_SECONDS,
        )
        with np.load(made, allow_pickle=False) as found:
            return Run(
                found["enhanced"], found["state"], str(found["runtime"]), milliseconds=float(found["milliseconds"])
            )


def compare(python: Path, bundle: Path, seconds: float) -> list[Row]:
    """Every TFLite file of the bundle there and here."""
    from export.material import synthesised_music

    manifest = studiomic.load_bundle(bundle).manifest
    hops = max(2 * WARM_UP_HOPS, round(seconds * manifest.sample_rate / manifest.hop))
    swing = 2 * np.pi * np.outer(np.arange(hops), (1.0, 1.7, 2.3)) / MOVING_PERIOD_HOPS
    controls = (0.5 + 0.5 * np.cos(swing)).astype(np.float32)
    rows = []
    for file in manifest.files:
        if file.format != "tflite":
            continue
        music = synthesised_music(hops * manifest.hop / manifest.sample_rate, manifest.sample_rate, file.channels)
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder, "given.npz")
            np.savez(given, sound=music, controls=controls)
            old = run_in(python, bundle, file, given)
        new = run_file(bundle, file.channels, file.precision, music, controls)
        best = run_file(bundle, file.channels, "fp32", music, controls)
        rows.append(
            Row(
                file=file.path,
                old_runtime=old.runtime,
                runtime=new.runtime,
                old_to_new=_relative(old.enhanced, new.enhanced),
                old_to_new_state=_relative(old.state, new.state),
                old_to_fp32_db=_decibels(_relative(old.enhanced, best.enhanced)),
                new_to_fp32_db=_decibels(_relative(new.enhanced, best.enhanced)),
                old_milliseconds=old.milliseconds,
                milliseconds=new.milliseconds,
            )
        )
    return rows


def _relative(ours: Samples, theirs: Samples) -> float:
    """Infinite where a number is not finite."""
    error = float(np.linalg.norm(ours.astype(np.float64) - theirs) / np.linalg.norm(theirs.astype(np.float64)))
    return error if np.isfinite(error) else float("inf")


def _decibels(relative: float) -> float | None:
    """The signal-to-noise ratio; None where there is no noise."""
    return None if relative == 0 else -20 * float(np.log10(relative))


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""

    def decibels(value: float | None) -> str:
        return "same" if value is None else f"{value:.1f}"

    return format_table(
        ("file", "old to new", "state", "old to fp32, dB", "new to fp32, dB", "old, ms a hop", "new, ms a hop"),
        [
            (
                row.file,
                f"{row.old_to_new:.1e}",
                f"{row.old_to_new_state:.1e}",
                decibels(row.old_to_fp32_db),
                decibels(row.new_to_fp32_db),
                f"{row.old_milliseconds:.3f}",
                f"{row.milliseconds:.3f}",
            )
            for row in rows
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; as a guest in the other environment run one file and write what it gave."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.old_tflite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, required=True, help="the folder of a bundle with TFLite files")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of music (default: %(default)s)")
    parser.add_argument("--environment", type=Path, help="where to keep the environment (default: a temporary one)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the results here")
    parser.add_argument("--guest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--given", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--file", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.guest:
        precision, channels = options.file
        with np.load(options.given, allow_pickle=False) as given:
            run = run_file(options.bundle, int(channels), precision, given["sound"], given["controls"])
        np.savez(options.guest, **asdict(run))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        python = environment(options.environment or Path(folder, "environment"))
        rows = compare(python, options.bundle.resolve(), options.seconds)
    if not rows:
        print(f"{options.bundle}: got a bundle without TFLite files, wanted one with them", file=sys.stderr)
        return 1
    print(f"old: {rows[0].old_runtime}, new: {rows[0].runtime}\n")
    print(table(rows))
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
