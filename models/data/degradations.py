"""What a phone does to music, made on the fly: room, noise, low-pass; singly, together, or not at all.

A degraded clip is kept as the sum of its parts, so that the target for any controls follows exactly:

    degraded = clean - missing + noise + reverberation
    target(denoise, dereverb, extend) = degraded - denoise * noise - dereverb * reverberation + extend * missing
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, firwin, sosfilt

from models.data.noise import a_weighted_power, synthetic_noise
from models.data.recordings import SAMPLE_RATE
from models.data.rooms import reverberate

Samples = NDArray[np.float32]

FILTER_TAPS = 513
STEEPNESS = (6.0, 14.0)  # of a Kaiser window: 60 to 140 dB of attenuation, as resamplers have
SIXTEEN_BITS = 2.0**15
QUIETEST_POWER = 1e-10
RUMBLE_HZ = 100.0  # phone microphones high-pass what they record
RUMBLE_FILTER_ORDER = 4


@dataclass(frozen=True)
class DegradationOdds:
    """How often each happens, and within which limits. Clean clips stay whole."""

    clean: float = 0.08
    noise: float = 0.72
    room: float = 0.2
    lowpass: float = 0.4
    sixteen_bits: float = 0.5
    synthetic_noise: float = 0.5
    snr_db: tuple[float, float] = (-2.0, 24.0)
    direct_db: tuple[float, float] = (-3.0, 12.0)
    lowpass_hz: tuple[float, float] = (3000.0, 16000.0)
    level_dbfs: tuple[float, float] = (-40.0, -14.0)


@dataclass(frozen=True)
class DegradedClip:
    """The parts of a degraded clip, [samples] each, and the frequency below which nothing is missing."""

    clean: Samples
    noise: Samples
    reverberation: Samples
    missing: Samples
    passband_hz: float

    @property
    def degraded(self) -> Samples:
        return self.clean - self.missing + self.noise + self.reverberation


def lowpass_filter(hertz: float, random: np.random.Generator) -> Samples:
    """A linear-phase low-pass with a random steepness, [taps]."""
    taps: Samples = firwin(FILTER_TAPS, hertz, fs=SAMPLE_RATE, window=("kaiser", random.uniform(*STEEPNESS))).astype(
        np.float32
    )
    return taps


def filtered(samples: Samples, taps: Samples) -> Samples:
    result: Samples = fftconvolve(samples, taps, "same").astype(np.float32)
    return result


def scaled_noise(clean: Samples, noise: Samples, snr_db: float) -> Samples:
    """`noise`, high-passed as a phone does, at an A-weighted signal-to-noise ratio to `clean`."""
    sections = butter(RUMBLE_FILTER_ORDER, RUMBLE_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    noise = sosfilt(sections, noise).astype(np.float32)
    wanted = max(a_weighted_power(clean), QUIETEST_POWER) * 10 ** (-snr_db / 10)
    scaled: Samples = noise * np.float32(np.sqrt(wanted / max(a_weighted_power(noise), QUIETEST_POWER)))
    return scaled


def degrade(
    clean: Samples,
    cutoff_hz: float,
    recorded_noise: Samples | None,
    room: Samples | None,
    odds: DegradationOdds,
    random: np.random.Generator,
) -> DegradedClip:
    """Degrade a clip [samples] at random. `recorded_noise` [samples] and `room` [taps] are used as the odds say;
    without recorded noise it is synthesised. `cutoff_hz`: above it the clip itself holds nothing."""
    zero = np.zeros_like(clean)
    noise, reverberation, missing, passband = zero, zero, zero, cutoff_hz
    if random.random() < odds.clean:
        return DegradedClip(clean, noise, reverberation, missing, passband)
    if room is not None and random.random() < odds.room:
        reverberation = reverberate(clean, room, random.uniform(*odds.direct_db)) - clean
    if random.random() < odds.noise:
        source = recorded_noise
        if source is None or random.random() < odds.synthetic_noise:
            source = synthetic_noise(len(clean), random)
        noise = scaled_noise(clean, source, random.uniform(*odds.snr_db))
    heard = clean
    if random.random() < odds.lowpass:
        low, high = np.log(odds.lowpass_hz)
        hertz = float(np.exp(random.uniform(low, high)))
        taps = lowpass_filter(hertz, random)
        passband = min(passband, 0.95 * hertz)
        heard = filtered(clean, taps)
        reverberation = filtered(reverberation, taps) if reverberation is not zero else zero
        noise = filtered(noise, taps) if noise is not zero else zero
    if random.random() < odds.sixteen_bits:
        recorded = heard + noise + reverberation
        noise = noise + (np.round(recorded * SIXTEEN_BITS) / SIXTEEN_BITS - recorded).astype(np.float32)
    return DegradedClip(clean, noise, reverberation, clean - heard, passband)
