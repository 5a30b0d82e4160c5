"""Endless training examples: random stretches of music, augmented, degraded on the fly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from models.data.degradations import DegradedClip, Samples
from models.data.material import (
    DULL_SHARE,
    EQUALISER_SHARE,
    QUIETEST_RMS,
    Material,
    dull,
    equalise,
    random_speed,
    stretch,
)
from models.data.recipes import Recipe
from models.data.recordings import NYQUIST, SAMPLE_RATE
from models.data.tones import tones

FULL_CONTROLS_SHARE = 0.6
MIX_SHARE = 0.15
SILENT_START_SHARE = 0.05
LEVEL_DBFS = (-40.0, -14.0)  # of the clean music, as phones are held near and far
LOUDEST_PEAK = 0.99
BESIDE_TONES = "noise any 10..60 @0.3, bits 16 @0.6"


@dataclass(frozen=True)
class Batch:
    """Tensors of a batch: audio [batch, 1, samples], controls [batch, 3], passband [batch] in Hz (below it everything
    can be known), cutoff [batch] in Hz (above it the target says nothing), `in_room` [batch]: 1 for what was recorded
    in a room, else 0 (None: not known). Each `windows` rows are neighbours that were cut from one clip."""

    degraded: Tensor
    target: Tensor
    controls: Tensor
    passband_hz: Tensor
    cutoff_hz: Tensor
    windows: int = 1
    in_room: Tensor | None = None


class DegradedMusic(IterableDataset[tuple[Samples, ...]]):
    """Examples without end: (clean, noise, reverberation, missing, controls, (passband_hz, cutoff_hz)) as numpy arrays.

    Every worker of every epoch draws from its own random stream of (seed, first example, worker): a resumed run goes on
    with fresh examples.
    """

    def __init__(self, material: Material, seconds: float, recipe: Recipe, seed: int, first_example: int = 0) -> None:
        if not material.clean:
            raise ValueError("no music or voice to learn from: wanted at least one recording")
        recipe.check(material)
        self.material = material
        self.samples = int(seconds * SAMPLE_RATE)
        self.recipe = recipe
        self.beside_tones = Recipe.parse(BESIDE_TONES)
        self.seed = seed
        self.first_example = first_example
        count = len(material.clean)
        self.clean_odds = np.asarray(material.clean_odds or np.full(count, 1 / count))

    def __iter__(self) -> Iterator[tuple[Samples, ...]]:
        worker = get_worker_info()
        random = np.random.default_rng([self.seed, self.first_example, worker.id if worker else 0])
        while True:
            yield self.example(random)

    def excerpt(self, random: np.random.Generator) -> tuple[Samples, float]:
        """A stretch of one recording, and the frequency above which it says nothing."""
        index = int(random.choice(len(self.clean_odds), p=self.clean_odds))
        speed = random_speed(random)
        clean = stretch(self.material.clean[index], self.samples, random, speed)
        return clean, min(NYQUIST, speed * self.material.clean_cutoff_hz[index])

    def music(self, random: np.random.Generator) -> tuple[Samples, float]:
        """A clean stretch at a random level, and the frequency above which it says nothing."""
        for _ in range(20):
            clean, cutoff = self.excerpt(random)
            if random.random() < MIX_SHARE:
                other, other_cutoff = self.excerpt(random)
                clean, cutoff = clean + random.uniform(0.2, 1.0) * other, min(cutoff, other_cutoff)
            if float(np.std(clean)) > QUIETEST_RMS:
                break
        if random.random() < EQUALISER_SHARE:
            clean = equalise(clean, random)
        if random.random() < DULL_SHARE:
            clean = dull(clean, random)
        level = 10 ** (random.uniform(*LEVEL_DBFS) / 20)
        clean = clean * (level / max(float(np.std(clean)), QUIETEST_RMS)) * random.choice([-1.0, 1.0])
        clean = clean * min(1.0, LOUDEST_PEAK / max(float(np.max(np.abs(clean))), QUIETEST_RMS))
        return clean.astype(np.float32), cutoff

    def tones(self, random: np.random.Generator) -> DegradedClip:
        """Steady tones at a random level: nothing happened to them, but there may be noise."""
        return self.beside_tones.degrade(tones(self.samples, random), NYQUIST, self.material, random)

    def example(self, random: np.random.Generator) -> tuple[Samples, ...]:
        clean, cutoff = self.music(random)
        clip = self.recipe.degrade(clean, cutoff, self.material, random)
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
    return Batch(
        degraded.unsqueeze(1),
        target.unsqueeze(1),
        controls,
        limits[:, 0],
        limits[:, 1],
        in_room=reverberation.any(dim=1).float(),
    )
