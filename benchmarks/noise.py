"""Noise added at an A-weighted signal-to-noise ratio, and noise made from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from benchmarks.scenario_folder import RATE, REFERENCE_SCENARIO, Recording, read_audio
from models.data.noise import a_weighted_power

MICROPHONE_HIGHPASS_HZ = 100.0
"""Phone microphones pass little below, so that rumble cannot stand for noise."""
HIGHPASS_ORDER = 4
FLAT_BELOW_HZ = 20.0
"""Where pink and brown noise stay flat: a power that rises for ever towards 0 Hz would be all there is."""


def add_noise(samples: NDArray[np.float64], noise: NDArray[np.float64], ratio_db: float) -> NDArray[np.float64]:
    """`samples` with the high-passed `noise` (as long) at an A-weighted signal-to-noise ratio of `ratio_db`."""
    heard = sosfilt(butter(HIGHPASS_ORDER, MICROPHONE_HIGHPASS_HZ, "highpass", fs=RATE, output="sos"), noise)
    scale = np.sqrt(a_weighted_power(samples) / a_weighted_power(heard)) * 10 ** (-ratio_db / 20)
    return np.asarray(samples + scale * heard)


def random_for(*names: str) -> np.random.Generator:
    """Random numbers that `names` alone decide, so that a clip added to a set changes no other."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8]))


def white_noise(generator: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Gaussian noise of equal power at every frequency."""
    return generator.standard_normal(length)


def pink_noise(generator: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Gaussian noise whose power falls as 1 / frequency: equal power in every octave."""
    return _coloured(generator, length, 0.5)


def brown_noise(generator: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Gaussian noise whose power falls as 1 / frequency squared: by 6 dB an octave."""
    return _coloured(generator, length, 1.0)


def _coloured(generator: np.random.Generator, length: int, slope: float) -> NDArray[np.float64]:
    """Gaussian noise whose amplitude falls as 1 / frequency to the power of `slope`."""
    hertz = np.maximum(np.fft.rfftfreq(length, 1 / RATE), FLAT_BELOW_HZ)
    return np.fft.irfft(np.fft.rfft(generator.standard_normal(length)) / hertz**slope, length)


SYNTHETIC_SCENARIOS: dict[str, tuple[Callable[[np.random.Generator, int], NDArray[np.float64]], float]] = {
    "white5": (white_noise, 5.0),
    "pink5": (pink_noise, 5.0),
    "white15": (white_noise, 15.0),
    "pink15": (pink_noise, 15.0),
}
"""The scenarios that need no recorded noise: the colour and the signal-to-noise ratio in dB."""


def write_synthetic_scenarios(recordings: list[Recording], folder: Path) -> list[Recording]:
    """Each clean clip of `recordings` with synthetic noise, in `folder`/SCENARIO/CLIP.wav, always the same."""
    made = []
    clean = [recording for recording in recordings if recording.scenario == REFERENCE_SCENARIO]
    for scenario, (colour, ratio_db) in SYNTHETIC_SCENARIOS.items():
        (folder / scenario).mkdir(parents=True, exist_ok=True)
        for recording in clean:
            samples = read_audio(recording.path)
            noisy = add_noise(samples, colour(random_for(scenario, recording.clip.name), len(samples)), ratio_db)
            path = folder / scenario / f"{recording.clip.name}.wav"
            soundfile.write(path, noisy.astype(np.float32), RATE, subtype="FLOAT")
            made.append(Recording(scenario, recording.clip, path, recording.path))
    return made
