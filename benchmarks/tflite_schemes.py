"""Which way of storing TFLite weights in 8 bits is worth it? python -m benchmarks.tflite_schemes --checkpoint W

Quantizes the mono graph by several schemes of ai-edge-quantizer, runs each on the same music under moving controls, and
prints size, signal-to-noise ratio against the float32 graph (of the output, and of the change that the graph makes) and
the time a hop on one thread in the quickest of five rounds, in which the schemes take turns. The first row is the
float32 graph; `export.tflite_file` writes "weights, a scale a channel".
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.hop_runner import Samples
from export.material import read_music, synthesised_music
from export.proof import moving_controls
from export.quiet import kept_quiet
from export.streaming_graph import StreamingGraph
from export.tflite_file import INTEGER_BITS, MATRIX_PRODUCTS, TURNED_TO_INTEGERS, convert_tflite
from models.checkpoint import load_band_split
from studiomic.commands.table import format_table
from studiomic.runtimes.tflite import TfliteInterpreter

DEFAULT_SECONDS = 6.0
CALIBRATION_HOPS = 64
ROUNDS = 5
EVERYWHERE = ".*"
FULLY_CONNECTED = MATRIX_PRODUCTS[1]

Recipe = Callable[[Any], object]
"""Tells a Quantizer what to do."""


@dataclass(frozen=True)
class Measured:
    """What came out of a scheme; milliseconds a hop, in the quickest round."""

    name: str
    size: int
    snr_db: float
    change_snr_db: float
    milliseconds: float


def schemes() -> dict[str, Recipe]:
    """Recipes by name."""
    from ai_edge_quantizer import qtyping

    def weights(where: str, granularity: qtyping.QuantGranularity) -> Recipe:
        return lambda work: [
            work.add_weight_only_config(where, qtyping.TFLOperationName(name), INTEGER_BITS, granularity=granularity)
            for name in MATRIX_PRODUCTS
        ]

    def dynamic(*operators: str) -> Recipe:
        return lambda work: [
            work.add_dynamic_config(TURNED_TO_INTEGERS, qtyping.TFLOperationName(name), INTEGER_BITS)
            for name in operators
        ]

    def static(activation_bits: int, *operators: str) -> Recipe:
        return lambda work: [
            work.add_static_config(TURNED_TO_INTEGERS, qtyping.TFLOperationName(name), activation_bits, INTEGER_BITS)
            for name in operators
        ]

    channel, tensor = qtyping.QuantGranularity.CHANNELWISE, qtyping.QuantGranularity.TENSORWISE
    return {
        "weights, a scale a channel": weights(TURNED_TO_INTEGERS, channel),
        "weights, a scale a tensor": weights(TURNED_TO_INTEGERS, tensor),
        "weights, the DFT too": weights(EVERYWHERE, channel),
        "dynamic, fully connected": dynamic(FULLY_CONNECTED),
        "dynamic, all products": dynamic(*MATRIX_PRODUCTS),
        "static 8 bits, fully connected": static(8, FULLY_CONNECTED),
        "static 8 bits, all products": static(8, *MATRIX_PRODUCTS),
        "static 16 bits, fully connected": static(16, FULLY_CONNECTED),
        "static 16 bits, all products": static(16, *MATRIX_PRODUCTS),
    }


def quantized(converted: bytes, recipe: Recipe, calibration: Sequence[dict[str, Samples]]) -> bytes:
    """The model by a recipe, calibrated on hops where that is needed. Raises what the quantizer raises."""
    with kept_quiet():
        from ai_edge_quantizer import quantizer

        work = quantizer.Quantizer(bytearray(converted))
        recipe(work)
        result = work.calibrate({"serving_default": calibration}, num_threads=1) if work.need_calibration else None
        return bytes(work.quantize(result).quantized_model)


def hops(interpreter: TfliteInterpreter, music: Samples, controls: Samples) -> Iterator[tuple[dict[str, Samples], Any]]:
    """Inputs and outputs of each hop of music [1, samples] under controls [hops, 3], from the zero state."""
    hop = interpreter.inputs["audio"].shape[1]
    state = np.zeros(interpreter.inputs["state_0"].shape, np.float32)
    for index in range(len(controls)):
        inputs = {
            "audio": music[:, index * hop : (index + 1) * hop],
            "controls": controls[index : index + 1],
            "state_0": state,
        }
        outputs = interpreter.run(inputs)
        state = outputs["next_state_0"]
        yield inputs, outputs


def measure(files: dict[str, bytes], music: Samples, controls: Samples) -> Iterator[Measured]:
    """Each file against the first."""
    opened = {name: TfliteInterpreter(content, threads=1) for name, content in files.items()}
    times: dict[str, list[float]] = {name: [] for name in files}
    outputs: dict[str, Samples] = {}
    for _ in range(ROUNDS):
        for name, interpreter in opened.items():
            started = time.perf_counter()
            outputs[name] = np.concatenate([made["enhanced"] for _, made in hops(interpreter, music, controls)], axis=1)
            times[name].append((time.perf_counter() - started) / len(controls))
    reference = next(iter(outputs.values()))
    latency = music.shape[1] // len(controls)  # a hop
    change = reference[:, latency:] - music[:, : reference.shape[1] - latency]
    for name, output in outputs.items():
        error = float(np.linalg.norm(output - reference))
        yield Measured(
            name,
            size=len(files[name]),
            snr_db=_decibels(reference, error),
            change_snr_db=_decibels(change, error),
            milliseconds=1000 * min(times[name]),
        )


def _decibels(wanted: Samples, error: float) -> float:
    return 20 * float(np.log10(np.linalg.norm(wanted) / error)) if error else np.inf


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert, quantize, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tflite_schemes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights, as models.train writes them")
    parser.add_argument("--audio", type=Path, help="music at 48 kHz (default: synthesised)")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of music (default: %(default)s)")
    options = parser.parse_args(arguments)
    generator, _ = load_band_split(options.checkpoint)
    graph, rate = StreamingGraph(generator, 1).eval(), generator.config.sample_rate
    count = int(options.seconds * rate) // graph.hop
    seconds = count * graph.hop / rate
    music = read_music(options.audio, seconds, rate, 1) if options.audio else synthesised_music(seconds, rate, 1)
    controls = moving_controls(count)
    converted = convert_tflite(graph)
    calibration = [inputs for inputs, _ in hops(TfliteInterpreter(converted, threads=1), music, controls)]
    files, failed = {"float32": converted}, {}
    for name, recipe in schemes().items():
        try:
            content = quantized(converted, recipe, calibration[:CALIBRATION_HOPS])
            TfliteInterpreter(content, threads=1)
            files[name] = content
        except (RuntimeError, ValueError) as error:
            failed[name] = " ".join(str(error).split())
    rows = [
        (
            row.name,
            f"{row.size / 1e6:.3f}",
            f"{row.snr_db:.1f}",
            f"{row.change_snr_db:.1f}",
            f"{row.milliseconds:.3f}",
        )
        for row in measure(files, music, controls)
    ]
    print(format_table(("scheme", "MB", "SNR, dB", "of the change, dB", "ms a hop"), rows))
    for name, why in failed.items():
        print(f"{name}: does not load: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
