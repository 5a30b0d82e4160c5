"""Music that is made of steady tones, as test generators, chip tunes, organs and synthesisers play it.

Recordings hardly hold it, and it is unlike all that they hold: most bands are silent for good, and what sounds neither
falls nor rises. What was taught by recordings alone took a sine for a muffled one in a hall.
"""

from __future__ import annotations

import numpy as np

from models.data.degradations import Samples
from models.data.recordings import NYQUIST, SAMPLE_RATE

LOWEST_HZ, HIGHEST_HZ = 40.0, 8000.0  # of a clip's fundamental
SPREAD_OCTAVES = 1.0  # of its notes about that
STEADY_SHARE = 0.35  # of clips are one note
NOTE_SECONDS = (0.08, 3.0)
REST_SHARE = 0.1  # of notes
AT_ONCE_ODDS = (0.5, 0.2, 0.3)  # of one note, two, three
PURE_SHARE, HARMONIC_SHARE = 0.45, 0.4  # of clips; the partials of the rest have no common fundamental
MOST_PARTIALS = 24
MOST_UNRELATED = 6
UNRELATED_RATIOS = (1.0, 7.0)
SLOPES = (0.0, 2.0)  # of partials: amplitudes fall with this power of their number, 1 a sawtooth's, 2 a triangle's
ODD_SHARE = 0.4  # of harmonic clips have odd partials alone, as squares and triangles have
DECAYING_SHARE = 0.4
DECAY_SECONDS = (0.05, 3.0)
RAMP_SECONDS = (0.003, 0.05)  # at both ends of a note
VIBRATO_SHARE = 0.3
VIBRATO_HZ = (3.0, 8.0)
VIBRATO_OCTAVES = (0.005, 0.1)
GLIDE_SHARE = 0.15
GLIDE_OCTAVES = 7.0  # at most, over a note, up or down
LIMITS_HZ = (20.0, 0.98 * NYQUIST)  # notes glide no further, and higher partials are left out
QUIETEST_PEAK_DBFS = -50.0


def _between(limits: tuple[float, float], random: np.random.Generator) -> float:
    """Drawn evenly in its logarithm."""
    return float(np.exp(random.uniform(*np.log(limits))))


def _partials(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, as ratios to a note's, and amplitudes of a clip's partials."""
    which = random.random()
    if which < PURE_SHARE:
        return np.ones(1), np.ones(1)
    if which < PURE_SHARE + HARMONIC_SHARE:
        numbers = np.arange(1, int(random.integers(2, MOST_PARTIALS + 1)) + 1)
        if random.random() < ODD_SHARE:
            numbers = numbers[::2]
        return numbers.astype(float), numbers ** -random.uniform(*SLOPES)
    count = int(random.integers(2, MOST_UNRELATED + 1))
    return np.append(1.0, random.uniform(*UNRELATED_RATIOS, count - 1)), random.uniform(0.1, 1.0, count)


def _lengths(samples: int, random: np.random.Generator) -> list[int]:
    """Lengths of the notes that fill a clip, in samples."""
    if random.random() < STEADY_SHARE:
        return [samples]
    length = max(1, int(_between(NOTE_SECONDS, random) * SAMPLE_RATE))
    return [min(length, samples - start) for start in range(0, samples, length)]


def tones(samples: int, random: np.random.Generator) -> Samples:
    """A clip of steady tones at a random level, [samples]: sines, chords, scales of pulses and bells, glides, in 35 of
    100 cases one note from the beginning to the end."""
    ratios, amplitudes = _partials(random)
    base = _between((LOWEST_HZ, HIGHEST_HZ), random)
    at_once = int(random.choice(len(AT_ONCE_ODDS), p=AT_ONCE_ODDS)) + 1
    ramp = max(1, int(_between(RAMP_SECONDS, random) * SAMPLE_RATE))
    decay = _between(DECAY_SECONDS, random) if random.random() < DECAYING_SHARE else np.inf
    vibrato = (_between(VIBRATO_HZ, random), _between(VIBRATO_OCTAVES, random) * (random.random() < VIBRATO_SHARE))
    glide = random.uniform(-GLIDE_OCTAVES, GLIDE_OCTAVES) * (random.random() < GLIDE_SHARE)
    found = np.zeros(samples, dtype=np.float32)
    start = 0
    for length in _lengths(samples, random):
        index = np.arange(length)
        time = index / SAMPLE_RATE
        ends = np.minimum(index, index[::-1]) / ramp
        envelope = np.minimum(ends, 1.0) * np.exp(-time / decay)
        bend = vibrato[1] * np.sin(2 * np.pi * vibrato[0] * time) + glide * time / max(time[-1], 1 / SAMPLE_RATE)
        for _ in range(at_once):
            if length < samples and random.random() < REST_SHARE:
                continue
            note = base * 2 ** random.uniform(-SPREAD_OCTAVES, SPREAD_OCTAVES)
            hertz = np.clip(note * 2**bend, *LIMITS_HZ)
            highest = hertz.max()
            turns = np.cumsum(hertz) / SAMPLE_RATE
            for ratio, amplitude in zip(ratios, amplitudes, strict=True):
                if ratio * highest <= LIMITS_HZ[1]:
                    part = envelope * amplitude * np.sin(2 * np.pi * ratio * turns + random.uniform(0, 2 * np.pi))
                    found[start : start + length] += part.astype(np.float32)
        start += length
    peak = float(np.max(np.abs(found), initial=0.0))
    level = 10 ** (QUIETEST_PEAK_DBFS * random.random() ** 2 / 20)  # mostly loud, as test tones are
    return found * np.float32(level / peak if peak > 0 else 1.0)
