"""What examples are made of: decoded music, noise and rooms, and random stretches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import butter, sosfilt

from models.data.degradations import Samples
from models.data.recordings import NYQUIST, SAMPLE_RATE, as_float
from models.data.rooms import simulate_room

ANY_NOISE = "any"
SPEED_SHARE = 0.35
LARGEST_SPEED = 1.25
EQUALISER_SHARE = 0.3
EQUALISER_DB = 6.0
DULL_SHARE = 0.12
DULL_FROM_HZ = (300.0, 6000.0)
DULL_ORDERS = (1, 2)  # 6 or 12 dB an octave: as instruments and rooms fall off, far gentler than what cuts a band
SECOND_NOISE_SHARE = 0.25
# Noise is scarcer than music and stays noise at any speed and colour, so it is changed more.
NOISE_SPEED_SHARE = 0.6
LARGEST_NOISE_SPEED = 1.6
NOISE_EQUALISER_SHARE = 0.5
NOISE_EQUALISER_DB = 9.0
BABBLE_SHARE = 0.12  # of any recorded noise, where there are voices to build it of
BABBLE_VOICES = (4, 10)
BABBLE_LEVELS_DB = (-12.0, 0.0)
QUIETEST_RMS = 1e-4


def random_speed(random: np.random.Generator, share: float = SPEED_SHARE, largest: float = LARGEST_SPEED) -> float:
    """A speed evenly drawn in its logarithm, at most `largest` up or down, in a share of the cases; else 1."""
    return float(np.exp(random.uniform(-1, 1) * np.log(largest))) if random.random() < share else 1.0


def stretch(samples: NDArray[np.int16], length: int, random: np.random.Generator, speed: float = 1.0) -> Samples:
    """A random stretch of a recording at a speed, repeated where the recording is shorter, [length].

    Its frequencies are `speed` times as high, without images or aliases: highs are to be learnt from it.
    """
    wanted = int(np.ceil(length * speed)) + 1
    start = int(random.integers(0, max(1, len(samples) - wanted)))
    part = as_float(np.asarray(samples[start : start + wanted]))
    if len(part) < wanted:
        part = np.resize(part, wanted)
    if speed == 1.0:
        return part[:length]
    resampled: Samples = soxr.resample(part, SAMPLE_RATE * speed, SAMPLE_RATE, "HQ")
    return resampled[:length]


def equalise(samples: Samples, random: np.random.Generator, decibels: float = EQUALISER_DB) -> Samples:
    """A random equaliser of at most so many decibels over the whole clip, [samples]."""
    spectrum = fft.rfft(samples)
    hertz = fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    knots = np.array([30.0, 200.0, 1000.0, 4000.0, 12000.0, NYQUIST])
    gain_db = np.interp(
        np.log(np.maximum(hertz, knots[0])), np.log(knots), random.uniform(-1, 1, len(knots)) * decibels
    )
    equalised: Samples = fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples)).astype(np.float32)
    return equalised


def noise_stretch(samples: NDArray[np.int16], length: int, random: np.random.Generator) -> Samples:
    """A random stretch of a recording of noise, at a random speed in most cases."""
    return stretch(samples, length, random, random_speed(random, NOISE_SPEED_SHARE, LARGEST_NOISE_SPEED))


def dull(samples: Samples, random: np.random.Generator) -> Samples:
    """Music that is dull by nature, [samples]: it falls off gently, and nothing of it is missing."""
    low, high = np.log(DULL_FROM_HZ)
    sections = butter(
        int(random.choice(DULL_ORDERS)), np.exp(random.uniform(low, high)), "lowpass", fs=SAMPLE_RATE, output="sos"
    )
    fallen: Samples = sosfilt(sections, samples).astype(np.float32)
    return fallen


@dataclass(frozen=True)
class Material:
    """Decoded 48 kHz recordings (16-bit samples) with what is known of each, and room responses.

    `clean_cutoff_hz`: above it a clean recording says nothing. `clean_odds`: the probability that it teaches, by
    default all the same. `noise_names`: by which a recipe chooses among `noise`. `voices`: of which babble is built.
    """

    clean: Sequence[NDArray[np.int16]] = ()
    clean_cutoff_hz: Sequence[float] = ()
    noise: Sequence[NDArray[np.int16]] = ()
    rooms: Sequence[NDArray[np.float32]] = ()
    noise_names: Sequence[str] = ()
    voices: Sequence[NDArray[np.int16]] = ()
    clean_odds: Sequence[float] = ()

    def noises_named(self, part: str) -> list[NDArray[np.int16]]:
        """The recordings of noise that hold `part` in their names; all of them for "any"."""
        if part == ANY_NOISE:
            return list(self.noise)
        return [noise for noise, name in zip(self.noise, self.noise_names, strict=False) if part in name]

    def recorded_noise(self, part: str, samples: int, random: np.random.Generator) -> Samples:
        """A random stretch [samples] of one of the noises of that name, in some cases of two, equalised in some.

        Any noise is babble in some cases.
        """
        offered = self.noises_named(part)
        if not offered:
            raise ValueError(f"no recorded noise is named {part!r}; wanted one of {', '.join(self.noise_names) or '-'}")
        if part == ANY_NOISE and self.voices and random.random() < BABBLE_SHARE:
            noise = self.babble(samples, random)
        else:
            noise = noise_stretch(offered[int(random.integers(len(offered)))], samples, random)
        if random.random() < SECOND_NOISE_SHARE:
            other = noise_stretch(offered[int(random.integers(len(offered)))], samples, random)
            noise = noise + other * random.uniform(0.1, 1.0) * (np.std(noise) / max(float(np.std(other)), QUIETEST_RMS))
        if random.random() < NOISE_EQUALISER_SHARE:
            noise = equalise(noise, random, NOISE_EQUALISER_DB)
        return noise.astype(np.float32)

    def babble(self, samples: int, random: np.random.Generator) -> Samples:
        """Several voices at once, near and far, [samples]."""
        total = np.zeros(samples, dtype=np.float32)
        for _ in range(int(random.integers(BABBLE_VOICES[0], BABBLE_VOICES[1] + 1))):
            voice = stretch(self.voices[int(random.integers(len(self.voices)))], samples, random, random_speed(random))
            level = 10 ** (random.uniform(*BABBLE_LEVELS_DB) / 20) / max(float(np.std(voice)), QUIETEST_RMS)
            total += np.float32(level) * voice
        return total

    def room(self, random: np.random.Generator) -> NDArray[np.float32]:
        """The response [taps] of one of the rooms; simulated where there are none."""
        return self.rooms[int(random.integers(len(self.rooms)))] if self.rooms else simulate_room(random)
