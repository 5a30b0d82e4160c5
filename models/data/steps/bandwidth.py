"""Steps that take or colour frequencies: resampling, low-passes, and a hand over the hole. All are linear filters."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import firwin, firwin2, oaconvolve

from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.recordings import NYQUIST, SAMPLE_RATE
from models.data.steps.step import Quantity, StepKind

FILTER_TAPS = 513
STEEPNESS = (6.0, 14.0)  # of a Kaiser window: 60 to 140 dB of attenuation, as resamplers have
LOWPASS_KNOWN_SHARE = 0.95  # of the corner frequency
RESAMPLED_KNOWN_SHARE = 0.93  # of the lower rate's half: where the resampler's filter begins to fall
COVER_TAPS = 1025
COVER_HERTZ = np.linspace(0.0, NYQUIST, COVER_TAPS)
COVER_CORNER_HZ = (1500.0, 4500.0)  # where half of the loss in dB is reached: it sets in from 1 to 3 kHz on
COVER_ORDER = 4  # how steeply the loss sets in
COVER_RESONANCE_HZ = (600.0, 1200.0)
COVER_RESONANCE_DB = (3.0, 9.0)
COVER_RESONANCE_OCTAVES = (0.3, 0.7)  # one standard deviation of its bell


def filtered(samples: Samples, taps: Samples) -> Samples:
    """`samples` through a linear-phase filter without its delay."""
    result: Samples = oaconvolve(samples, taps, "same").astype(np.float32)
    return result


def lowpass_filter(hertz: float, random: np.random.Generator) -> Samples:
    """A linear-phase low-pass with a random steepness, [taps]."""
    taps: Samples = firwin(FILTER_TAPS, hertz, fs=SAMPLE_RATE, window=("kaiser", random.uniform(*STEEPNESS))).astype(
        np.float32
    )
    return taps


def lowpass(clip: DegradedClip, material: Material, random: np.random.Generator, hertz: float) -> DegradedClip:
    """A steep low-pass, as of a recorder or a resampler."""
    taps = lowpass_filter(hertz, random)
    return clip.through(lambda samples: filtered(samples, taps)).known_below(LOWPASS_KNOWN_SHARE * hertz)


def resample(clip: DegradedClip, material: Material, random: np.random.Generator, hertz: float) -> DegradedClip:
    """To a lower sample rate and back, without delay."""

    def there_and_back(samples: Samples) -> Samples:
        low = soxr.resample(samples, SAMPLE_RATE, hertz, "HQ")
        back = soxr.resample(low, hertz, SAMPLE_RATE, "HQ")[: len(samples)]
        result: Samples = np.pad(back, (0, len(samples) - len(back))).astype(np.float32)
        return result

    return clip.through(there_and_back).known_below(RESAMPLED_KNOWN_SHARE * hertz / 2)


def cover_gain_db(hertz: NDArray[np.float64], shelf_db: float, random: np.random.Generator) -> NDArray[np.float64]:
    """What a random cover does at `hertz`: a shelf down to `shelf_db`, and a resonance of the air below the cover."""
    corner, resonance = (np.exp(random.uniform(*np.log(limits))) for limits in (COVER_CORNER_HZ, COVER_RESONANCE_HZ))
    shelf = shelf_db * hertz**COVER_ORDER / (hertz**COVER_ORDER + corner**COVER_ORDER)
    octaves = np.log2(np.maximum(hertz, 1.0) / resonance) / random.uniform(*COVER_RESONANCE_OCTAVES)
    gain: NDArray[np.float64] = shelf + random.uniform(*COVER_RESONANCE_DB) * np.exp(-0.5 * octaves**2)
    return gain


def coloured_by(clip: DegradedClip, gain_db: NDArray[np.float64]) -> DegradedClip:
    """A clip through a filter of these gains at COVER_HERTZ."""
    taps = firwin2(COVER_TAPS, COVER_HERTZ, 10 ** (gain_db / 20), fs=SAMPLE_RATE).astype(np.float32)
    return clip.through(lambda samples: filtered(samples, taps))


def covered(clip: DegradedClip, material: Material, random: np.random.Generator, shelf_db: float) -> DegradedClip:
    """A hand or a case over the hole. It colours: everything is still there, if faint."""
    return coloured_by(clip, cover_gain_db(COVER_HERTZ, shelf_db, random))


CORNER_HERTZ = Quantity("frequency in hertz", 20.0, 23000.0, logarithmic=True)
SAMPLE_RATE_HERTZ = Quantity("sample rate in hertz", 1000.0, float(SAMPLE_RATE), logarithmic=True)
SHELF_DECIBELS = Quantity("gain of the shelf in decibels", -60.0, 0.0)
STEPS = (
    StepKind("lowpass", (CORNER_HERTZ,), lowpass),
    StepKind("resample", (SAMPLE_RATE_HERTZ,), resample),
    StepKind("covered", (SHELF_DECIBELS,), covered),
)
