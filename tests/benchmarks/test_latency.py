"""The latency command: its sums by hand, and one run on a small bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.deep_filter_net import DECODERS, ENCODER, FEATURES, frame_call
from benchmarks.latency import call_figures, main
from studiomic.errors import BundleCorruptError, BundleNotFoundError


def test_costs_are_told_by_hop_by_ten_milliseconds_and_by_matrix_product() -> None:
    times = {"matrix product": [[0.004, 0.004], [0.004, 0.008]], "graph, mono": [[0.001, 0.002], [0.002, 0.003]]}
    figures = call_figures(times, {"graph, mono": 0.02})
    assert figures["matrix product"] == {
        "median_ms": 4.0, "p95_ms": pytest.approx(7.4), "round_medians_ms": [4.0, 6.0], "matrix_products": 1.0,
    }  # fmt: skip
    mono = figures["graph, mono"]
    assert mono["median_ms"] == 2.0
    assert mono["ms_per_10_ms"] == 1.0
    assert mono["p95_ms_per_10_ms"] == pytest.approx(2.85 / 2)
    assert mono["round_medians_ms"] == [1.5, 2.5]
    assert mono["matrix_products"] == pytest.approx(1.5 / 4)


def test_a_run_tells_calls_processes_and_delay(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "latency.json"
    assert main(["--bundle", str(tiny_bundle), "--rounds", "1", "--runs", "1", "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert list(results["calls"]) == [
        "matrix product",
        "graph, mono",
        "stream, mono",
        "graph, stereo",
        "stream, stereo",
    ]
    assert list(results["processes"]) == ["bare Python", "to the first sample", "studiomic enhance, 1 s"]
    assert results["latency_samples"] == 2047
    assert results["latency_ms"] == pytest.approx(42.65, abs=0.01)
    assert "latency 2047 samples, 42.6 ms at 48000 Hz" in capsys.readouterr().out


def test_an_unknown_bundle_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", "nowhere"]) == 66
    assert "got 'nowhere'" in capsys.readouterr().err


def graph(path: Path, given: Mapping[str, tuple[int, ...]], found: list[str]) -> None:
    """A graph that gives each of its inputs, under the names `found`."""
    nodes = [helper.make_node("Identity", [one], [other]) for one, other in zip(given, found, strict=True)]
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given.items()]
    shapes = zip(found, given.values(), strict=True)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    model = helper.make_model(
        helper.make_graph(nodes, path.stem, told, outputs), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(model, str(path))


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    """A folder of three graphs that take and give what DeepFilterNet3's do, in names and order."""
    erb, spec = FEATURES.values()
    graph(tmp_path / ENCODER, FEATURES, ["emb", "c0"])
    graph(tmp_path / DECODERS[0], {"emb": erb}, ["m"])
    graph(tmp_path / DECODERS[1], {"emb": erb, "c0": spec}, ["coefs", "235"])
    return tmp_path


def test_a_peer_is_timed_beside_for_a_frame_of_ten_milliseconds(
    tiny_bundle: Path, peer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "latency.json"
    arguments = ["--bundle", str(tiny_bundle), "--rounds", "1", "--runs", "1", "--beside", str(peer), "--out", str(out)]
    assert main(arguments) == 0
    frame = json.loads(out.read_text())["calls"]["DeepFilterNet3"]
    assert frame["ms_per_10_ms"] == pytest.approx(frame["median_ms"])
    assert "DeepFilterNet3" in capsys.readouterr().out


def test_other_graphs_than_the_peers_are_refused(
    tiny_bundle: Path, peer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    frame_call(peer, random)()
    graph(peer / DECODERS[1], {"other": (1, 2)}, ["coefs"])
    with pytest.raises(BundleCorruptError, match=r"do not fit together .*'other'.* wanted DeepFilterNet3's enc\.onnx"):
        frame_call(peer, random)
    (peer / DECODERS[1]).write_bytes(b"nothing")
    with pytest.raises(BundleCorruptError, match=r"df_dec\.onnx: got what is no ONNX graph"):
        frame_call(peer, random)
    (peer / DECODERS[1]).unlink()
    with pytest.raises(BundleNotFoundError, match=r"df_dec\.onnx: got no such file"):
        frame_call(peer, random)
    assert main(["--bundle", str(tiny_bundle), "--rounds", "1", "--runs", "1", "--beside", str(peer)]) == 66
    assert "df_dec.onnx: got no such file" in capsys.readouterr().err
