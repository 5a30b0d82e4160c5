"""Pictures of chosen clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pictures import main

PNG_HEADER = b"\x89PNG\r\n\x1a\n"


def test_one_picture_for_each_chosen_clip(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--clips", "second", "--scenarios", "hiss", "--bundle", str(tiny_bundle)]
    assert main([str(scenarios), str(tmp_path / "pictures"), *options]) == 0
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name == "hiss-second.png"
    header = picture.read_bytes()[:24]
    assert header.startswith(PNG_HEADER)
    width, height = int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
    assert width > 3 * height > 1000
    assert capsys.readouterr().out.strip() == str(picture)


def test_an_unknown_clip_is_refused(scenarios: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(scenarios), str(tmp_path), "--clips", "third"]) == 66
    assert "no clip third" in capsys.readouterr().err
