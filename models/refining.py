"""Collaborative sampling of what a generator of either kind makes of a batch."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import Generator
from models.collaborative import Refined, Refinement, Remainder, refine
from models.data.dataset import Batch
from models.discriminators.stored import AnyDiscriminator, load_discriminator
from models.generators.unet import UNet
from models.generators.windows import overlap_add_windows
from models.halves import band_split_halves, unet_halves

DEFAULT_LAYER = 1


@dataclass(frozen=True)
class Refiner:
    """Who helps, how, and at which layer of the generator the activation moves."""

    discriminator: AnyDiscriminator
    refinement: Refinement
    layer: int = DEFAULT_LAYER


@contextmanager
def evaluating(generator: Generator) -> Iterator[None]:
    """Without dropout: the steps of a refinement must all meet the same generator."""
    training = generator.training
    generator.eval()
    try:
        yield
    finally:
        generator.train(training)


def halves(generator: Generator, batch: Batch, layer: int) -> tuple[Tensor, Remainder]:
    """The generator cut at `layer` over a batch as it learns it: the activation there, and what is made of one.

    Raises ValueError for a layer that there is not.
    """
    if isinstance(generator, UNet):
        return unet_halves(generator, batch.degraded, layer)
    return band_split_halves(generator, batch.degraded, batch.controls, layer)


def refine_batch(generator: Generator, refiner: Refiner, batch: Batch) -> Refined:
    """Refined samples of a batch as the generator learns it: whole clips, or windows."""
    with evaluating(generator):
        activation, remainder = halves(generator, batch, refiner.layer)
        return refine(remainder, activation, refiner.discriminator, refiner.refinement, batch.degraded)


def refine_clips(generator: Generator, refiner: Refiner, batch: Batch) -> Tensor:
    """Refined clips [batch, 1, samples]; a U-Net's overlapping windows are refined one by one."""
    if not isinstance(generator, UNet):
        return refine_batch(generator, refiner, batch).audio

    def refined(windows: Tensor) -> Tensor:
        return refine_batch(generator, refiner, replace(batch, degraded=windows)).audio

    return overlap_add_windows(refined, batch.degraded, generator.config.window)


def add_refinement_options(parser: argparse._ArgumentGroup) -> None:
    """How samples are refined, as options of a command."""
    parser.add_argument(
        "--refinement-layer",
        type=int,
        default=DEFAULT_LAYER,
        help="where the activation moves",
    )
    parser.add_argument("--refinement-steps", type=int, default=Refinement.steps, help="at most so many")
    parser.add_argument("--refinement-rate", type=float, default=Refinement.rate, help="relative to the activation")
    parser.add_argument("--refinement-enough", type=float, default=Refinement.enough, help="mean logit to stop at")


def load_refiner(path: Path, given: argparse.Namespace, device: torch.device | None = None) -> Refiner:
    """A trained discriminator, fixed, on `device`, that refines as the options of `add_refinement_options` say, by the
    loss that it was trained with.
    """
    discriminator, _, facts = load_discriminator(path)
    discriminator.eval().requires_grad_(False).to(device)
    refinement = Refinement(
        given.refinement_steps, given.refinement_rate, given.refinement_enough, facts["options"]["adversarial"]["kind"]
    )
    return Refiner(discriminator, refinement, given.refinement_layer)
