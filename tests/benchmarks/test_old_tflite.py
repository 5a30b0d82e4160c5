"""The comparison of two TFLite runtimes, here of today's with itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.old_tflite import compare, main, run_file
from studiomic import Controls
from tests.support.graphs import HOP, FakeRuntime, graph_over_whole
from tests.support.signals import noise


def test_a_file_is_run_hop_by_hop(two_formats: Path) -> None:
    samples = noise(8 * HOP, 2)
    controls = Controls(0.75, 1.0, 0.5)
    run = run_file(two_formats, 2, "fp32", samples.T, np.tile(controls.as_array(), (8, 1)))
    assert np.abs(run.enhanced.T - graph_over_whole(samples, controls, FakeRuntime(2))).max() < 1e-6
    assert np.array_equal(run.state[: 2 * HOP].reshape(2, HOP), samples.T[:, -HOP:])
    assert run.milliseconds > 0


def test_a_runtime_agrees_with_itself_in_another_process(two_formats: Path) -> None:
    rows = compare(Path(sys.executable), two_formats, seconds=0.2)
    assert [row.file for row in rows] == ["mono.tflite", "stereo.tflite"]
    for row in rows:
        assert row.old_runtime == row.runtime
        assert row.old_to_new == row.old_to_new_state == 0.0
        assert row.old_to_fp32_db is None


def test_results_are_printed_and_kept(
    two_formats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.old_tflite.environment", lambda folder: Path(sys.executable))
    out = tmp_path / "results.json"
    assert main(["--bundle", str(two_formats), "--seconds", "0.2", "--out", str(out)]) == 0
    assert "mono.tflite" in capsys.readouterr().out
    assert [row["file"] for row in json.loads(out.read_text())] == ["mono.tflite", "stereo.tflite"]


def test_a_bundle_without_tflite_files_is_an_error(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.old_tflite.environment", lambda folder: Path(sys.executable))
    assert main(["--bundle", str(tiny_bundle)]) == 1
    assert "got a bundle without TFLite files, wanted one with them" in capsys.readouterr().err
