"""The latency command: its sums by hand, and one run on a small bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.latency import call_figures, main


def test_costs_are_told_by_hop_by_ten_milliseconds_and_by_matrix_product() -> None:
    times = {"matrix product": [[0.004, 0.004], [0.004, 0.008]], "graph, mono": [[0.001, 0.002], [0.002, 0.003]]}
    figures = call_figures(times, hop_seconds=0.02)
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
