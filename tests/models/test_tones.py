"""Steady tones to learn from: few frequencies, many levels, always whole."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.tones import tones

SECOND = 48000


@pytest.mark.parametrize("samples", [1, 100, SECOND])
def test_any_length_is_filled_within_full_scale(samples: int) -> None:
    for seed in range(30):
        clip = tones(samples, np.random.default_rng(seed))
        assert clip.shape == (samples,)
        assert clip.dtype == np.float32
        assert np.all(np.isfinite(clip))
        assert np.max(np.abs(clip)) <= 1.0 + 1e-6


def test_a_seed_gives_the_same_clip_and_another_one_another() -> None:
    first, again, other = (tones(SECOND, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_most_clips_hold_their_energy_in_few_frequencies_and_all_levels_occur() -> None:
    shares, peaks_db = [], []
    for seed in range(60):
        clip = tones(SECOND, np.random.default_rng(seed))
        power = np.sort(np.abs(np.fft.rfft(clip * np.hanning(SECOND))) ** 2)[::-1]
        shares.append(power[:240].sum() / power.sum())  # of 1 % of the bins
        peaks_db.append(20 * np.log10(np.max(np.abs(clip))))
    assert np.median(shares) > 0.99
    assert -50.1 < min(peaks_db) < -30
    assert max(peaks_db) > -1
    assert np.median(peaks_db) > -20
