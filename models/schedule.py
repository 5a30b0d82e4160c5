"""The learning rate over a run."""

from __future__ import annotations

import math

import torch

WARM_UP_SHARE = 0.02
FIRST_STEPS_SHARE = 1e-3  # of the run: before it the rate stays, so that no step is wasted at zero
LAST_LEARNING_RATE_SHARE = 0.02


def learning_rate_at(progress: float, peak: float) -> float:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017), over progress 0 to 1."""
    if progress < WARM_UP_SHARE:
        return peak * max(progress, FIRST_STEPS_SHARE) / WARM_UP_SHARE
    fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, (progress - WARM_UP_SHARE) / (1.0 - WARM_UP_SHARE))))
    return peak * (LAST_LEARNING_RATE_SHARE + (1.0 - LAST_LEARNING_RATE_SHARE) * fall)


def set_learning_rate(optimizer: torch.optim.Optimizer, progress: float, peak: float) -> float:
    """Put `learning_rate_at` into all groups of the optimizer, and give it back."""
    rate = learning_rate_at(progress, peak)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
