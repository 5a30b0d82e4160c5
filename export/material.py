"""The sound on which an export is proven: a given recording, else synthesised music, as it is and as a phone hears
it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

NOTE_SECONDS = 0.25
LOWEST_NOTE_HZ = 55.0
HARMONICS = 12
PENTATONIC_SEMITONES = (0, 3, 5, 7, 10)
OCTAVES = 4
PEAK = 0.9
NOISE_LEVEL = 10 ** (-50 / 20)
TAKE_SNR_DB = 12.0
TAKE_LOWPASS_HZ = 9000.0


def synthesised_music(seconds: float, rate: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    """Plucked chords, percussion and faint noise, different in each channel: [channels, samples], peak 0.9."""
    random = np.random.default_rng(seed)
    samples = round(seconds * rate)
    length = 4 * round(NOTE_SECONDS * rate)
    time = np.arange(length) / rate
    music = NOISE_LEVEL * random.standard_normal((channels, samples + length))
    for start in range(0, samples, round(NOTE_SECONDS * rate)):
        semitone = random.choice(PENTATONIC_SEMITONES) + 12 * random.integers(0, OCTAVES)
        hertz = LOWEST_NOTE_HZ * 2 ** (semitone / 12)
        note = sum(
            np.sin(2 * np.pi * hertz * h * time + random.uniform(0, 6.3)) * np.exp(-time * (2 + h)) / h
            for h in range(1, HARMONICS + 1)
            if hertz * h < rate / 2
        )
        hit = random.standard_normal(length) * np.exp(-time * random.uniform(20, 80))
        pan = random.uniform(0.2, 1.0, size=(channels, 1))
        music[:, start : start + length] += pan * (note + random.uniform(0, 0.5) * hit)
    music = music[:, :samples]
    scaled: NDArray[np.float32] = (PEAK * music / np.max(np.abs(music))).astype(np.float32)
    return scaled


def read_music(path: Path, seconds: float, rate: int, channels: int) -> NDArray[np.float32]:
    """The first `seconds` of a recording at `rate`, repeated where it is shorter: [channels, samples]."""
    with soundfile.SoundFile(path) as file:
        if file.samplerate != rate:
            raise ValueError(f"{path} is at {file.samplerate} Hz, wanted {rate} Hz: resample it first")
        samples = file.read(round(seconds * rate), dtype="float32", always_2d=True).T
    if samples.shape[1] == 0:
        raise ValueError(f"{path} holds no samples, wanted music")
    wanted = np.resize(np.arange(samples.shape[1]), round(seconds * rate))
    spread = np.resize(np.arange(samples.shape[0]), channels)
    music: NDArray[np.float32] = samples[spread][:, wanted]
    return music


def with_noise(music: NDArray[np.float32], snr_db: float, seed: int = 0) -> NDArray[np.float32]:
    """`music` [channels, samples] in white noise, different in each channel."""
    noise = np.random.default_rng(seed).standard_normal(music.shape)
    scale = float(np.sqrt(np.mean(music.astype(np.float64) ** 2))) * 10 ** (-snr_db / 20)
    noisy: NDArray[np.float32] = (music + scale * noise).astype(np.float32)
    return noisy


def without_highs(music: NDArray[np.float32], hertz: float, rate: int) -> NDArray[np.float32]:
    """`music` [channels, samples] without anything above `hertz`."""
    spectrum = np.fft.rfft(music, axis=-1)
    spectrum[..., round(hertz * music.shape[-1] / rate) :] = 0.0
    return np.fft.irfft(spectrum, music.shape[-1], axis=-1).astype(np.float32)


def phone_take(music: NDArray[np.float32], rate: int, seed: int = 0) -> NDArray[np.float32]:
    """`music` [channels, samples] as a poor phone records it: noisy, its highs lost, so that there is much to do."""
    return without_highs(with_noise(music, TAKE_SNR_DB, seed), TAKE_LOWPASS_HZ, rate)
