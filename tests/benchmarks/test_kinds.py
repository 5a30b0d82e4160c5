"""Gains by noise and by clip, of generators whose gain is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.kinds import Gains, gain_db, main, recorded_noises, synthetic_noises
from benchmarks.scenario_folder import RATE
from benchmarks.study.systems import System
from models.checkpoint import save_generator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from studiomic.figures import si_sdr

LENGTH = 2 * RATE


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small generator that takes something of everything."""
    torch.manual_seed(0)
    generator = BandSplitGenerator(BandSplitConfig(channels=8, blocks=1)).eval()
    torch.nn.init.constant_(generator.decoder.bias[0], 1.0)
    path = tmp_path / "generator.safetensors"
    save_generator(path, generator, generator.state_dict(), {"minutes": 1.0})
    return path


@pytest.fixture
def noises(tmp_path: Path) -> Path:
    """A folder with a hum, shorter than the clips."""
    folder = tmp_path / "noises"
    folder.mkdir()
    hum = 0.1 * np.sin(2 * np.pi * 150 * np.arange(RATE // 2) / RATE)
    soundfile.write(folder / "hum_1.wav", hum, RATE, subtype="FLOAT")
    return folder


def test_the_gain_of_what_is_known() -> None:
    random = np.random.default_rng(0)
    clean, noise = (random.standard_normal(LENGTH) for _ in range(2))
    assert gain_db(System("nothing", RATE, None, lambda heard: heard), clean, noise, 5.0) == 0.0
    halved = System("halves the noise", RATE, None, lambda heard: clean + (heard - clean) / 2)
    assert gain_db(halved, clean, noise, 5.0) == pytest.approx(20 * np.log10(2), abs=0.05)
    with pytest.raises(ValueError, match="got a silent clip, wanted music"):
        gain_db(halved, np.zeros(LENGTH), noise, 5.0)


def test_means_and_the_worst_by_noise_and_by_clip() -> None:
    gains = Gains(("white", "rain"), ("song", "voice"), np.array([[4.0, 2.0], [1.0, -1.0]]))
    assert gains.by_noise() == {"white": (3.0, 2.0), "rain": (0.0, -1.0)}
    assert gains.by_clip() == {"song": (2.5, 1.0), "voice": (0.5, -1.0)}
    assert gains.as_json() == {"white": {"song": 4.0, "voice": 2.0}, "rain": {"song": 1.0, "voice": -1.0}}


def test_noises_are_as_long_as_the_clips_and_always_the_same(noises: Path, tmp_path: Path) -> None:
    made, again = synthetic_noises(LENGTH), synthetic_noises(LENGTH)
    assert list(made) == ["white", "pink", "brown"]
    assert all(np.array_equal(made[name], again[name]) for name in made)
    assert si_sdr(made["white"], made["pink"]) < -5.0  # not one noise in three colours
    recorded = recorded_noises(noises, LENGTH)
    assert list(recorded) == ["hum_1"]
    assert recorded["hum_1"].shape == (LENGTH,)
    assert np.array_equal(recorded["hum_1"][: RATE // 2], recorded["hum_1"][RATE // 2 : RATE])
    with pytest.raises(ValueError, match=r"nowhere: got no recording, wanted a folder of noises \(\.aif, "):
        recorded_noises(tmp_path / "nowhere", LENGTH)


def test_the_command_tells_each_noise_and_each_clip(
    scenarios: Path, weights: Path, noises: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kinds.json"
    places = ["--scenarios", str(scenarios), "--noise", str(noises), "--out", str(out)]
    assert main([str(weights), *places, "--ratio", "10"]) == 0
    results = json.loads(out.read_text())
    found = results["gain_db"][str(weights)]
    clips = sorted(path.stem for path in (scenarios / "clean").glob("*.wav"))
    assert list(found) == ["white", "pink", "brown", "hum_1"]
    assert all(sorted(row) == clips for row in found.values())
    told = capsys.readouterr().out
    mean = np.mean(list(found["hum_1"].values()))
    assert f"| hum_1 | {mean:+.2f} |" in told
    of_clip = [row[clips[0]] for row in found.values()]
    assert f"| {clips[0]} | {np.mean(of_clip):+.2f} | {min(of_clip):+.2f} |" in told
    assert len({round(gain, 6) for row in found.values() for gain in row.values()}) > 4  # measured, each by itself


def test_what_cannot_be_measured_is_refused(scenarios: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(weights), "--scenarios", str(scenarios), "--clips", "nobody"]) == 2
    assert "There is no clip nobody" in capsys.readouterr().err
    assert main(["nowhere.safetensors", "--scenarios", str(scenarios)]) == 2
    assert "no weights at nowhere.safetensors" in capsys.readouterr().err
