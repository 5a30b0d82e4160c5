"""Distillation of collaborative sampling: the generator learns its own refined samples, so that what ships needs
neither discriminator nor gradients (after Hinton, Vinyals and Dean 2015, arXiv 1503.02531; here the teacher is the
generator with help).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from models.checkpoint import Generator
from models.data.dataset import Batch
from models.reconstruction import ReconstructionLoss
from models.refining import Refiner, refine_batch


class Distillation:
    """A part of the generator's loss: `weight` times the reconstruction loss towards its refined samples."""

    def __init__(self, generator: Generator, refiner: Refiner, loss: ReconstructionLoss, weight: float) -> None:
        if weight <= 0:
            raise ValueError(f"distillation: got a weight of {weight}, wanted more than 0")
        self.generator = generator
        self.refiner = refiner
        self.loss = loss
        self.weight = weight

    def __call__(self, enhanced: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Of enhanced audio [batch, 1, samples]; the refined samples are taken as given."""
        refined = refine_batch(self.generator, self.refiner, batch).audio
        distance, _ = self.loss(enhanced, replace(batch, target=refined))
        return self.weight * distance, {"distilled": distance.detach()}
