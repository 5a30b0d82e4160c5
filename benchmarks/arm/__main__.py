"""Does every file of a bundle give on Arm what it gives here? python -m benchmarks.arm --bundle FOLDER

Sets up an emulated Arm machine (Debian's Python for arm64 and the Arm wheels of ONNX Runtime and LiteRT under qemu, in
a folder of its own), runs each ONNX and TFLite file on the same seconds of music there and here, and compares each with
what the fp32 ONNX file gives here, and with itself here. Then the golden vectors are replayed there. Times under
emulation mean nothing and are not told; CoreML's files have no runtime on Linux and are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import studiomic
from benchmarks.arm.guest import run_hops
from benchmarks.arm.machine import PROCESSOR, ArmMachine, ArmMachineError, arm_machine, default_cache
from benchmarks.enhancing import bundle_in_words
from benchmarks.machine import machine_in_words
from export.material import synthesised_music
from studiomic.commands.table import format_table
from studiomic.errors import StudiomicError
from studiomic.manifest import GraphFile
from tests.support.vectors import BUNDLE_NAME, FOLDER, Samples

ROOT = Path(__file__).resolve().parents[2]
MODULES = (ROOT, ROOT / "sdk")
FORMATS = ("onnx", "tflite")
DEFAULT_SECONDS = 3.0
MOVING_PERIOD_HOPS = 37
TIMEOUT_SECONDS = 1800.0
"""For one file: emulation is some 100 times slower than the processor."""


@dataclass(frozen=True)
class Difference:
    """Of one run from another: ||a - b|| / ||b|| of the output, the same as a signal-to-noise ratio, the largest
    |a - b|, and ||a - b|| / ||b|| of the last state."""

    relative_error: float
    snr_db: float | None
    """None where there is no difference at all."""
    largest_error: float
    state_relative_error: float


def difference(ours: dict[str, Samples], theirs: dict[str, Samples]) -> Difference:
    """How far `ours` is from `theirs`. Raises ValueError where either is not finite."""
    for outputs in (ours, theirs):
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise ValueError(f"{name}: got numbers that are not finite")
    relative = _relative(ours["enhanced"], theirs["enhanced"])
    states = [name for name in theirs if name != "enhanced"]
    return Difference(
        relative_error=relative,
        snr_db=-20 * float(np.log10(relative)) if relative else None,
        largest_error=float(np.max(np.abs(ours["enhanced"] - theirs["enhanced"]))),
        state_relative_error=max(_relative(ours[name], theirs[name]) for name in states),
    )


def _relative(ours: Samples, theirs: Samples) -> float:
    wanted = theirs.astype(np.float64)
    return float(np.linalg.norm(ours - wanted) / np.linalg.norm(wanted))


def material(hops: int, hop: int, rate: int, channels: int) -> tuple[Samples, Samples]:
    """Music [channels, hops * hop] and controls [hops, 3] that move."""
    music = synthesised_music(hops * hop / rate, rate, channels)[:, : hops * hop]
    phase = 2 * np.pi * np.outer(np.arange(hops), (1.0, 1.7, 2.3)) / MOVING_PERIOD_HOPS
    return np.ascontiguousarray(music), (0.5 + 0.5 * np.cos(phase)).astype(np.float32)


def compare_file(machine: ArmMachine, bundle: Path, file: GraphFile, seconds: float) -> dict[str, Any]:
    """One file there and here. Raises ArmMachineError or StudiomicError."""
    manifest = studiomic.load_bundle(bundle).manifest
    hops = max(1, round(seconds * manifest.sample_rate / manifest.hop))
    sound, controls = material(hops, manifest.hop, manifest.sample_rate, file.channels)
    with tempfile.TemporaryDirectory() as folder:
        source, destination = Path(folder, "given.npz"), Path(folder, "made.npz")
        np.savez(source, allow_pickle=False, sound=sound, controls=controls)
        guest = ["-m", "benchmarks.arm.guest", "hops", file.format, file.precision]
        machine.python(
            [*guest, str(bundle.resolve()), str(file.channels), str(source), str(destination)],
            MODULES,
            TIMEOUT_SECONDS,
        )
        with np.load(destination, allow_pickle=False) as made:
            there = dict(made)
    here = run_hops(bundle, file.channels, file.format, file.precision, sound, controls)
    best = run_hops(bundle, file.channels, "onnx", "fp32", sound, controls)
    return {
        "file": file.path,
        "seconds": hops * manifest.hop / manifest.sample_rate,
        "from_fp32_here": asdict(difference(there, best)),
        "from_itself_here": asdict(difference(there, here)),
    }


def compare(machine: ArmMachine, bundle: Path, seconds: float, vectors: bool) -> dict[str, Any]:
    """All that is told of a bundle; what fails is told by its error."""
    rows: list[dict[str, Any]] = []
    for file in studiomic.load_bundle(bundle).manifest.files:
        if file.format in FORMATS:
            print(f"{file.path} ...", file=sys.stderr)
            try:
                rows.append(compare_file(machine, bundle, file, seconds))
            except (ArmMachineError, StudiomicError, ValueError) as error:
                rows.append({"file": file.path, "error": str(error)})
    replays: list[dict[str, Any]] = []
    for file in studiomic.load_bundle(FOLDER / BUNDLE_NAME).manifest.files if vectors else ():
        if file.format in FORMATS and file.channels == 1:
            print(f"golden vectors, {file.format} {file.precision} ...", file=sys.stderr)
            replay: dict[str, Any] = {"format": file.format, "precision": file.precision}
            guest = ["-m", "benchmarks.arm.guest", "vectors", file.format, file.precision]
            try:
                replay["met"] = int(machine.python(guest, MODULES, TIMEOUT_SECONDS))
            except ArmMachineError as error:
                replay["error"] = str(error)
            replays.append(replay)
    return {"files": rows, "golden_vectors": replays}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The differences as a table."""
    cells = []
    for row in rows:
        if "error" in row:
            cells.append([row["file"], "failed", "", "", "", ""])
            continue
        best, itself = row["from_fp32_here"], row["from_itself_here"]
        cells.append(
            [
                row["file"],
                f"{best['relative_error']:.1e}",
                "" if best["snr_db"] is None else f"{best['snr_db']:.1f}",
                f"{best['largest_error']:.1e}",
                f"{best['state_relative_error']:.1e}",
                f"{itself['relative_error']:.1e}",
            ]
        )
    return format_table(
        ["file on Arm", "error to fp32 here", "SNR dB", "largest error", "state's error", "error to itself here"], cells
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Set up, run, print the tables, write the results; 1 where anything failed to run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.arm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, help="a bundle's folder (default: the embedded one)")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of music (default: %(default)s)")
    parser.add_argument("--no-vectors", action="store_true", help="leave the golden vectors out")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where the machine is kept (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the results here")
    options = parser.parse_args(arguments)
    bundle = studiomic.load_bundle(options.bundle).folder
    try:
        machine = arm_machine(options.cache)
        results: dict[str, Any] = {
            "machine": machine_in_words(),
            "arm": {"emulator": machine.emulator(), "processor": PROCESSOR, "packages": machine.packages()},
            "bundle": bundle_in_words(str(bundle)),
            **compare(machine, bundle, options.seconds, not options.no_vectors),
        }
    except (ArmMachineError, StudiomicError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results["files"]))
    for replay in results["golden_vectors"]:
        told = f"{replay['met']} met" if "met" in replay else f"failed: {replay['error']}"
        print(f"golden vectors, {replay['format']} {replay['precision']}: {told}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    failures = [row for row in (*results["files"], *results["golden_vectors"]) if "error" in row]
    for row in failures:
        print(row["error"], file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
