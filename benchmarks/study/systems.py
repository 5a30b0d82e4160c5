"""The systems that are compared: trained generators, plain, adversarial, distilled, and refined by a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.adversarial import Discriminator
from models.checkpoint import Generator, load_any_generator
from models.collaborative import Refinement, refine
from models.discriminators.stored import load_discriminator
from models.generators.unet import UNet
from models.generators.windows import overlap_add_windows
from models.halves import band_split_halves, unet_halves

BOTTLENECK = 0
"""The layer whose activation is refined: of a U-Net the deepest, of the streaming generator that before its blocks."""
PIECES_AT_ONCE = 32
"""Windows refined together: bounds the memory, and changes nothing, for each takes its own steps."""

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
    """The generator in a weights file. Raises ValueError where it is no such file."""
    generator, facts = load_any_generator(weights)
    return System(
        name, generator.config.sample_rate, facts.get("minutes"), _over_whole(lambda x: restored(generator, x))
    )


def open_refined(name: str, weights: Path, discriminator_weights: Path, steps: Refinement) -> System:
    """The generator in a weights file, whose samples the discriminator in another refines.

    Raises ValueError where either is no such file.
    """
    generator, facts = load_any_generator(weights)
    discriminator, _, _ = load_discriminator(discriminator_weights)
    return System(
        name,
        generator.config.sample_rate,
        facts.get("minutes"),
        _over_whole(lambda x: refined(generator.eval(), discriminator.eval(), steps, x)),
    )


@torch.no_grad()
def restored(generator: Generator, degraded: Tensor) -> Tensor:
    """Whole clips [1, 1, samples] through a generator; a streaming one at full controls."""
    if isinstance(generator, UNet):
        return overlap_add_windows(_in_pieces(generator), degraded, generator.config.window)
    enhanced: Tensor = generator(degraded, torch.ones(1, 3))
    return enhanced


def refined(generator: Generator, discriminator: Discriminator, steps: Refinement, degraded: Tensor) -> Tensor:
    """Whole clips [1, 1, samples] through a generator and collaborative sampling: a U-Net's windows each by itself."""

    def refine_windows(windows: Tensor) -> Tensor:
        assert isinstance(generator, UNet)
        activation, remainder = unet_halves(generator, windows, BOTTLENECK)
        return refine(remainder, activation, discriminator, steps, windows).audio

    if isinstance(generator, UNet):
        return overlap_add_windows(_in_pieces(refine_windows), degraded, generator.config.window)
    activation, remainder = band_split_halves(generator, degraded, torch.ones(1, 3), BOTTLENECK)
    return refine(remainder, activation, discriminator, steps, degraded).audio


def check_rates(systems: Sequence[System], wanted: int) -> None:
    """Raise ValueError unless every system works at `wanted` Hz."""
    for system in systems:
        if system.sample_rate != wanted:
            raise ValueError(f"{system.name} works at {system.sample_rate} Hz, wanted a generator at {wanted} Hz")


def _in_pieces(restore: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same over [n, 1, window], a few at a time."""
    return lambda windows: torch.cat([restore(piece) for piece in windows.split(PIECES_AT_ONCE)])


def _over_whole(restore: Callable[[Tensor], Tensor]) -> Callable[[Samples], Samples]:
    """Tensors [1, 1, samples] in and out, as arrays [samples]."""

    def over(degraded: Samples) -> Samples:
        audio = torch.from_numpy(degraded.astype(np.float32))[None, None]
        return restore(audio)[0, 0].numpy().astype(np.float64)

    return over
