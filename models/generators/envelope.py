"""The spectral envelope of missing highs, by the long-term spectrum.

Copies bring fine structure, but not their level (bandwidth extension estimates excitation and envelope apart: Jax and
Vary 2003, "On artificial bandwidth extension of telephone speech"). What blocks hear of single frames sets it roughly;
how dull or bright a recording is as a whole says what that lacks.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# Copies that are too quiet stay so: raised by what the envelope tells, those of noisy music in rooms sound worse.
LARGEST_CUT = 2.0  # nepers


class Envelope(nn.Module):
    """Mean levels of the bands in nepers above the recording's, [bands, frames], to gains of that shape on what is
    copied into what is empty.

    It follows slow means alone, and cannot pump. It learns apart (models.learn_envelope), from levels: in a loss of the
    whole they are one part among many.
    """

    def __init__(self, bands: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Parameter(torch.randn(hidden, bands) / math.sqrt(bands))
        self.widen_bias = nn.Parameter(torch.zeros(hidden, 1))
        self.narrow = nn.Parameter(torch.zeros(bands, hidden))  # at the start copies stay as they are
        self.narrow_bias = nn.Parameter(torch.zeros(bands, 1))
        self.requires_grad_(False)

    def estimate(self, levels: Tensor) -> Tensor:
        """What copies lack in each band, in nepers, [bands, frames], by levels of that shape."""
        return self.narrow @ functional.silu(self.widen @ levels + self.widen_bias) + self.narrow_bias

    def forward(self, levels: Tensor) -> Tensor:
        """Gains of at most 1: what is too loud is lowered, by at most LARGEST_CUT."""
        return torch.exp(self.estimate(levels).clamp(-LARGEST_CUT, 0.0))
