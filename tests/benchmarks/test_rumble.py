"""How much louder highs come out in rumble, by systems whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal

from benchmarks.rumble import RUMBLES, highs, main, measure, rise_db, rumbles, table
from benchmarks.scenario_folder import RATE
from benchmarks.study.systems import System
from models.checkpoint import save_generator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator

LENGTH = 3 * RATE


def test_rumbles_are_low_and_always_the_same() -> None:
    made, again, other = rumbles("song", LENGTH), rumbles("song", LENGTH), rumbles("voice", LENGTH)
    assert len(made) == RUMBLES
    assert all(np.array_equal(one, same) for one, same in zip(made, again, strict=True))
    assert not np.array_equal(made[0], other[0])
    for noise in made:
        power = np.abs(np.fft.rfft(noise)) ** 2
        assert power[: len(power) // 8].sum() > 0.95 * power.sum()


def test_highs_lie_from_4_to_16_khz() -> None:
    time = np.arange(RATE) / RATE
    for hertz, inside in ((3900, False), (4100, True), (15900, True), (16100, False)):
        assert (highs(np.sin(2 * np.pi * hertz * time)) > 0.1) == inside


def test_the_rise_of_what_is_known() -> None:
    random = np.random.default_rng(0)
    clean, noise = random.standard_normal(LENGTH), rumbles("song", LENGTH)[0]
    assert rise_db(System("nothing", RATE, None, lambda heard: heard), clean, noise, 5.0) == 0.0
    louder = System("doubles", RATE, None, lambda heard: 2 * heard)
    assert rise_db(louder, clean, noise, 5.0) == pytest.approx(6.02, abs=0.01)
    sections = signal.butter(8, 2000, "lowpass", fs=RATE, output="sos")
    lows = System("doubles lows", RATE, None, lambda heard: heard + signal.sosfiltfilt(sections, heard))
    assert rise_db(lows, clean, noise, 5.0) == pytest.approx(0.0, abs=0.05)


def test_each_clip_meets_each_of_its_rumbles() -> None:
    random = np.random.default_rng(0)
    clips = {name: random.standard_normal(LENGTH) for name in ("song", "voice")}
    found = measure(System("doubles", RATE, None, lambda heard: 2 * heard), clips, 5.0)
    assert {name: len(rises) for name, rises in found.items()} == {"song": RUMBLES, "voice": RUMBLES}


def test_the_table_counts_rises() -> None:
    assert table({"one": {"a": [2.1, 1.9, 11.0], "b": [-3.0]}}).splitlines()[2:] == [
        "| one | 4 | 2 | 1 | +3.00 | +11.00 |"
    ]


def test_the_command_prints_the_table_and_writes_every_rise(
    scenarios: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    generator = BandSplitGenerator(BandSplitConfig(channels=8, blocks=1)).eval()
    weights, out = tmp_path / "generator.safetensors", tmp_path / "rumble.json"
    save_generator(weights, generator, generator.state_dict(), {"minutes": 1.0})
    assert main([str(weights), "--scenarios", str(scenarios), "--out", str(out)]) == 0
    assert "rise by more than 2 dB" in capsys.readouterr().out
    (rises,) = json.loads(out.read_text())["rise_db"].values()
    assert rises
    assert all(len(of_clip) == RUMBLES for of_clip in rises.values())
    assert main([str(tmp_path / "none.safetensors"), "--scenarios", str(scenarios)]) == 2
    assert "none.safetensors" in capsys.readouterr().err
