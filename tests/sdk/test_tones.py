"""What an engineer plays first: test tones come out of the embedded bundles as they went in."""

from __future__ import annotations

import numpy as np
import pytest

import studiomic
from benchmarks.tones import SINE_HERTZ
from studiomic.figures import level_difference, si_sdr

RATE = 48000
SECONDS = 4.0
EDGE = RATE // 2


@pytest.mark.parametrize("peak", [0.99, 0.1, 0.01])
@pytest.mark.parametrize("hertz", SINE_HERTZ[1::2])
@pytest.mark.parametrize(
    ("bundle", "largest_level_db", "least_si_sdr_db"),
    [("studio", 0.1, 35.0), ("live", 0.25, 20.0)],  # `live`'s short window leaks more, of which it takes some as noise
)
def test_a_sine_stays(bundle: str, largest_level_db: float, least_si_sdr_db: float, hertz: int, peak: float) -> None:
    sine = peak * np.sin(2 * np.pi * hertz / RATE * np.arange(round(SECONDS * RATE)))
    rounded = (np.round(sine * 2**15) / 2**15).astype(np.float32)
    enhanced = studiomic.enhance(rounded, RATE, bundle=bundle).samples
    judged, wanted = enhanced[EDGE:-EDGE], rounded[EDGE:-EDGE]
    assert abs(level_difference(judged, wanted)) <= largest_level_db
    assert si_sdr(judged, wanted) >= least_si_sdr_db
