"""The systems that are compared: trained generators, plain, adversarial, distilled, and refined by a discriminator."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.checkpoint import Generator, load_generator
from models.data.dataset import Batch
from models.refining import load_refiner, refine_clips
from models.restoring import enhance_clips

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class System:
    """A name, the sample rate in Hz, the minutes of training where they are known, and what it makes of a degraded
    recording [samples]."""

    name: str
    sample_rate: int
    minutes: float | None
    restore: Callable[[Samples], Samples]


def open_system(name: str, weights: Path) -> System:
    """The generator in a weights file, at full controls. Raises ValueError where it is no such file."""
    generator, facts = load_generator(weights)
    return _system(name, generator, facts, lambda batch: enhance_clips(generator, batch))


def open_refined(name: str, weights: Path, discriminator: Path, options: argparse.Namespace) -> System:
    """The same, its samples refined by the discriminator in another file, as `add_refinement_options` has it.

    Raises ValueError where either is no such file.
    """
    generator, facts = load_generator(weights)
    generator.requires_grad_(False)
    refiner = load_refiner(discriminator, options)
    return _system(name, generator, facts, lambda batch: refine_clips(generator, refiner, batch))


def _system(name: str, generator: Generator, facts: dict[str, Any], enhance: Callable[[Batch], Tensor]) -> System:
    @torch.no_grad()
    def restore(degraded: Samples) -> Samples:
        audio = torch.from_numpy(degraded.astype(np.float32))[None, None]
        unknown = torch.zeros(1)
        batch = Batch(audio, audio, torch.ones(1, 3), unknown, unknown)  # there is no target here, nor limits
        return enhance(batch)[0, 0].numpy().astype(np.float64)

    return System(name, generator.config.sample_rate, facts.get("minutes"), restore)


def check_rates(systems: Sequence[System], wanted: int) -> None:
    """Raise ValueError unless every system works at `wanted` Hz."""
    for system in systems:
        if system.sample_rate != wanted:
            raise ValueError(f"{system.name} works at {system.sample_rate} Hz, wanted a generator at {wanted} Hz")
