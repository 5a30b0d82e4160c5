"""Noise: its colour, its A-weighted level, and that it is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from benchmarks.noise import (
    SYNTHETIC_SCENARIOS,
    add_noise,
    brown_noise,
    pink_noise,
    white_noise,
    write_synthetic_scenarios,
)
from benchmarks.scenario_folder import read_audio, read_recordings
from models.data.noise import a_weighted_power

RATE = 48000


def test_noise_is_added_at_the_wanted_ratio_whatever_its_level() -> None:
    generator = np.random.default_rng(0)
    samples = signal.lfilter([1.0], [1.0, -0.9], generator.standard_normal(RATE))
    for level in (0.01, 100.0):
        added = add_noise(samples, level * white_noise(generator, RATE), 15.0) - samples
        assert 10 * np.log10(a_weighted_power(samples) / a_weighted_power(added)) == pytest.approx(15.0)


def test_added_noise_has_no_rumble() -> None:
    hum = np.sin(2 * np.pi * 20 * np.arange(RATE) / RATE)
    hiss = 0.01 * white_noise(np.random.default_rng(0), RATE)
    added = add_noise(np.ones(RATE) + hiss, hum + hiss, 0.0) - np.ones(RATE) - hiss
    spectrum = np.abs(np.fft.rfft(added))
    assert spectrum[20] < 0.1 * np.abs(np.fft.rfft(hum + hiss))[20] * np.std(added) / np.std(hiss)


def test_white_noise_is_as_strong_everywhere_pink_in_every_octave_and_brown_falls() -> None:
    generator = np.random.default_rng(0)
    for colour, per_octave_db in ((white_noise, 3.01), (pink_noise, 0.0), (brown_noise, -3.01)):
        power = np.abs(np.fft.rfft(colour(generator, 10 * RATE))) ** 2
        octaves = [10 * np.log10(np.sum(power[10 * low : 20 * low])) for low in (250, 500, 1000, 2000, 4000, 8000)]
        np.testing.assert_allclose(np.diff(octaves), per_octave_db, atol=0.4)


def test_synthetic_scenarios_hold_each_clean_clip_at_their_ratio(scenarios: Path, tmp_path: Path) -> None:
    made = write_synthetic_scenarios(read_recordings(scenarios), tmp_path / "made")
    names = [recording.scenario for recording in made]
    assert names == ["white5", "white5", "pink5", "pink5", "white15", "white15", "pink15", "pink15"]
    for recording in made:
        clean, noisy = read_audio(recording.reference), read_audio(recording.path)
        ratio_db = 10 * np.log10(a_weighted_power(clean) / a_weighted_power(noisy - clean))
        assert ratio_db == pytest.approx(SYNTHETIC_SCENARIOS[recording.scenario][1], abs=0.01)


def test_synthetic_scenarios_are_the_same_every_time_and_differ_by_clip(scenarios: Path, tmp_path: Path) -> None:
    recordings = read_recordings(scenarios)
    first = [read_audio(made.path) for made in write_synthetic_scenarios(recordings, tmp_path / "a")]
    again = [read_audio(made.path) for made in write_synthetic_scenarios(recordings[::-1], tmp_path / "b")]
    assert np.array_equal(first[0], again[1])
    clean = [read_audio(recording.path) for recording in recordings[:2]]
    assert abs(np.corrcoef(first[0] - clean[0], first[1] - clean[1])[0, 1]) < 0.02
