"""A small generator with the shapes of the real one's contract: same window, fewer channels."""

from __future__ import annotations

import onnx
import pytest
import torch

from export.onnx_file import OnnxRunner, convert_onnx, write_onnx
from export.streaming_graph import StreamingGraph
from models.generators.band_split import BandSplitConfig, BandSplitGenerator


@pytest.fixture(scope="session")
def generator() -> BandSplitGenerator:
    torch.manual_seed(6)
    made = BandSplitGenerator(
        BandSplitConfig(
            channels=8,
            blocks=1,
            time_hidden=12,
            band_hidden=8,
            channel_hidden=8,
            bin_hidden=12,
            most_units=16,
            colour_hidden=8,
            room_hidden=4,
            envelope_hidden=4,
            declipping=True,
            evening=True,
        )
    )
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval()


@pytest.fixture(scope="session")
def graph(generator: BandSplitGenerator) -> StreamingGraph:
    return StreamingGraph(generator, 1).eval()


@pytest.fixture(scope="session")
def converted(graph: StreamingGraph) -> onnx.ModelProto:
    """The small graph as `convert_onnx` gives it."""
    return convert_onnx(graph)


@pytest.fixture(scope="session")
def fp32_runner(
    graph: StreamingGraph, converted: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory
) -> OnnxRunner:
    path = tmp_path_factory.mktemp("fp32") / "mono.onnx"
    write_onnx(graph, path, "fp32", {}, converted)
    return OnnxRunner(path)
