"""Collaborative sampling: the discriminator goes on helping the generator after training.

Liu, Kothari and Alahi, AAAI 2020, "Collaborative Sampling in Generative Adversarial Networks", arXiv 1902.00813:
instead of rejecting a bad sample, its activation at a chosen layer follows the gradient of the discriminator's loss for
some steps, and what then comes out of the generator's remaining layers is the refined sample. *Shaping* trains the
discriminator on refined samples, so that its gradients lead somewhere even near the data. A phone has neither
discriminator nor gradients, so the gain is *distilled*: the generator learns its own refined samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.adversarial import AdversarialKind, Discriminator, discriminator_loss, generator_loss

Remainder = Callable[[Tensor], Tensor]
"""The generator's layers after the chosen one: an activation to audio [batch, 1, samples]. What the skips hold, it
keeps from the first pass."""


@dataclass(frozen=True)
class Refinement:
    """How samples are refined: up to `steps` steps of `rate` (relative to the activation's root mean square) until
    the mean logit says "real" with more than `enough` (eta of the paper)."""

    steps: int = 10
    rate: float = 0.05
    enough: float = 0.0
    kind: AdversarialKind = "least_squares"


@dataclass(frozen=True)
class Refined:
    """Refined audio [batch, 1, samples], and what the discriminator said of each before and after, [batch]."""

    audio: Tensor
    before: Tensor
    after: Tensor
    steps: Tensor
    """Steps taken by each, [batch]."""


def score(logits: list[Tensor]) -> Tensor:
    """One number a sample, [batch]: the mean over all judges and places; above zero is real."""
    return torch.stack([x.flatten(1).mean(dim=1) for x in logits]).mean(dim=0)


def refine(
    remainder: Remainder,
    activation: Tensor,
    discriminator: Discriminator,
    refinement: Refinement,
    degraded: Tensor | None = None,
) -> Refined:
    """Refine what `remainder(activation)` gives. Each sample keeps the best of its steps, so that none ends worse than
    it began; only the activation moves, no weights, no skips.
    """
    with torch.enable_grad():
        current = activation.detach().clone()
        scale = current.flatten(1).square().mean(dim=1).sqrt().clamp_min(1e-8)
        shape = (-1, *[1] * (current.ndim - 1))
        best_audio = best = first = None
        taken = torch.zeros(current.shape[0], dtype=torch.long, device=current.device)
        for step in range(refinement.steps + 1):
            current.requires_grad_(True)
            audio = remainder(current)
            logits, _ = discriminator(audio, degraded)
            said = score(logits).detach()
            if best is None or best_audio is None or first is None:
                best_audio, best, first = audio.detach(), said, said
            else:
                better = said > best
                best = torch.where(better, said, best)
                best_audio = torch.where(better.reshape(-1, 1, 1), audio.detach(), best_audio)
            moving = best <= refinement.enough
            if step == refinement.steps or not bool(moving.any()):
                break
            # A sum over samples: the steps of one must not depend on how many others there are.
            loss = generator_loss(refinement.kind, logits) * current.shape[0]
            (gradient,) = torch.autograd.grad(loss, current)
            length = gradient.flatten(1).square().mean(dim=1).sqrt().clamp_min(1e-12)
            stride = (refinement.rate * scale / length * moving).reshape(shape)
            current = (current - stride * gradient).detach()
            taken = taken + moving.long()
    assert best_audio is not None
    assert best is not None
    assert first is not None
    return Refined(best_audio, first, best, taken)


def shaping_step(
    discriminator: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    real: Tensor,
    refined: Tensor,
    kind: AdversarialKind,
    degraded: Tensor | None = None,
) -> float:
    """One step of the discriminator with refined samples as the fakes; only its weights change. Returns its loss."""
    loss = discriminator_loss(kind, discriminator(real, degraded)[0], discriminator(refined.detach(), degraded)[0])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())
