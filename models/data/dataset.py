"""Endless training examples: random stretches of music, augmented, degraded on the fly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from models.data.degradations import DegradationOdds, DegradedClip, Samples, degrade
from models.data.recordings import NYQUIST, SAMPLE_RATE, as_float

FULL_CONTROLS_SHARE = 0.6
MIX_SHARE = 0.15
SPEED_SHARE = 0.35
LARGEST_SPEED = 1.25
EQUALISER_SHARE = 0.3
EQUALISER_DB = 6.0
SECOND_NOISE_SHARE = 0.25
SILENT_START_SHARE = 0.05
QUIETEST_RMS = 1e-4
LOUDEST_PEAK = 0.99


@dataclass(frozen=True)
class Material:
    """Decoded 48 kHz recordings (16-bit samples) with what is known of each, and room responses."""

    clean: Sequence[NDArray[np.int16]]
    clean_cutoff_hz: Sequence[float]
    noise: Sequence[NDArray[np.int16]]
    rooms: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Batch:
    """Tensors of a batch: audio [batch, 1, samples], controls [batch, 3], passband [batch] in Hz (below it everything
    can be known), cutoff [batch] in Hz (above it the target says nothing)."""

    degraded: Tensor
    target: Tensor
    controls: Tensor
    passband_hz: Tensor
    cutoff_hz: Tensor


def stretch(samples: NDArray[np.int16], length: int, random: np.random.Generator) -> Samples:
    """A random stretch of a recording, repeated where the recording is shorter, at a random speed in some cases."""
    speed = float(np.exp(random.uniform(-1, 1) * np.log(LARGEST_SPEED))) if random.random() < SPEED_SHARE else 1.0
    wanted = int(np.ceil(length * speed)) + 1
    start = int(random.integers(0, max(1, len(samples) - wanted)))
    part = as_float(np.asarray(samples[start : start + wanted]))
    if len(part) < wanted:
        part = np.resize(part, wanted)
    if speed == 1.0:
        return part[:length]
    resampled: Samples = np.interp(np.arange(length) * speed, np.arange(wanted), part).astype(np.float32)
    return resampled


def equalise(samples: Samples, random: np.random.Generator) -> Samples:
    """A gentle random equaliser over the whole clip, [samples]."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    knots = np.array([30.0, 200.0, 1000.0, 4000.0, 12000.0, NYQUIST])
    gain_db = np.interp(
        np.log(np.maximum(hertz, knots[0])), np.log(knots), random.uniform(-1, 1, len(knots)) * EQUALISER_DB
    )
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples)).astype(np.float32)


class DegradedMusic(IterableDataset[tuple[Samples, ...]]):
    """Examples without end: (clean, noise, reverberation, missing, controls, (passband_hz, cutoff_hz)) as numpy arrays.

    Every worker of every epoch draws from its own random stream of (seed, first example, worker): a resumed run goes on
    with fresh examples.
    """

    def __init__(
        self, material: Material, seconds: float, odds: DegradationOdds, seed: int, first_example: int = 0
    ) -> None:
        if not material.clean:
            raise ValueError("no music or voice to learn from: wanted at least one recording")
        self.material = material
        self.samples = int(seconds * SAMPLE_RATE)
        self.odds = odds
        self.seed = seed
        self.first_example = first_example
        lengths = np.array([len(clip) for clip in material.clean], dtype=np.float64)
        # Long recordings teach more often, yet short ones are not drowned.
        self.clean_odds = np.sqrt(lengths) / np.sqrt(lengths).sum()

    def __iter__(self) -> Iterator[tuple[Samples, ...]]:
        worker = get_worker_info()
        random = np.random.default_rng([self.seed, self.first_example, worker.id if worker else 0])
        while True:
            yield self.example(random)

    def music(self, random: np.random.Generator) -> tuple[Samples, float]:
        """A clean stretch at a random level, and the frequency above which it says nothing."""
        for _ in range(20):
            index = int(random.choice(len(self.clean_odds), p=self.clean_odds))
            clean, cutoff = (
                stretch(self.material.clean[index], self.samples, random),
                self.material.clean_cutoff_hz[index],
            )
            if random.random() < MIX_SHARE:
                index = int(random.choice(len(self.clean_odds), p=self.clean_odds))
                clean = clean + random.uniform(0.2, 1.0) * stretch(self.material.clean[index], self.samples, random)
                cutoff = min(cutoff, self.material.clean_cutoff_hz[index])
            if float(np.std(clean)) > QUIETEST_RMS:
                break
        if random.random() < EQUALISER_SHARE:
            clean = equalise(clean, random)
        level = 10 ** (random.uniform(*self.odds.level_dbfs) / 20)
        clean = clean * (level / max(float(np.std(clean)), QUIETEST_RMS)) * random.choice([-1.0, 1.0])
        clean = clean * min(1.0, LOUDEST_PEAK / max(float(np.max(np.abs(clean))), QUIETEST_RMS))
        # A speed change moves the cutoff by at most LARGEST_SPEED downwards.
        return clean.astype(np.float32), cutoff / LARGEST_SPEED if cutoff < NYQUIST else cutoff

    def recorded_noise(self, random: np.random.Generator) -> Samples | None:
        if not self.material.noise:
            return None
        noise = stretch(self.material.noise[int(random.integers(len(self.material.noise)))], self.samples, random)
        if random.random() < SECOND_NOISE_SHARE:
            other = stretch(self.material.noise[int(random.integers(len(self.material.noise)))], self.samples, random)
            noise = noise + other * random.uniform(0.1, 1.0) * (np.std(noise) / max(float(np.std(other)), QUIETEST_RMS))
        if random.random() < EQUALISER_SHARE:
            noise = equalise(noise, random)
        return noise.astype(np.float32)

    def example(self, random: np.random.Generator) -> tuple[Samples, ...]:
        clean, cutoff = self.music(random)
        room = None
        if self.material.rooms:
            room = self.material.rooms[int(random.integers(len(self.material.rooms)))]
        clip: DegradedClip = degrade(clean, cutoff, self.recorded_noise(random), room, self.odds, random)
        controls = np.ones(3, dtype=np.float32)
        if random.random() > FULL_CONTROLS_SHARE:
            controls = np.where(random.random(3) < 0.5, random.integers(0, 2, 3), random.random(3)).astype(np.float32)
        parts = [clip.clean, clip.noise, clip.reverberation, clip.missing]
        if random.random() < SILENT_START_SHARE:
            start = int(random.integers(0, self.samples // 2))
            sounding = (np.arange(self.samples) >= start).astype(np.float32)
            parts = [sounding * part for part in parts]
        limits = np.array([clip.passband_hz, cutoff], dtype=np.float32)
        return *parts, controls, limits


def collate(examples: list[tuple[Samples, ...]]) -> Batch:
    """Stack examples, and make the target that their controls ask for."""
    clean, noise, reverberation, missing, controls, limits = (
        torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True)
    )
    degraded = clean - missing + noise + reverberation
    denoise, dereverb, extend = (controls[:, i : i + 1] for i in range(3))
    target = degraded - denoise * noise - dereverb * reverberation + extend * missing
    return Batch(degraded.unsqueeze(1), target.unsqueeze(1), controls, limits[:, 0], limits[:, 1])
