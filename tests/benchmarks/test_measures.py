"""The figures of a clip: what is better scores better, and what cannot be said is None."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin

from benchmarks.measures import Triple, bounded, distances, guards, visqol
from tests.benchmarks.conftest import tune

Samples = NDArray[np.float64]


def lowpass(samples: Samples, hertz: float) -> Samples:
    return np.asarray(fftconvolve(samples, firwin(1025, hertz, fs=48000), "same"))


def triple(
    judged: Samples, *, scenario: str = "hiss", cutoff_hz: float = 24000, recorded: Samples | None = None
) -> Triple:
    return Triple(scenario, cutoff_hz, tune(0), judged if recorded is None else recorded, judged)


def number(figures: Mapping[str, float | None], name: str) -> float:
    """A figure of which something can be said."""
    value = figures[name]
    assert value is not None
    return value


def hiss(level: float) -> Samples:
    return level * np.random.default_rng(5).standard_normal(len(tune(0)))


def test_less_noise_scores_better_by_every_figure() -> None:
    better, worse = (distances(triple(tune(0) + hiss(level))) for level in (0.005, 0.05))
    for name in ("lsd", "lsd_4_16", "lsd_8_16", "log10_lsd"):
        assert number(better, name) < number(worse, name)
    assert better["si_sdr_db"] == pytest.approx(number(worse, "si_sdr_db") + 20, abs=0.1)


def test_less_noise_scores_better_by_visqol_and_silence_lowest() -> None:
    scores = [number(visqol(triple(tune(0) + noise)), "visqol") for noise in (hiss(0.002), hiss(0.1), -tune(0))]
    assert 4.7 > scores[0] > scores[1] > scores[2] == 1.0


def test_missing_highs_show_in_the_high_bands_only() -> None:
    figures = distances(triple(lowpass(tune(0), 8000)))
    assert number(figures, "lsd_8_16") > number(figures, "lsd_4_16") > number(figures, "lsd") > 1
    assert number(figures, "si_sdr_db") > 10


def test_above_the_clips_cutoff_nothing_is_said() -> None:
    figures = distances(triple(tune(0) + hiss(0.01), cutoff_hz=7000))
    assert figures["lsd_8_16"] is None
    assert figures["lsd_4_16"] == pytest.approx(distances(triple(tune(0) + hiss(0.01)))["lsd_4_16"], rel=0.5)
    bright = tune(0) + hiss(0.01) - lowpass(hiss(0.01), 9000)
    assert number(distances(triple(bright, cutoff_hz=7000)), "lsd_4_16") < 0.1


def test_the_edges_are_left_out() -> None:
    spoilt = tune(0)
    spoilt[:24000] = 0.0
    spoilt[-24000:] += 1.0
    assert distances(triple(spoilt)) == distances(triple(tune(0)))


def test_the_reference_itself_reaches_the_limits() -> None:
    figures = distances(triple(tune(0)))
    assert figures == {
        "si_sdr_db": 100.0, "level_db": 0.0, "lsd": 0.0, "lsd_4_16": 0.0, "lsd_8_16": 0.0, "log10_lsd": 0.0,
    }  # fmt: skip


def test_silence_is_held_at_the_lower_limit() -> None:
    figures = distances(triple(np.zeros_like(tune(0))))
    assert figures["si_sdr_db"] == figures["level_db"] == -100.0
    assert bounded(float("nan")) is None


def test_the_low_pass_guard_sees_changes_below_the_cutoff_only() -> None:
    recorded = lowpass(tune(0), 4000)
    high = hiss(0.05) - lowpass(hiss(0.05), 5000)
    low = 0.05 * lowpass(tune(1), 3000)
    added_above, changed_below = (
        number(guards(triple(recorded + change, scenario="lp4k", recorded=recorded)), "kept_db")
        for change in (high, low)
    )
    assert added_above > 55
    assert changed_below == pytest.approx(26, abs=3)


def test_each_guard_belongs_to_its_scenario() -> None:
    assert guards(triple(tune(0), scenario="hiss")) == {"kept_db": None, "late_to_direct_db": None}
    assert guards(triple(tune(0), scenario="lp8k"))["kept_db"] == 100.0
