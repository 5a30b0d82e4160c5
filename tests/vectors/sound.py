"""The sound that the golden vectors are made of: a second in which every part of the generator has something to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 48000
SECONDS = 1.0
SEED = 2
BIN_HZ = 187.5
"""Of the fixture's window of 256 samples."""

DARK_SECONDS = 0.3
DARK_BINS = (3.5, 7.5, 12.5, 18.5, 25.5)
"""Half way between bins a tone does not leak through the sine window: the bins above stay empty, for `extend`."""
DARK_LEVEL = 0.01
FADE_SECONDS = 0.05

NOTE_SECONDS = 0.15
NOTES_HZ = (220.0, 293.7, 392.0, 440.0)
HARMONICS = 8
NOTE_LEVEL = 0.1
FALL_PER_SECOND = 8.0
NOISE_LEVEL = 0.01

FULL_SCALE_SECONDS = 0.05
FULL_SCALE_HZ = 1000.0
DETUNING = 1.01
"""Of the right channel against the left, so that a swap of channels is found."""


def sound(channels: int) -> NDArray[np.float32]:
    """[RATE * SECONDS, channels]: quiet dark tones, plucked notes in noise, a full-scale sine, digital silence."""
    random = np.random.default_rng(SEED)
    return np.stack([_channel(DETUNING**index, random) for index in range(channels)], axis=1).astype(np.float32)


def _channel(detuning: float, random: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(round(SECONDS * RATE)) / RATE
    samples = np.zeros(len(time))
    dark, note_length = round(DARK_SECONDS * RATE), round(NOTE_SECONDS * RATE)
    for index, bins in enumerate(DARK_BINS):
        samples[:dark] += np.sin(2 * np.pi * bins * BIN_HZ * time[:dark] + index * detuning)
    samples[:dark] *= DARK_LEVEL / detuning * np.minimum(1.0, time[:dark] / FADE_SECONDS)
    note = time[:note_length]
    for index, hertz in enumerate(NOTES_HZ):
        start = dark + index * note_length
        samples[start : start + note_length] += sum(
            NOTE_LEVEL / h * np.sin(2 * np.pi * hertz * detuning * h * note) * np.exp(-FALL_PER_SECOND * h * note)
            for h in range(1, HARMONICS + 1)
        ) + NOISE_LEVEL * random.standard_normal(note_length)
    loud = slice(
        dark + len(NOTES_HZ) * note_length, dark + len(NOTES_HZ) * note_length + round(FULL_SCALE_SECONDS * RATE)
    )
    samples[loud] = np.sin(2 * np.pi * FULL_SCALE_HZ * detuning * time[loud])
    return samples
