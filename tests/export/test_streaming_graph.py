"""The streaming graph hop by hop is the generator over whole clips, however far its frames overlap."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from export.graph_runner import GraphRunner
from export.material import synthesised_music
from export.proof import prove_fp32
from export.streaming_graph import StreamingGraph
from models.generators.band_split import COPY_HERTZ, BandSplitGenerator, copy_shifts

WINDOW = 2048


@pytest.mark.parametrize("waits", [192, 31, 0, None])
@pytest.mark.parametrize("hop_eighths", [5, 6, 7])
def test_the_graph_is_the_generator_at_any_hop(
    generator: BandSplitGenerator, hop_eighths: int, waits: int | None
) -> None:
    shifts = copy_shifts(COPY_HERTZ, 48000, WINDOW, hop_eighths)
    config = replace(generator.config, hop_eighths=hop_eighths, copy_shifts=shifts, declipping=waits is not None)
    config = replace(config, declipping_wait=waits or 0)
    other = BandSplitGenerator(config).eval()
    other.load_state_dict(generator.state_dict())
    graph = StreamingGraph(other, 2).eval()
    hop = WINDOW * hop_eighths // 8
    assert (graph.hop, graph.latency) == (hop, WINDOW - hop + (0 if waits is None else waits + 1))
    music = synthesised_music(20 * hop / 48000, 48000, 2)
    assert prove_fp32(graph, GraphRunner(graph), music, "the graph").relative_error < 1e-5
    with torch.no_grad():
        enhanced = other(torch.from_numpy(music)[None], torch.ones(1, 3))[0].numpy()
    assert abs(enhanced - music).max() > 0.01
