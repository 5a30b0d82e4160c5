"""What the enhancement costs on one core: python -m benchmarks.latency

Timed in turns, round after round, so that whatever else the machine does falls on all of them alike:

  matrix product   512 x 512 float32 in numpy, one thread: what this core can do at this moment
  graph            one hop through the runtime alone, mono and stereo
  stream           one hop through Stream.process, mono and stereo
  DeepFilterNet3   with --beside FOLDER: 10 ms through its networks alone (benchmarks/deep_filter_net.py)

and then, as whole processes: from the command to the first enhanced sample, and `studiomic enhance` on a second of
sound. The delay of the stream is told too; it does not depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import studiomic
from benchmarks.deep_filter_net import FRAME_SECONDS, frame_call
from benchmarks.enhancing import bundle_in_words
from benchmarks.machine import machine_in_words
from benchmarks.noise import pink_noise
from benchmarks.workers import run_python, single_threaded_pool
from studiomic.commands.table import format_table
from studiomic.errors import StudiomicError

MATRIX_SIZE = 512
DEFAULT_ROUNDS = 20
CALLS_A_ROUND = 50
WARM_UP_CALLS = 5
DEFAULT_RUNS = 7
SEED = 0
LEVEL = 0.07
"""RMS of the noise fed in: -23 dB full scale, as music is."""
WHOLE_SECONDS = 30.0
AUDIO_UNIT_SECONDS = 0.01
"""Costs are told for 10 ms of audio, as audio callbacks are."""

PRODUCT = "matrix product"
PEER = "DeepFilterNet3"

START_STREAM = """
import sys, numpy, studiomic
stream = studiomic.Stream(bundle=sys.argv[1] or None)
stream.process(numpy.zeros(stream.latency + 1, numpy.float32))
"""
START_COMMAND = "import sys; from studiomic.command_line import main; sys.exit(main(sys.argv[1:]))"


def time_calls(bundle: str | None, rounds: int, beside: Path | None = None) -> dict[str, list[list[float]]]:
    """Seconds of each call, by what was called and by round; `beside`: the folder of DeepFilterNet3's graphs."""
    generator = np.random.default_rng(SEED)
    matrix = generator.standard_normal((MATRIX_SIZE, MATRIX_SIZE)).astype(np.float32)
    calls: dict[str, Callable[[], object]] = {PRODUCT: lambda: matrix @ matrix}
    for channels, name in ((1, "mono"), (2, "stereo")):
        calls[f"graph, {name}"] = _graph_call(bundle, channels, generator)
        calls[f"stream, {name}"] = _stream_call(bundle, channels, generator)
    if beside:
        calls[PEER] = frame_call(beside, generator)
    for call in calls.values():
        _times_of(call, WARM_UP_CALLS)
    times: dict[str, list[list[float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_times_of(call, CALLS_A_ROUND))
    return times


def real_time_factor(bundle: str | None) -> float:
    """Seconds of work for a second of audio, of a whole mono array at 48 kHz."""
    rate = studiomic.load_bundle(bundle).manifest.sample_rate
    samples = _noise(np.random.default_rng(SEED), int(WHOLE_SECONDS * rate), 1)[:, 0]
    begin = time.perf_counter()
    studiomic.enhance(samples, rate, bundle=bundle)
    return (time.perf_counter() - begin) / WHOLE_SECONDS


def time_processes(bundle: str | None, runs: int) -> dict[str, list[float]]:
    """Wall-clock seconds of whole processes, run in turns."""
    with tempfile.TemporaryDirectory() as folder:
        rate = studiomic.load_bundle(bundle).manifest.sample_rate
        source = Path(folder, "second.wav")
        soundfile.write(source, _noise(np.random.default_rng(SEED), rate, 1), rate)
        chosen = ["--bundle", bundle] if bundle else []
        destination = str(Path(folder, "enhanced.wav"))
        commands = {
            "bare Python": ["-c", "pass"],
            "to the first sample": ["-c", START_STREAM, bundle or ""],
            "studiomic enhance, 1 s": [
                *["-c", START_COMMAND, "enhance", str(source), destination, "--overwrite", "--quiet", *chosen]
            ],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                begin = time.perf_counter()
                run_python(command)
                times[name].append(time.perf_counter() - begin)
    return times


def call_figures(times: dict[str, list[list[float]]], audio_seconds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Median, 95th percentile, the spread of the rounds' medians, and what a call costs in matrix products and for 10
    ms of the audio that it enhances, `audio_seconds` by its name.

    The latter from each one's least disturbed round: what else the machine does slows long calls more than short ones.
    """
    product = min(float(np.median(one)) for one in times[PRODUCT])
    figures = {}
    for name, rounds in times.items():
        median, high = float(np.median(rounds)), float(np.percentile(rounds, 95))
        medians = [float(np.median(one)) for one in rounds]
        figures[name] = {
            "median_ms": 1e3 * median,
            "p95_ms": 1e3 * high,
            "round_medians_ms": [1e3 * min(medians), 1e3 * max(medians)],
            "matrix_products": min(medians) / product,
        }
        if name in audio_seconds:
            units = audio_seconds[name] / AUDIO_UNIT_SECONDS
            figures[name] |= {"ms_per_10_ms": 1e3 * median / units, "p95_ms_per_10_ms": 1e3 * high / units}
    return figures


def _graph_call(bundle: str | None, channels: int, generator: np.random.Generator) -> Callable[[], object]:
    """A call of the runtime that carries its states, hop by hop."""
    loaded = studiomic.load_bundle(bundle)
    runtime = loaded.open(channels=channels)
    audio = np.ascontiguousarray(_noise(generator, loaded.manifest.hop, channels).T)
    controls = studiomic.Controls().as_array()
    states = runtime.initial_states()

    def call() -> None:
        nonlocal states
        _, states = runtime.run(audio, controls, states)

    return call


def _stream_call(bundle: str | None, channels: int, generator: np.random.Generator) -> Callable[[], object]:
    """A call of a stream with a block of one hop."""
    loaded = studiomic.load_bundle(bundle)
    stream = studiomic.Stream(loaded.manifest.sample_rate, channels, bundle=loaded)
    block = _noise(generator, loaded.manifest.hop, channels)
    return lambda: stream.process(block)


def _noise(generator: np.random.Generator, length: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pink noise, [length, channels], at the level of music."""
    noise = np.stack([pink_noise(generator, length) for _ in range(channels)], axis=1)
    return (LEVEL / np.std(noise) * noise).astype(np.float32)


def _times_of(call: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def _print(results: dict[str, Any]) -> None:
    """The tables."""
    print(
        format_table(
            ["one core", "median ms", "p95 ms", "rounds' medians", "ms per 10 ms", "matrix products"],
            [
                [
                    name,
                    f"{row['median_ms']:.3f}",
                    f"{row['p95_ms']:.3f}",
                    "{:.3f} to {:.3f}".format(*row["round_medians_ms"]),
                    f"{row['ms_per_10_ms']:.3f}" if "ms_per_10_ms" in row else "",
                    f"{row['matrix_products']:.2f}",
                ]
                for name, row in results["calls"].items()
            ],
        )
    )
    print()
    print(
        format_table(
            ["whole process", "median s", "least s", "most s"],
            [
                [name, *(f"{value:.2f}" for value in (np.median(times), min(times), max(times)))]
                for name, times in results["processes"].items()
            ],
        )
    )
    print()
    print(
        f"latency {results['latency_samples']} samples, {results['latency_ms']:.1f} ms at {results['sample_rate']} Hz"
    )
    print(f"real-time factor {results['real_time_factor']:.4f} on {WHOLE_SECONDS:g} s, mono")


def main(arguments: Sequence[str] | None = None) -> int:
    """Time, print the tables, write the results; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="a bundle's name or folder (default: the embedded one)")
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS, help="of timed calls (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS, help="of each whole process (default: %(default)s)")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="DeepFilterNet3's ONNX files, to be timed, too")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the results here")
    options = parser.parse_args(arguments)
    try:
        stream = studiomic.Stream(bundle=options.bundle)
        manifest = studiomic.load_bundle(options.bundle).manifest
        with single_threaded_pool(1) as pool:
            times = pool.submit(time_calls, options.bundle, options.rounds, options.beside).result()
            factor = pool.submit(real_time_factor, options.bundle).result()
        hop_seconds = manifest.hop / manifest.sample_rate
        audio_seconds = {name: hop_seconds for name in times if name != PRODUCT} | {PEER: FRAME_SECONDS}
        results = {
            "machine": machine_in_words(),
            "studiomic": studiomic.__version__,
            "bundle": bundle_in_words(options.bundle),
            "sample_rate": stream.rate,
            "latency_samples": stream.latency,
            "latency_ms": 1e3 * stream.latency / stream.rate,
            "calls": call_figures(times, audio_seconds),
            "processes": time_processes(options.bundle, options.runs),
            "real_time_factor": factor,
        }
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    _print(results)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
