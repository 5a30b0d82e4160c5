"""The learning rate over a run."""

from __future__ import annotations

import math

WARM_UP_SHARE = 0.02
FIRST_STEPS_SHARE = 1e-3  # of the run: before it the rate stays, so that no step is wasted at zero
LAST_LEARNING_RATE_SHARE = 0.02


def learning_rate_at(progress: float, peak: float) -> float:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017), over progress 0 to 1."""
    if progress < WARM_UP_SHARE:
        return peak * max(progress, FIRST_STEPS_SHARE) / WARM_UP_SHARE
    fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, (progress - WARM_UP_SHARE) / (1.0 - WARM_UP_SHARE))))
    return peak * (LAST_LEARNING_RATE_SHARE + (1.0 - LAST_LEARNING_RATE_SHARE) * fall)
