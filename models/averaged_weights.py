"""An exponential moving average of weights, which generalises better than the last step (Polyak and Juditsky 1992)."""

from __future__ import annotations

import torch

AVERAGE_HALF_LIFE_SHARE = 0.02  # of all steps so far: the average follows fast at first, slowly later
MOST_AVERAGE_DECAY = 0.999


class AveragedWeights:
    """The average of a module's parameters over its steps, by name."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Move the average towards the module's weights after `step` earlier steps."""
        decay = min(MOST_AVERAGE_DECAY, 1.0 - 1.0 / (1.0 + AVERAGE_HALF_LIFE_SHARE * step))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value, 1.0 - decay)
