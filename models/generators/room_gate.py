"""Whether a recording was made in a strong room: in a room nothing falls silent faster than the room does.

Of each bin the fall of its log magnitude from one frame to the next is followed where it stood above its own long mean,
and the rise to where it stands there: a room slows falls, and rises tell how the music itself moves. Means over some
seconds and the bins of a band, weighed by how far the bin stood above its mean, go to a small network. (That the rate
of decay tells a room blindly: Ratnam et al. 2003, "Blind estimation of reverberation time".) Whether the room is strong
enough to be worth taking it learns apart (models.learn_room): of a loss of the whole it would learn to shut, as music
has its own decays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.bands import BandLayout, BandMeans
from models.generators.features import share_of
from models.generators.recurrence import gated_recurrence, latest

MEAN_SECONDS = 6.0
# Falls by more than so many nepers are averaged each for themselves, and rises.
FALLS_ABOVE = (0.0, 0.7, 1.5)
RISES_ABOVE = (1.0,)
KINDS = len(FALLS_ABOVE) + len(RISES_ABOVE)
LEAST_WEIGHT = 0.02  # nepers: of what hardly stood above its mean there is no fall to speak of
# From the first share on a strong room is likely enough to act, from the second on wholly. Of frames of training music
# that was put into no room, much of which was recorded in one, twelve in a hundred pass the first, one the second.
ROOM_DEAD_ZONE = 0.36
ROOM_CERTAIN = 0.44


class RoomGate(nn.Module):
    """How far reverberation may be taken away, 0 to 1, by heights: each bin's log magnitude above its long mean."""

    thresholds: Tensor
    rate: Tensor

    def __init__(self, layout: BandLayout, hidden: int, frames_per_second: float) -> None:
        super().__init__()
        self.bands, self.bins = layout.bands, layout.bins
        self.widen = nn.Parameter(torch.zeros(hidden, layout.bands * KINDS))
        self.widen_bias = nn.Parameter(torch.zeros(hidden, 1))
        self.narrow = nn.Parameter(torch.zeros(1, hidden))
        self.narrow_bias = nn.Parameter(torch.full((1, 1), -1.0))  # at the start it is shut
        thresholds = torch.tensor(FALLS_ABOVE + RISES_ABOVE)
        rate = torch.full((1, 1), 1.0 - math.exp(-1.0 / (MEAN_SECONDS * frames_per_second)))
        self.register_buffer("thresholds", thresholds.reshape(-1, 1, 1, 1), persistent=False)
        self.register_buffer("rate", rate, persistent=False)
        self.requires_grad_(False)

    def state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Of the heights one frame before, and of the means; all zero at the start."""
        return [(1, 1, batch, self.bins), (self.bands * batch, 2 * KINDS)]

    @torch.no_grad()
    def falls(self, heights: Tensor, state: list[Tensor], band_means: BandMeans) -> tuple[Tensor, list[Tensor]]:
        """Mean falls and rises [bands * KINDS, frames] by heights [1, time, batch, bins], and the next state."""
        before, means = state
        earlier = before if heights.shape[1] == 1 else torch.cat([before, heights[:, :-1]], dim=1)
        fall, rise = earlier - heights, heights - earlier
        moves = torch.cat([fall] * len(FALLS_ABOVE) + [rise] * len(RISES_ABOVE))
        changes = torch.relu(moves - self.thresholds)
        weights = torch.relu(torch.cat([earlier] * len(FALLS_ABOVE) + [heights] * len(RISES_ABOVE)))
        both = torch.cat([changes * weights, weights])
        of_bands = band_means(both.flatten(0, 2)).unflatten(1, (2 * KINDS, -1))  # [bands, kinds, frames]
        sums = of_bands.transpose(1, 2).flatten(0, 1)
        found = gated_recurrence(self.rate.expand_as(sums), sums, means, self.bands)
        changed, weighed = found.unflatten(0, (self.bands, -1)).split(KINDS, dim=2)  # GPUs cut nothing of two axes
        ratios = changed / (weighed + LEAST_WEIGHT)
        last = latest(found, means, self.bands)
        return ratios.transpose(1, 2).flatten(0, 1), [heights[:, -1:], last]

    def estimate(self, falls: Tensor) -> Tensor:
        """The logit [1, frames] of a room, by `falls`."""
        hidden = functional.silu(self.widen @ falls + self.widen_bias)
        return self.narrow @ hidden + self.narrow_bias

    def forward(self, heights: Tensor, state: list[Tensor], band_means: BandMeans) -> tuple[Tensor, list[Tensor]]:
        """The gate [1, frames, 1], and the next state."""
        falls, state = self.falls(heights, state, band_means)
        share = torch.sigmoid(self.estimate(falls))
        return share_of(share - ROOM_DEAD_ZONE, ROOM_CERTAIN - ROOM_DEAD_ZONE).unsqueeze(2), state
