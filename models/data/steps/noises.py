"""Steps that add noise: of a variance, as in the study, or at an A-weighted ratio to the music, as a phone hears it."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from models.data.degradations import DegradedClip, Samples
from models.data.material import ANY_NOISE, Material
from models.data.noise import (
    BROWN_DB_PER_OCTAVE,
    PINK_DB_PER_OCTAVE,
    WHITE_DB_PER_OCTAVE,
    a_weighted_power,
    coloured,
    rumble,
    synthetic_noise,
)
from models.data.recordings import SAMPLE_RATE
from models.data.steps.step import DECIBELS, Quantity, StepKind, Word

SYNTHETIC = "synthetic"
RECORDED = "recorded"
RUMBLE = "rumble"
MADE = {SYNTHETIC: synthetic_noise, RUMBLE: rumble}
"""Kinds of noise that need no recording."""
SYNTHETIC_SHARE = 0.5  # of "any"
QUIETEST_POWER = 1e-10
HIGHPASS_HZ = 100.0  # phone microphones high-pass what they record
HIGHPASS_ORDER = 4


def scaled_noise(music: Samples, noise: Samples, snr_db: float) -> Samples:
    """`noise`, high-passed as a phone does, at an A-weighted signal-to-noise ratio to `music`; [samples] each."""
    sections = butter(HIGHPASS_ORDER, HIGHPASS_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    noise = sosfilt(sections, noise).astype(np.float32)
    wanted = max(a_weighted_power(music), QUIETEST_POWER) * 10 ** (-snr_db / 10)
    scaled: Samples = noise * np.float32(np.sqrt(wanted / max(a_weighted_power(noise), QUIETEST_POWER)))
    return scaled


def noise(
    clip: DegradedClip, material: Material, random: np.random.Generator, kind: str, snr_db: float
) -> DegradedClip:
    """Noise of a kind at `snr_db` to what is heard of the music. `any` is half synthetic, or wholly without records."""
    if kind == ANY_NOISE and (not material.noise or random.random() < SYNTHETIC_SHARE):
        kind = SYNTHETIC
    source = (
        MADE[kind](len(clip.clean), random)
        if kind in MADE
        else material.recorded_noise(ANY_NOISE if kind == RECORDED else kind, len(clip.clean), random)
    )
    return clip.with_noise(scaled_noise(clip.music, source, snr_db))


def check_noise(material: Material, kind: str, snr_db: object) -> None:
    """Raise ValueError where there is no recording of that kind."""
    if kind in (ANY_NOISE, *MADE) or material.noises_named(ANY_NOISE if kind == RECORDED else kind):
        return
    had = (
        f"none of the {len(material.noise)} recordings of noise has it in its name"
        if material.noise
        else "there are no recordings of noise"
    )
    raise ValueError(f"noise of kind {kind!r}: {had}; wanted {NOISE_KIND.what}")


def _coloured(clip: DegradedClip, random: np.random.Generator, variance: float, slope: float) -> DegradedClip:
    return clip.with_noise(np.float32(np.sqrt(variance)) * coloured(len(clip.clean), slope, random))


def white(clip: DegradedClip, material: Material, random: np.random.Generator, variance: float) -> DegradedClip:
    """White Gaussian noise."""
    return _coloured(clip, random, variance, WHITE_DB_PER_OCTAVE)


def pink(clip: DegradedClip, material: Material, random: np.random.Generator, variance: float) -> DegradedClip:
    """Gaussian noise that falls by 3 dB an octave above 50 Hz."""
    return _coloured(clip, random, variance, PINK_DB_PER_OCTAVE)


def brown(clip: DegradedClip, material: Material, random: np.random.Generator, variance: float) -> DegradedClip:
    """Gaussian noise that falls by 6 dB an octave above 50 Hz."""
    return _coloured(clip, random, variance, BROWN_DB_PER_OCTAVE)


def tpdf(clip: DegradedClip, material: Material, random: np.random.Generator, variance: float) -> DegradedClip:
    """White noise of triangular probability density, as dither is: the sum of two uniform numbers within +-a has the
    variance 2 a^2 / 3.
    """
    widest = np.sqrt(1.5 * variance)
    uniform = random.uniform(-widest, widest, (2, len(clip.clean)))
    return clip.with_noise(uniform.sum(axis=0).astype(np.float32))


NOISE_KIND = Word("kind of noise: any, synthetic, rumble, recorded, or a part of a recording's name")
VARIANCE = Quantity("variance", 1e-12, 1.0, logarithmic=True)
STEPS = (
    StepKind("noise", (NOISE_KIND, DECIBELS), noise, check_noise),
    StepKind("white", (VARIANCE,), white),
    StepKind("pink", (VARIANCE,), pink),
    StepKind("brown", (VARIANCE,), brown),
    StepKind("tpdf", (VARIANCE,), tpdf),
)
