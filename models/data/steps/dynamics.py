"""Steps that follow the level: clipping and automatic gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.recordings import SAMPLE_RATE
from models.data.steps.step import Quantity, StepKind

BLOCK = SAMPLE_RATE // 100  # 10 ms, over which an automatic gain measures
LEVEL_SECONDS = 0.05
ATTACK_SECONDS = 0.1
RELEASE_SECONDS = 1.0
QUIETEST_POWER = 1e-10


def clip_peaks(clip: DegradedClip, material: Material, random: np.random.Generator, excess_db: float) -> DegradedClip:
    """Peaks cut so many dB below the highest, as by a gain into full scale; the level of the rest stays."""
    heard = clip.degraded
    ceiling = np.float32(np.max(np.abs(heard)) * 10 ** (-excess_db / 20))
    return clip.heard_as(np.clip(heard, -ceiling, ceiling))


def automatic_gain(heard: Samples, most_db: float) -> Samples:
    """The gain [samples] that brings the level of `heard` [samples] towards its mean level: at most `most_db` up or
    down, falling fast and rising slowly, and of no effect on the energy of the whole.
    """
    blocks = -(-len(heard) // BLOCK)
    power = np.mean(np.pad(heard, (0, blocks * BLOCK - len(heard))).reshape(blocks, BLOCK) ** 2, axis=1, dtype=float)
    smoothing = np.exp(-BLOCK / SAMPLE_RATE / LEVEL_SECONDS)
    level = lfilter([1 - smoothing], [1, -smoothing], power, zi=[smoothing * power[0]])[0]
    wanted_db = np.clip(10 * np.log10((np.mean(power) + QUIETEST_POWER) / (level + QUIETEST_POWER)), -most_db, most_db)
    gain_db = _followed(wanted_db)
    centres = (np.arange(blocks) + 0.5) * BLOCK
    gain = 10 ** (np.interp(np.arange(len(heard)), centres, gain_db) / 20)
    before, after = np.sum(heard**2, dtype=float), np.sum((gain * heard) ** 2)
    result: Samples = (gain * np.sqrt(before / after if after > 0 else 1.0)).astype(np.float32)
    return result


def _followed(wanted_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """`wanted_db` [blocks] as a gain follows it that falls within the attack time and rises within the release time."""
    fall, rise = (1 - np.exp(-BLOCK / SAMPLE_RATE / seconds) for seconds in (ATTACK_SECONDS, RELEASE_SECONDS))
    gain = np.empty_like(wanted_db)
    current = wanted_db[0]
    for block, wanted in enumerate(wanted_db):
        current += (fall if wanted < current else rise) * (wanted - current)
        gain[block] = current
    return gain


def agc(clip: DegradedClip, material: Material, random: np.random.Generator, most_db: float) -> DegradedClip:
    """A slow automatic gain, steered by the sum. Given its course it is linear: noise in pauses swells with it, and
    stays noise.
    """
    gain = automatic_gain(clip.degraded, most_db)
    return clip.through(lambda samples: gain * samples)


EXCESS_DECIBELS = Quantity("gain into clipping in decibels", 0.0, 60.0)
MOST_DECIBELS = Quantity("most gain in decibels", 0.0, 60.0)
STEPS = (
    StepKind("clip", (EXCESS_DECIBELS,), clip_peaks),
    StepKind("agc", (MOST_DECIBELS,), agc),
)
