"""Test tones: what is judged of systems whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import tones
from benchmarks.scenario_folder import RATE
from benchmarks.study.systems import System
from benchmarks.tones import SINE_HERTZ, Change, change, main, measure, sounds, table
from models.checkpoint import save_generator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sounds of 2.5 s, of which 1.5 s are judged."""
    monkeypatch.setattr(tones, "SECONDS", 2.5)


@pytest.mark.usefixtures("short")
def test_sounds_are_whole_and_each_sine_is_where_it_says() -> None:
    found = sounds()
    assert len(found) == len(SINE_HERTZ) + 12
    for name, sound in found.items():
        assert sound.shape == (round(2.5 * RATE),), name
        assert np.all(np.isfinite(sound)), name
        assert np.max(np.abs(sound)) > 0.5, name
    for hertz in SINE_HERTZ:
        spectrum = np.abs(np.fft.rfft(found[f"sine, {hertz} Hz"]))
        assert np.argmax(spectrum) / 2.5 == pytest.approx(hertz, abs=0.7)


def test_the_change_of_what_is_known() -> None:
    sine = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    same = System("nothing", RATE, None, lambda heard: heard)
    assert change(same, "a", sine, 0.1, True) == Change("a", 0.1, True, 0.0, 100.0)
    halved = change(System("halves", RATE, None, lambda heard: heard / 2), "a", sine, 0.5, False)
    assert halved.level_db == pytest.approx(-6.02, abs=0.01)
    assert halved.si_sdr_db == 100.0
    assert change(System("mutes", RATE, None, np.zeros_like), "a", sine, 0.5, False).level_db == -100.0
    with pytest.raises(ValueError, match="got silence, wanted a sound"):
        change(same, "a", np.zeros(2 * RATE), 0.5, False)
    other = np.cos(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    added = change(System("adds", RATE, None, lambda heard: heard + 0.01 * other), "a", sine, 1.0, False)
    assert added.si_sdr_db == pytest.approx(40.0, abs=0.1)


@pytest.mark.usefixtures("short")
def test_every_sound_is_measured_at_every_level_in_floats_and_in_16_bits() -> None:
    peaks: list[float] = []

    def restore(heard: np.ndarray) -> np.ndarray:
        peaks.append(float(np.max(np.abs(heard))))
        return heard

    found = measure(System("nothing", RATE, None, restore))
    assert len(found) == 6 * len(sounds())
    assert {(one.peak, one.rounded) for one in found} == {(p, r) for p in (0.99, 0.1, 0.01) for r in (True, False)}
    assert {round(peak, 2) for peak in peaks} == {0.99, 0.1, 0.01}


def test_the_table_tells_the_worst_and_how_many_stay() -> None:
    found = [Change("a", 0.1, False, 0.05, 50.0), Change("a", 0.1, True, -0.3, 30.0), Change("b", 0.1, True, 0.0, 40.0)]
    assert table({"one": found}).splitlines()[2:] == [
        "| a | -0.30 | 30 |",
        "| b | +0.00 | 40 |",
        "| all that keep it | 67% | 67% |",
    ]


@pytest.mark.usefixtures("short")
def test_the_command_prints_the_table_and_writes_every_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    generator = BandSplitGenerator(BandSplitConfig(channels=8, blocks=1)).eval()
    weights, out = tmp_path / "generator.safetensors", tmp_path / "tones.json"
    save_generator(weights, generator, generator.state_dict(), {"minutes": 1.0})
    assert main([str(weights), "--out", str(out)]) == 0
    assert "sine, 440 Hz" in capsys.readouterr().out
    (changes,) = json.loads(out.read_text())["changes"].values()
    assert len(changes) == 6 * len(sounds())
    assert set(changes[0]) == {"sound", "peak", "rounded", "level_db", "si_sdr_db"}


def test_what_is_no_generator_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no")
    assert main([str(tmp_path / "a.safetensors")]) == 2
    assert "a.safetensors" in capsys.readouterr().err
