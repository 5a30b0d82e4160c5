"""Export a trained generator as a model bundle: python -m export --checkpoint runs/first/generator.safetensors --out
BUNDLE

Writes the streaming graph in mono and stereo, in every format and precision, with its manifest and data card, and
refuses to write anything unless each file stands its proof: fp32 hop by hop equals the PyTorch generator, output and
states; fp16 stays 50 dB below the music for ten minutes and at the extremes; int8 loses next to nothing of the figures.
The bundle in the package holds what its one runtime needs: --formats onnx --precisions fp32. Of a U-Net, which goes
through the window-wise graph, what is asked for is written as ONNX in fp32 and fp16 and as TFLite in fp32.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from export.bundle import DATA_CARD_NAME, FileReport, offered, write_bundle
from export.calibration import calibration_clips, calibration_hops
from export.graph_runner import GraphRunner
from export.hop_graph import HopGraph
from export.onnx_file import StaticRanges
from export.prover import REPEATS, ProofPlan
from models.checkpoint import load_generator
from studiomic.manifest import GRAPH_FORMATS, PRECISIONS

COLUMNS = (
    ("file", 20),
    ("bytes", 10),
    ("operators", 10),
    ("relative error", 15),
    ("largest error", 14),
    ("state error", 12),
    ("ms a hop", 9),
    ("fp32 beside", 12),
    ("SI-SDR loss", 12),
    ("ViSQOL loss", 12),
)
"""Each with its width: lines are printed as files are proven."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights, as models.train writes them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; replaced where it exists")
    parser.add_argument("--name", help="the bundle's name (default: the folder's)")
    parser.add_argument("--data-card", type=Path, help="default: data_card.csv beside the weights")
    parser.add_argument("--formats", nargs="+", choices=GRAPH_FORMATS, default=GRAPH_FORMATS)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--audio", type=Path, help="music at 48 kHz to prove the graph on (default: synthesised)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how much music the proof takes")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often reduced precisions hear it in a row")
    parser.add_argument("--scenarios", type=Path, help="folder of scenarios for int8's figures (default: synthesised)")
    parser.add_argument("--no-visqol", action="store_true", help="judge int8 by SI-SDR alone")
    parser.add_argument("--full", action="store_true", help="every clip of every scenario; CoreML as long as others")
    parser.add_argument(
        "--activations", type=int, choices=(8, 16), help="ONNX int8: quantize these too, to so many bits"
    )
    parser.add_argument("--calibration", type=Path, help="recordings for their ranges, as models.train takes them")
    options = parser.parse_args(arguments)
    generator, _ = load_generator(options.checkpoint)
    card = options.data_card or options.checkpoint.parent / DATA_CARD_NAME
    out = options.out.resolve()
    plan = ProofPlan(
        seconds=options.seconds,
        repeats=options.repeats,
        audio=options.audio,
        scenarios=options.scenarios,
        full=options.full,
        visqol=not options.no_visqol,
    )

    def static_ranges(graph: HopGraph) -> StaticRanges:
        clips = calibration_clips(options.calibration, graph.channels)
        return StaticRanges(options.activations, calibration_hops(GraphRunner(graph), clips, graph.hop))

    wanted = [(form, precision) for form in options.formats for precision in options.precisions]
    had = offered(generator, options.formats, options.precisions)
    left_out = [f"{form} {precision}" for form, precision in wanted if precision not in had.get(form, ())]
    if left_out:
        print(f"not written, as a {type(generator).__name__} cannot be had in it: {', '.join(left_out)}")
    _print_row([name for name, _ in COLUMNS])
    write_bundle(
        generator,
        card,
        out,
        options.name or out.name,
        plan,
        options.formats,
        options.precisions,
        static_ranges if options.activations else None,
        lambda report: _print_row(_cells(report)),
    )


def _cells(report: FileReport) -> list[str]:
    parity, time = report.file.parity, report.time
    loss = parity.loss
    return [
        report.file.path,
        str(report.bytes),
        str(report.operators),
        f"{parity.relative_error:.2e}",
        f"{parity.largest_error:.2e}",
        f"{parity.state_error:.2e}",
        "interpreted" if time is None else f"{time.milliseconds:.2f}",
        "-" if time is None else f"{time.reference_milliseconds:.2f}",
        "-" if loss is None else f"{loss.si_sdr_db:.3f}",
        "-" if loss is None or loss.visqol is None else f"{loss.visqol:.3f}",
    ]


def _print_row(cells: Sequence[str]) -> None:
    aligned = [cell.rjust(width) for cell, (_, width) in zip(cells[1:], COLUMNS[1:], strict=True)]
    print(" ".join([cells[0].ljust(COLUMNS[0][1]), *aligned]), flush=True)


if __name__ == "__main__":
    main()
