"""The memory command on short files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import memory
from benchmarks.memory import Held, main, write_music


def test_music_is_as_long_as_wanted_and_steady(tmp_path: Path) -> None:
    write_music(tmp_path / "music.wav", 2.5, channels=2)
    samples, rate = soundfile.read(tmp_path / "music.wav")
    assert samples.shape == (120000, 2)
    assert rate == 48000
    halves = [np.std(half) for half in np.split(samples[:, 0], 2)]
    assert halves[0] == pytest.approx(halves[1], rel=0.05)


def test_two_files_are_enhanced_and_compared(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "memory.json"
    assert main(["--bundle", str(tiny_bundle), "--short", "1", "--long", "3", "--out", str(out)]) == 0
    results = json.loads(out.read_text())
    assert [file["seconds"] for file in results["files"]] == [1, 3]
    assert all(20e6 < file["peak_bytes"] < 1e9 for file in results["files"])
    assert results["kept"]
    assert "at most 20 MB wanted: kept" in capsys.readouterr().out


def test_too_much_growth_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "measure", lambda seconds, *_: Held(seconds, int(50e6 + 6e3 * seconds), 1.0))
    assert main([]) == 1
    assert "growth +21.5 MB, at most 20 MB wanted: NOT KEPT" in capsys.readouterr().out


def test_a_command_that_fails_is_told_in_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", "nowhere", "--short", "1"]) == 70
    assert "ended with 66, not 0: studiomic: error: bundle: got 'nowhere'" in capsys.readouterr().err
