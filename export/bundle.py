"""From a trained generator to a proven model bundle on disk."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.formats import Format, coreml_format, onnx_format, tflite_format
from export.hop_graph import HopGraph
from export.onnx_file import OnnxRunner, StaticRanges, convert_onnx, write_onnx
from export.prover import HopTime, ProofPlan, Prover, time_hops
from export.streaming_graph import StreamingGraph
from export.window_graph import WindowGraph
from models.checkpoint import Generator
from models.generators.unet import UNet
from studiomic.manifest import (
    CONTRACT_VERSION,
    GRAPH_FORMATS,
    METADATA_KEY,
    PRECISIONS,
    DataCard,
    GraphFile,
    GraphTensors,
    Manifest,
    TensorSpec,
    sha256_of,
)

DATA_CARD_NAME = "data_card.csv"
GRAPH_NAMES = {1: "mono", 2: "stereo"}
FILES = {name: tuple(PRECISIONS) for name in GRAPH_FORMATS}
WINDOW_FILES: dict[str, tuple[str, ...]] = {"onnx": ("fp32", "fp16"), "tflite": ("fp32",)}
"""Precisions by format, of a generator of windows: convolutions are not among what is stored in fewer bits elsewhere
(the file would be fp32 under another name), and CoreML's can only be proven where CoreML runs."""


@dataclass(frozen=True)
class FileReport:
    """What is told of a written and proven file. `time` is None where the file is interpreted."""

    file: GraphFile
    bytes: int
    operators: int
    time: HopTime | None


def graph_around(generator: Generator, channels: int) -> HopGraph:
    """The streaming graph of a generator: of a U-Net the window-wise one."""
    return WindowGraph(generator, channels) if isinstance(generator, UNet) else StreamingGraph(generator, channels)


def graph_tensors(graph: HopGraph) -> GraphTensors:
    """What the contract says of the graph's tensors."""
    sound, state = (graph.channels, graph.hop), (1, graph.state_size)
    return GraphTensors(
        channels=graph.channels,
        inputs=(TensorSpec("audio", sound), TensorSpec("controls", (1, 3)), TensorSpec("state_0", state)),
        outputs=(TensorSpec("enhanced", sound), TensorSpec("next_state_0", state)),
    )


def describe_data_card(path: Path) -> DataCard:
    """Counts of the recordings on a card by licence."""
    with open(path, newline="", encoding="utf-8") as lines:
        licences = Counter(row["spdx"] for row in csv.DictReader(lines))
    return DataCard(DATA_CARD_NAME, sha256_of(path), sum(licences.values()), dict(licences.most_common()))


def file_name(channels: int, precision: str, suffix: str) -> str:
    """mono.onnx, stereo.int8.tflite: fp32 goes without saying."""
    return GRAPH_NAMES[channels] + ("" if precision == "fp32" else f".{precision}") + suffix


def open_formats(names: Sequence[str], static: Callable[[HopGraph], StaticRanges] | None) -> list[Format]:
    """The formats of those names. Raises MissingExtraError without a format's converter."""
    known = {"onnx": lambda: onnx_format(static), "tflite": tflite_format, "coreml": coreml_format}
    return [known[name]() for name in names]


def chosen(names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """Those of `known` that are in `names`, in the order of `known`. Raises ValueError for an unknown name, or none."""
    if not names or set(names) - set(known):
        raise ValueError(f"{what}: got {', '.join(names) or 'none'}, wanted some of: {', '.join(known)}")
    return [name for name in known if name in names]


def offered(generator: Generator, formats: Sequence[str], precisions: Sequence[str]) -> dict[str, list[str]]:
    """Of what is asked for, the precisions by format that the generator can be had in. Raises ValueError for none."""
    files = WINDOW_FILES if isinstance(generator, UNet) else FILES
    found = {name: [precision for precision in precisions if precision in files.get(name, ())] for name in formats}
    found = {name: some for name, some in found.items() if some}
    if not found:
        known = "; ".join(f"{name} in {', '.join(some)}" for name, some in files.items())
        raise ValueError(
            f"files: got a request for {', '.join(formats)} in {', '.join(precisions)}, wanted some of what a "
            f"{type(generator).__name__} is written in: {known}"
        )
    return found


def write_bundle(
    generator: Generator,
    data_card: Path,
    out: Path,
    name: str,
    plan: ProofPlan,
    formats: Sequence[str] = GRAPH_FORMATS,
    precisions: Sequence[str] = PRECISIONS,
    static: Callable[[HopGraph], StaticRanges] | None = None,
    report: Callable[[FileReport], None] = lambda _: None,
) -> Manifest:
    """Export mono and stereo graphs in those of `formats` and `precisions` that the generator can be had in, prove each
    file as `plan` says, and write the folder `out`, whole or not at all.

    `static`: the ranges for ONNX files that quantize activations too. `report` is called after each file. Raises
    ParityError where a file fails its proof, ValueError for an unknown format or precision, or where none is left.
    """
    formats, precisions = chosen(formats, GRAPH_FORMATS, "formats"), chosen(precisions, PRECISIONS, "precisions")
    wanted = offered(generator, formats, precisions)
    opened = open_formats(list(wanted), static)
    config = generator.config
    graphs = {channels: graph_around(generator, channels) for channels in GRAPH_NAMES}
    draft = Manifest(
        contract_version=CONTRACT_VERSION,
        name=name,
        sample_rate=config.sample_rate,
        hop=config.hop,
        graph_latency=graphs[1].latency,
        tensors=tuple(graph_tensors(graph) for graph in graphs.values()),
        files=(),
        data_card=describe_data_card(data_card),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made:
        folder = Path(made) / out.name
        folder.mkdir()
        files = []
        for graph in graphs.values():
            metadata = {METADATA_KEY: draft.embedded_contract(graph.channels)}
            in_onnx = convert_onnx(graph)
            reference_path = Path(made) / "reference.onnx"
            write_onnx(graph, reference_path, "fp32", {}, in_onnx)
            reference = OnnxRunner(reference_path)
            prover = Prover(graph, reference, plan)
            if "fp32" not in wanted.get("onnx", ()):  # else it is proven as the bundle's first file
                prover.prove(reference, "fp32", False, "the fp32 graph that others are compared with")
            for form in opened:
                converted = in_onnx if form.name == "onnx" else form.convert(graph)
                for precision in wanted[form.name]:
                    path = folder / file_name(graph.channels, precision, form.suffix)
                    names = form.write(graph, path, precision, metadata, converted)
                    runner = form.open(path, names)
                    file = GraphFile(
                        path=path.name,
                        format=form.name,
                        precision=precision,
                        channels=graph.channels,
                        sha256=sha256_of(path),
                        names=names,
                        parity=prover.prove(runner, precision, form.interpreted, path.name),
                    )
                    files.append(file)
                    time = None if form.interpreted else time_hops(runner, reference, graph)
                    report(FileReport(file, size_of(path), form.count_operators(path), time))
        manifest = replace(draft, files=tuple(files))
        shutil.copyfile(data_card, folder / DATA_CARD_NAME)
        manifest.write(folder)
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    return manifest


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
