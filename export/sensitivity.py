"""What each part of the graph loses in 8 bits: python -m export.sensitivity --checkpoint GENERATOR

One part at a time is reduced, everything else stays in float32, and the output's SNR to the float32 graph is measured
on degraded music: with its matrices in 8 bits, with its activations in 8 bits as well, in 16 bits, and in float16. The
mean and the worst clip are told. The last rows reduce all parts of the network at once, with file size and time a hop,
the float32 file running beside. The DFTs are in the table to show why they are left out: their matrices are no weights.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.calibration import Clip, HopInputs, calibration_clips, calibration_hops
from export.graph_runner import GraphRunner
from export.hop_runner import HopRunner, Samples, run_clip
from export.onnx_file import OnnxRunner, convert_onnx, save_onnx
from export.onnx_precisions import (
    MATRIX_PARTS,
    is_within,
    matrix_products,
    quantize_products,
    scope_of,
    to_fp16,
    to_int8,
)
from export.prover import time_hops
from export.reduced_proof import signal_to_noise_db
from export.streaming_graph import FEATURES, StreamingGraph
from models.checkpoint import load_band_split

TEST_SEED = 1
"""Calibration draws its clips by another."""
TEST_CLIPS = 8
TEST_SECONDS = 6.0
DFTS = ("dft", "inverse_dft")
NETWORK = "the network"
COLUMNS = ("weights in 8 bits", "and activations in 8", "and activations in 16", "float16")

Model = onnx.ModelProto


@dataclass(frozen=True)
class Loss:
    """SNR to float32 in dB, mean and least over clips."""

    mean_db: float
    least_db: float


def parts_of(model: Model) -> dict[str, list[str]]:
    """The parts by name: encoder, each block's mixing over time, bands and channels, decoder, bin mixing, the DFTs."""
    scopes = {scope_of(node) for node in matrix_products(model, (*MATRIX_PARTS, *DFTS))}
    names: dict[str, list[str]] = {}
    for scope in sorted(scopes):
        words = scope.removeprefix("generator.").split(".")
        names.setdefault(" ".join(words[:3] if words[0] == "blocks" else words[:1]), []).append(scope)
    return names


def schemes(hops: Sequence[HopInputs]) -> dict[str, Callable[[Model, Collection[str]], Model]]:
    """By column: reduces the modules that are named."""
    return {
        COLUMNS[0]: to_int8,
        COLUMNS[1]: lambda model, parts: quantize_products(model, 8, hops, parts),
        COLUMNS[2]: lambda model, parts: quantize_products(model, 16, hops, parts),
        COLUMNS[3]: _only_in_fp16,
    }


def _only_in_fp16(model: Model, parts: Collection[str]) -> Model:
    """The named modules in float16; the whole network as it ships."""
    if set(parts) == set(MATRIX_PARTS):
        return to_fp16(model)
    return to_fp16(model, lambda half: {node.name for node in half.graph.node if not is_within(scope_of(node), parts)})


def enhanced(runner: HopRunner, clips: Sequence[Clip], hop: int) -> list[Samples]:
    """What a runner makes of each clip at full controls."""
    whole = [clip.audio[:, : clip.audio.shape[1] // hop * hop] for clip in clips]
    return [run_clip(runner, audio, np.ones((audio.shape[1] // hop, 3), np.float32), hop)[0] for audio in whole]


def measure(
    graph: StreamingGraph, clips: Sequence[Clip], hops: Sequence[HopInputs], columns: Collection[str] = COLUMNS
) -> Iterator[tuple[str, dict[str, Loss], dict[str, str]]]:
    """Row by row: the part, its losses by column, and for the whole network what a file of it costs."""
    model = convert_onnx(graph)
    chosen = {name: scheme for name, scheme in schemes(hops).items() if name in columns}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"

        def opened(made: Model) -> OnnxRunner:
            save_onnx(made, path, {})
            return OnnxRunner(path)

        reference = opened(model)
        size = path.stat().st_size
        wanted = enhanced(reference, clips, graph.hop)
        # features and the scopeless nodes between modules have no matrices; only float16 reaches them
        parts = {**parts_of(model), FEATURES.removeprefix("generator."): [FEATURES], NETWORK: list(MATRIX_PARTS)}
        for name, modules in parts.items():
            losses, costs = {}, {}
            for column, scheme in chosen.items():
                if not matrix_products(model, modules) and column != COLUMNS[3]:
                    continue
                runner = opened(scheme(model, modules))
                found = enhanced(runner, clips, graph.hop)
                snr_db = [signal_to_noise_db(*pair) for pair in zip(found, wanted, strict=True)]
                losses[column] = Loss(float(np.mean(snr_db)), min(snr_db))
                if name == NETWORK:
                    time = time_hops(runner, reference, graph)
                    costs[column] = (
                        f"{path.stat().st_size / size:.0%} of the size, {time.milliseconds:.2f} ms a hop beside "
                        f"{time.reference_milliseconds:.2f} ms"
                    )
            yield name, losses, costs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m export.sensitivity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights, as models.train writes them")
    parser.add_argument("--recordings", type=Path, help="to calibrate and measure on (default: synthesised music)")
    parser.add_argument("--clips", type=int, default=TEST_CLIPS)
    parser.add_argument("--seconds", type=float, default=TEST_SECONDS)
    options = parser.parse_args(arguments)
    generator, _ = load_band_split(options.checkpoint)
    graph = StreamingGraph(generator, 1)
    test = calibration_clips(options.recordings, 1, options.clips, options.seconds, TEST_SEED)
    hops = calibration_hops(GraphRunner(graph), calibration_clips(options.recordings, 1), graph.hop)
    print("SNR to float32 in dB, mean (worst clip)")
    print("part".ljust(20) + "".join(column.rjust(24) for column in COLUMNS))
    for part, losses, costs in measure(graph, test, hops):
        cells = [f"{losses[c].mean_db:.1f} ({losses[c].least_db:.1f})" if c in losses else "-" for c in COLUMNS]
        print(part.ljust(20) + "".join(cell.rjust(24) for cell in cells), flush=True)
        for column, cost in costs.items():
            print(f"  {column}: {cost}", flush=True)


if __name__ == "__main__":
    main()
