"""What is measured of one clip: groups of figures that can be chosen and are remembered one by one.

Each group is a function of a `Triple` and gives named figures. What a figure cannot say (a band above the clip's
cutoff, a guard of another scenario) is None. Decibels are held within +-100, so that means stay finite: 100 dB is what
a comparison of recordings can mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin

from benchmarks.room_guard import late_to_direct_db
from benchmarks.scenario_folder import RATE
from studiomic.extras import require
from studiomic.figures import (
    HIGHEST_HZ,
    level_difference,
    log10_spectral_distance,
    log_spectral_distance,
    si_sdr,
)

MEASURES_VERSION = 1
"""Counted up whenever a figure's definition changes, so that remembered figures of the old one are not used."""
EDGE_SECONDS = 0.5
"""Left out at each end: there the stream has heard too little, and windows hang over."""
DECIBEL_LIMIT = 100.0
LOWEST_VISQOL = 1.0
"""The scale's lowest: what silence gets, which ViSQOL itself cannot bring to the reference's level."""
MIDDLE_BAND = (4000.0, 16000.0)
HIGH_BAND = (8000.0, 16000.0)
GUARD_SHARE = 0.9
"""Of a low-pass's cutoff: below it the filter left the music alone, and so must the output."""
GUARD_TAPS = 1025
GUARD_KAISER_BETA = 10.0
"""A stop band of 100 dB."""
LOWPASS_SCENARIO = re.compile(r"lp(\d+)k")
REVERB_SCENARIO = "reverb"

Samples = NDArray[np.float64]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Triple:
    """One clip: the truth, what the microphone made of it, and what is judged (the recording itself, or the output)."""

    scenario: str
    cutoff_hz: float
    reference: Samples
    recorded: Samples
    judged: Samples


def without_edges(samples: Samples) -> Samples:
    """What is judged of a clip [samples]."""
    edge = int(EDGE_SECONDS * RATE)
    return samples[edge : len(samples) - edge]


def distances(triple: Triple) -> Figures:
    """SI-SDR, level and the spectral distances to the reference."""
    judged, reference = without_edges(triple.judged), without_edges(triple.reference)

    def within(low_hz: float, high_hz: float) -> float | None:
        band = (low_hz, min(high_hz, triple.cutoff_hz))
        return log_spectral_distance(judged, reference, rate=RATE, band=band) if band[0] < band[1] else None

    return {
        "si_sdr_db": bounded(si_sdr(judged, reference)),
        "level_db": bounded(level_difference(judged, reference)),
        "lsd": within(0.0, HIGHEST_HZ),
        "lsd_4_16": within(*MIDDLE_BAND),
        "lsd_8_16": within(*HIGH_BAND),
        "log10_lsd": log10_spectral_distance(judged, reference),
    }


def visqol(triple: Triple) -> Figures:
    """ViSQOL in audio mode: 1 (worst) to 4.73.

    Source: A. Hines et al., "ViSQOLAudio: An objective audio quality metric for low bitrate codecs", Journal of the
    Acoustical Society of America 137 (6), 2015.
    """
    judged, reference = without_edges(triple.judged), without_edges(triple.reference)
    if not np.any(judged):
        return {"visqol": LOWEST_VISQOL}
    judge = require("visqol", "bench", "the figure ViSQOL").VisqolApi()
    judge.create(mode="audio")
    return {"visqol": float(judge.measure_from_arrays(reference, judged, RATE).moslqo)}


def guards(triple: Triple) -> Figures:
    """What must not be lost where the scenario says what that is.

    kept_db: in a scenario lpNk (a low-pass at N kHz) the SI-SDR of the judged to the recorded below 0.9 N kHz.
    late_to_direct_db: in the scenario reverb the late reverberation against the direct sound.
    """
    kept, late = None, None
    if match := LOWPASS_SCENARIO.fullmatch(triple.scenario):
        taps = firwin(GUARD_TAPS, GUARD_SHARE * 1000 * int(match[1]), fs=RATE, window=("kaiser", GUARD_KAISER_BETA))
        low = (without_edges(fftconvolve(samples, taps, "same")) for samples in (triple.judged, triple.recorded))
        kept = bounded(si_sdr(*low))
    if triple.scenario == REVERB_SCENARIO:
        late = late_to_direct_db(triple.reference, triple.recorded, triple.judged, int(EDGE_SECONDS * RATE))
    return {"kept_db": kept, "late_to_direct_db": late}


GROUPS: dict[str, Callable[[Triple], Figures]] = {"distances": distances, "visqol": visqol, "guards": guards}
"""By name, as the command line offers them."""


def bounded(decibels: float) -> float | None:
    """Within the limit; None for what is not defined."""
    return None if np.isnan(decibels) else float(np.clip(decibels, -DECIBEL_LIMIT, DECIBEL_LIMIT))
