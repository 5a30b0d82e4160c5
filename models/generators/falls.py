"""How sound falls and rises in each band: what tells rooms, noise and music apart over time.

Of each bin the fall of its log magnitude from one frame to the next is followed where it stood above its own long mean,
and the rise to where it stands there: a room slows falls, noise falls and rises all the time, and rises tell how the
music itself moves. Told are means over some seconds and the bins of a band, weighed by how far the bin stood above its
mean. (That the rate of decay tells a room blindly: Ratnam et al. 2003, "Blind estimation of reverberation time".)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.generators.axes import swapped
from models.generators.bands import BandLayout
from models.generators.recurrence import gated_recurrence, latest

MEAN_SECONDS = 6.0
# Falls by more than so many nepers are averaged each for themselves, and rises.
FALLS_ABOVE = (0.0, 0.7, 1.5)
RISES_ABOVE = (1.0,)
KINDS = len(FALLS_ABOVE) + len(RISES_ABOVE)
WEIGHTS = 2  # of falls, and of rises, whatever they are above
LEAST_WEIGHT = 0.02  # nepers: of what hardly stood above its mean there is no fall to speak of


class Falls(nn.Module):
    """Mean falls and rises of the bands by heights: each bin's log magnitude above its long mean."""

    thresholds: Tensor
    changed: Tensor
    weighed: Tensor
    rate: Tensor

    def __init__(self, layout: BandLayout, frames_per_second: float) -> None:
        super().__init__()
        self.bands, self.bins = layout.bands, layout.bins
        thresholds = torch.tensor(FALLS_ABOVE + RISES_ABOVE)
        rate = torch.full((1, 1), 1.0 - math.exp(-1.0 / (MEAN_SECONDS * frames_per_second)))
        self.register_buffer("thresholds", thresholds.reshape(-1, 1, 1, 1), persistent=False)
        rising = torch.tensor([0.0] * len(FALLS_ABOVE) + [1.0] * len(RISES_ABOVE))
        # Of the means, which columns are of changes, and which of each change's weights.
        nothing, changes = torch.zeros(WEIGHTS, KINDS), torch.eye(KINDS)
        self.register_buffer("changed", torch.cat([changes, nothing]), persistent=False)
        weighed = torch.cat([torch.zeros(KINDS, KINDS), torch.stack([1.0 - rising, rising])])
        self.register_buffer("weighed", weighed, persistent=False)
        self.register_buffer("rate", rate, persistent=False)

    def state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Of the heights one frame before, and of the means; all zero at the start."""
        return [(1, 1, batch, self.bins), (self.bands * batch, KINDS + WEIGHTS)]

    @torch.no_grad()
    def rows(self, heights: Tensor, before: Tensor) -> list[Tensor]:
        """Of bins, what bands are told the means of, [KINDS + WEIGHTS, time, batch, bins] in parts: weighed changes,
        then weights. By heights [1, time, batch, bins] and those one frame `before`."""
        earlier = before if heights.shape[1] == 1 else torch.cat([before, heights[:, :-1]], dim=1)
        # What falls from a height to a lower one, or rises to it.
        high = torch.cat([earlier] * len(FALLS_ABOVE) + [heights] * len(RISES_ABOVE))
        low = torch.cat([heights] * len(FALLS_ABOVE) + [earlier] * len(RISES_ABOVE))
        changes = torch.relu(high - low - self.thresholds)
        weights = torch.relu(high)
        # All kinds of falls weigh the same, and of rises: the last of the former, the first of the latter.
        return [changes * weights, weights[len(FALLS_ABOVE) - 1 : len(FALLS_ABOVE) + 1]]

    @torch.no_grad()
    def forward(self, of_bands: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Mean falls and rises [bands * KINDS, frames] by the bands' means of `rows`, [KINDS + WEIGHTS, frames, bands],
        and the next `means` over time."""
        sums = of_bands.permute(2, 1, 0).flatten(0, 1)
        found = gated_recurrence(self.rate.expand_as(sums), sums, means, self.bands)
        ratios = (found @ self.changed) / (found @ self.weighed + LEAST_WEIGHT)
        told = swapped(ratios.unflatten(0, (self.bands, -1)), 1).flatten(0, 1)
        return told, latest(found, means, self.bands)
