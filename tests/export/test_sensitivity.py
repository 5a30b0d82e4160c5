"""The sensitivity table names every part and measures it by itself."""

from __future__ import annotations

import math

import onnx
import pytest

from export.calibration import Clip, calibration_clips, calibration_hops
from export.graph_runner import GraphRunner
from export.sensitivity import COLUMNS, NETWORK, Loss, measure, parts_of
from export.streaming_graph import StreamingGraph


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return calibration_clips(None, 1, count=2, seconds=0.5)


def test_the_parts_are_those_of_the_generator(converted: onnx.ModelProto) -> None:
    assert sorted(parts_of(converted)) == [
        "band_means",
        "bin_mixing",
        "blocks 0 band",
        "blocks 0 channel",
        "blocks 0 time",
        "colouring",
        "decoder",
        "dft",
        "encoder",
        "envelope",
        "inverse_dft",
    ]
    of_time = [f"generator.blocks.0.time.{matrix}" for matrix in ("candidate", "gate", "out", "update")]
    assert parts_of(converted)["blocks 0 time"] == of_time


def test_all_of_the_network_loses_more_than_its_least_part_and_says_what_it_costs(
    graph: StreamingGraph, clips: list[Clip]
) -> None:
    hops = calibration_hops(GraphRunner(graph), clips, graph.hop)
    weights, activations = COLUMNS[:2]
    rows = {name: (losses, costs) for name, losses, costs in measure(graph, clips, hops, (weights, activations))}
    whole, costs = rows[NETWORK]
    assert whole[activations].mean_db < whole[weights].mean_db
    assert all("ms a hop beside" in cost for cost in costs.values())
    assert sorted(costs) == sorted([weights, activations])
    assert rows["features"] == ({}, {})  # no matrices
    for name, (losses, told) in rows.items():
        assert all(isinstance(loss, Loss) and loss.least_db <= loss.mean_db for loss in losses.values())
        assert all(not math.isnan(loss.mean_db) for loss in losses.values())
        assert name == NETWORK or not told
