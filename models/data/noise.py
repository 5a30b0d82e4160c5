"""Noise that is synthesised: coloured, rumble, hum, clicks; and the weighting that noise levels are set by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from models.data.recordings import SAMPLE_RATE

WHITE_DB_PER_OCTAVE = 0.0
PINK_DB_PER_OCTAVE = -3.0
BROWN_DB_PER_OCTAVE = -6.0
ANY_DB_PER_OCTAVE = (-8.0, 3.0)
SLOPE_ODDS = (0.2, 0.3, 0.1, 0.4)  # of white, pink, brown, any: rooms and ventilation are nearest to pink
LOWEST_SHAPED_HZ = 50.0
MAINS_HZ = (50.0, 60.0)
HUM_HARMONICS = 24
CLICKS_PER_SECOND = (0.5, 12.0)
CLICK_SECONDS = (0.0005, 0.01)
RUMBLE_LOWEST_HZ = (60.0, 200.0)
RUMBLE_CORNER_HZ = (150.0, 1500.0)
RUMBLE_DB_PER_OCTAVE = (9.0, 30.0)
RUMBLE_RISE_ORDER = 3  # below the lowest frequency, as a microphone's high-pass
SWELLING_SHARE = 0.5  # of rumbles
SWELLS_PER_SECOND = (0.5, 6.0)
SWELL_DB = 12.0


def _shaped(white: NDArray[np.float32], shape: NDArray[np.floating]) -> NDArray[np.float32]:
    """White noise with a spectrum of that shape, [samples // 2 + 1], at the power that it has: [samples]."""
    spectrum = fft.rfft(white) * (shape / np.sqrt(np.mean(shape**2)))
    noise: NDArray[np.float32] = fft.irfft(spectrum, len(white)).astype(np.float32)
    return noise


def coloured(samples: int, db_per_octave: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise of about unit power whose spectrum falls by a constant slope above 50 Hz, [samples]."""
    hertz = np.maximum(fft.rfftfreq(samples, 1 / SAMPLE_RATE), LOWEST_SHAPED_HZ).astype(np.float32)
    shape = (hertz / 1000.0) ** np.float32(db_per_octave / (20 * np.log10(2)))
    return _shaped(random.standard_normal(samples, dtype=np.float32), shape)


def swelling(samples: int, knots: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Gains that move between random levels of up to SWELL_DB below one, [samples]."""
    levels = 10 ** (random.uniform(-SWELL_DB, 0, size=knots) / 20)
    return np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), levels).astype(np.float32)


def rumble(samples: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Noise that lies low and falls steadily above a corner, as of traffic, crowds and machines; half of it swells,
    [samples]."""
    white = random.standard_normal(samples, dtype=np.float32)
    hertz = np.maximum(fft.rfftfreq(samples, 1 / SAMPLE_RATE), 1.0)
    lowest, corner = (np.exp(random.uniform(*np.log(limits))) for limits in (RUMBLE_LOWEST_HZ, RUMBLE_CORNER_HZ))
    order = random.uniform(*RUMBLE_DB_PER_OCTAVE) / -BROWN_DB_PER_OCTAVE
    power = 1.0 / ((1.0 + (hertz / corner) ** (2 * order)) * (1.0 + (lowest / hertz) ** (2 * RUMBLE_RISE_ORDER)))
    noise = _shaped(white, np.sqrt(power))
    if random.random() < SWELLING_SHARE:
        noise *= swelling(samples, 2 + int(random.uniform(*SWELLS_PER_SECOND) * samples / SAMPLE_RATE), random)
    return noise


def hum(samples: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Mains hum: harmonics of 50 or 60 Hz with falling random levels, [samples]."""
    base = random.choice(MAINS_HZ) * random.uniform(0.998, 1.002)
    time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    total = np.zeros(samples, dtype=np.float32)
    for harmonic in range(1, HUM_HARMONICS + 1):
        level = 10 ** (random.uniform(-20, 0) / 20) / harmonic ** random.uniform(0.3, 1.2)
        total += np.float32(level) * np.sin(
            np.float32(2 * np.pi * base * harmonic) * time + random.uniform(0, 6.28)
        ).astype(np.float32)
    return total


def clicks(samples: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Short decaying bursts at random times, as of keys and handling, [samples]."""
    total = np.zeros(samples, dtype=np.float32)
    count = int(random.uniform(*CLICKS_PER_SECOND) * samples / SAMPLE_RATE) + 1
    for _ in range(count):
        length = int(random.uniform(*CLICK_SECONDS) * SAMPLE_RATE)
        burst = random.standard_normal(length) * np.exp(-np.arange(length) / (0.25 * length))
        start = int(random.integers(0, max(1, samples - length)))
        total[start : start + length] += (10 ** (random.uniform(-20, 0) / 20) * burst)[: samples - start].astype(
            np.float32
        )
    return total


def synthetic_noise(samples: int, random: np.random.Generator) -> NDArray[np.float32]:
    """A random one of: coloured noise of any slope (white, pink and brown among them), slowly swelling noise, hum
    with hiss, clicks with hiss."""
    slopes = (WHITE_DB_PER_OCTAVE, PINK_DB_PER_OCTAVE, BROWN_DB_PER_OCTAVE, random.uniform(*ANY_DB_PER_OCTAVE))
    slope = float(random.choice(slopes, p=SLOPE_ODDS))
    base = coloured(samples, slope, random)
    which = random.random()
    if which < 0.6:
        return base
    if which < 0.75:
        return base * swelling(samples, max(2, samples // SAMPLE_RATE + 1), random)
    other = hum(samples, random) if which < 0.87 else 4 * clicks(samples, random)
    return (other + 10 ** (random.uniform(-30, -6) / 20) * base).astype(np.float32)


def a_weighted_power(samples: NDArray[np.floating]) -> float:
    """Mean power after A-weighting (IEC 61672-1, analogue magnitude applied in the frequency domain, without the
    constant 2 dB that normalise it at 1 kHz: levels are only compared)."""
    squared = fft.rfftfreq(len(samples), 1 / SAMPLE_RATE).astype(np.float64) ** 2
    gain = (
        12194**2
        * squared**2
        / ((squared + 20.6**2) * np.sqrt((squared + 107.7**2) * (squared + 737.9**2)) * (squared + 12194**2))
    )
    power = np.abs(fft.rfft(samples)) ** 2 * gain**2
    return float(2 * np.sum(power) / len(samples) ** 2)
