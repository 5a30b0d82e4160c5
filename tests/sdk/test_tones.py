"""What an engineer plays first: test tones come out of the embedded bundles as they went in."""

from __future__ import annotations

import numpy as np
import pytest

import studiomic
from benchmarks.scenario_folder import RATE
from benchmarks.study.systems import System
from benchmarks.tones import PEAKS, SINE_HERTZ, Samples, change

SECONDS = 4.0


@pytest.mark.parametrize("peak", PEAKS)
@pytest.mark.parametrize("hertz", SINE_HERTZ)
@pytest.mark.parametrize(
    ("bundle", "largest_level_db", "least_si_sdr_db"),
    [("studio", 0.1, 35.0), ("live", 0.25, 20.0)],  # `live`'s short window leaks more, of which it takes some as noise
)
def test_a_sine_stays(bundle: str, largest_level_db: float, least_si_sdr_db: float, hertz: int, peak: float) -> None:
    def restore(heard: Samples) -> Samples:
        return studiomic.enhance(heard.astype(np.float32), RATE, bundle=bundle).samples.astype(np.float64)

    sine = np.sin(2 * np.pi * hertz / RATE * np.arange(round(SECONDS * RATE)))
    found = change(System(bundle, RATE, None, restore), "a sine", sine, peak, rounded=True)
    assert abs(found.level_db) <= largest_level_db
    assert found.si_sdr_db >= least_si_sdr_db
