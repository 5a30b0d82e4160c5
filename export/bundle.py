"""From a trained generator to a proven model bundle on disk."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from export.material import read_music, synthesised_music
from export.onnx_file import INPUT_NAMES, OUTPUT_NAMES, OnnxRunner, write_onnx
from export.proof import prove_fp32
from export.streaming_graph import StreamingGraph
from models.generators.band_split import BandSplitGenerator
from studiomic.manifest import (
    CONTRACT_VERSION,
    METADATA_KEY,
    DataCard,
    GraphFile,
    GraphTensors,
    Manifest,
    TensorSpec,
    sha256_of,
)

DATA_CARD_NAME = "data_card.csv"
GRAPH_NAMES = {1: "mono", 2: "stereo"}
FORMAT = "onnx"
PRECISION = "fp32"


def graph_tensors(graph: StreamingGraph) -> GraphTensors:
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


def write_bundle(
    generator: BandSplitGenerator, data_card: Path, out: Path, name: str, seconds: float, audio: Path | None
) -> Manifest:
    """Export mono and stereo graphs, prove each on `seconds` of music, and write the folder `out`, whole or not at all.

    `audio`: the music, at the generator's rate, else it is synthesised. Raises ParityError where a file fails its
    proof.
    """
    config = generator.config
    graphs = {channels: StreamingGraph(generator, channels) for channels in GRAPH_NAMES}
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
        for channels, graph in graphs.items():
            path = folder / f"{GRAPH_NAMES[channels]}.onnx"
            write_onnx(graph, path, {METADATA_KEY: draft.embedded_contract(channels)})
            if audio is None:
                music = synthesised_music(seconds, config.sample_rate, channels)
            else:
                music = read_music(audio, seconds, config.sample_rate, channels)
            parity = prove_fp32(graph, OnnxRunner(path), music, path.name)
            files.append(
                GraphFile(
                    path=path.name,
                    format=FORMAT,
                    precision=PRECISION,
                    channels=channels,
                    sha256=sha256_of(path),
                    names={tensor: tensor for tensor in (*INPUT_NAMES, *OUTPUT_NAMES)},
                    parity=parity,
                )
            )
        manifest = replace(draft, files=tuple(files))
        shutil.copyfile(data_card, folder / DATA_CARD_NAME)
        manifest.write(folder)
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    return manifest
