"""What a generator and its discriminator train each other with.

A judgement is a list of logits (any shape each): a discriminator may hold several judges. Real is above zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn import functional

AdversarialKind = Literal["logistic", "least_squares", "hinge"]
ADVERSARIAL_KINDS: tuple[AdversarialKind, ...] = get_args(AdversarialKind)


class Discriminator(Protocol):
    """Judges audio [batch, 1, samples], where it is conditional beside the degraded audio."""

    def __call__(self, audio: Tensor, degraded: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Logits and features."""

    def requires_grad_(self, requires_grad: bool = True) -> object:
        """As torch modules have it."""


def _mean(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack([part.mean() for part in parts]).mean()


def discriminator_loss(kind: AdversarialKind, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """What the discriminator minimises, a scalar: real above, fake below.

    logistic: Goodfellow et al. 2014, arXiv 1406.2661; least_squares: Mao et al. 2017, arXiv 1611.04076 (targets 1 and
    -1, so that zero stays the border); hinge: Lim and Ye 2017, arXiv 1705.02894.
    """
    if kind == "logistic":
        return _mean([functional.softplus(-x) for x in real]) + _mean([functional.softplus(x) for x in fake])
    if kind == "least_squares":
        return _mean([(x - 1.0).square() for x in real]) + _mean([(x + 1.0).square() for x in fake])
    if kind == "hinge":
        return _mean([torch.relu(1.0 - x) for x in real]) + _mean([torch.relu(1.0 + x) for x in fake])
    raise ValueError(f"adversarial loss: got {kind!r}, wanted 'logistic', 'least_squares' or 'hinge'")


def generator_loss(kind: AdversarialKind, fake: Sequence[Tensor]) -> Tensor:
    """L_adv, a scalar: low where the discriminator takes the generator's audio for real. Sources as above; the logistic
    one is the non-saturating form."""
    if kind == "logistic":
        return _mean([functional.softplus(-x) for x in fake])
    if kind == "least_squares":
        return _mean([(x - 1.0).square() for x in fake])
    if kind == "hinge":
        return -_mean(fake)
    raise ValueError(f"adversarial loss: got {kind!r}, wanted 'logistic', 'least_squares' or 'hinge'")


def feature_matching_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean relative L1 distance of the discriminator's features, a scalar (Salimans et al. 2016, arXiv 1606.03498;
    per layer and relative as in Defossez et al. 2022, arXiv 2210.13438). The real features are taken as given."""
    return _mean(
        [
            (ours - wanted.detach()).abs().mean() / wanted.detach().abs().mean().clamp_min(1e-5)
            for wanted, ours in zip(real, fake, strict=True)
        ]
    )


@dataclass(frozen=True)
class AdversarialWeights:
    """L_G = L_rec + adversarial * L_adv + features * L_feat; the discriminator joins after `alone_share` of the run
    and learns at `learning_rate`; it judges random excerpts of `judged_samples`, or all there is."""

    kind: AdversarialKind = "least_squares"
    adversarial: float = 0.05
    features: float = 0.5
    alone_share: float = 0.4
    learning_rate: float = 3e-4
    judged_samples: int | None = None
