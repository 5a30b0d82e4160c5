"""What a strong room adds to each band, and whether there is one: in a room nothing falls silent faster than the room
does.

Of each bin the fall of its log magnitude from one frame to the next is followed where it stood above its own long mean,
and the rise to where it stands there: a room slows falls, and rises tell how the music itself moves. Means over some
seconds and the bins of a band, weighed by how far the bin stood above its mean, go to a small network, with the bands'
long-term levels. (That the rate of decay tells a room blindly: Ratnam et al. 2003, "Blind estimation of reverberation
time".) It estimates what the room added to each band over time. Where that is little, it is left alone: what is taken
there would be music as often. Where it is much, as in a hall, the generator takes reverberation frame by frame, and of
what that leaves in each band the share that the room added over time, for it has coloured the long-term spectrum. It
learns apart (models.learn_room): of a loss of the whole it would learn that there are no rooms, as music has its own
decays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.axes import swapped
from models.generators.bands import BandLayout, BandMeans
from models.generators.features import NEPERS_PER_DB, share_of
from models.generators.recurrence import gated_recurrence, latest

MEAN_SECONDS = 6.0
# Falls by more than so many nepers are averaged each for themselves, and rises.
FALLS_ABOVE = (0.0, 0.7, 1.5)
RISES_ABOVE = (1.0,)
KINDS = len(FALLS_ABOVE) + len(RISES_ABOVE)
WEIGHTS = 2  # of falls, and of rises, whatever they are above
TOLD_OF_BANDS = KINDS + 1  # and their levels
LEAST_WEIGHT = 0.02  # nepers: of what hardly stood above its mean there is no fall to speak of
# How strong a room is, what it adds to bands in this lower share of the spectrum says, 6 of 24 kHz: every microphone
# hears those.
HEARD_SHARE = 0.25
# From the first on what it added is taken, from the second on wholly.
WEAK_ROOM_DB = 4.0
STRONG_ROOM_DB = 6.0
# At first everything falls slowly, as in a room: each second that the long mean has not heard yet speaks against one.
EARLY_DOUBT_DB = 1.7
LARGEST_ADDED = 20.0 * NEPERS_PER_DB


class RoomGate(nn.Module):
    """How far what a room did may be undone, by heights: each bin's log magnitude above its long mean, and the bands'
    long-term levels."""

    thresholds: Tensor
    changed: Tensor
    weighed: Tensor
    rate: Tensor
    strength: Tensor

    def __init__(self, layout: BandLayout, hidden: int, frames_per_second: float, most_frames: float) -> None:
        """`most_frames`: how many the long-term levels are a mean of, once that has heard so many."""
        super().__init__()
        self.bands, self.bins = layout.bands, layout.bins
        self.most_frames = most_frames
        self.doubt = EARLY_DOUBT_DB * NEPERS_PER_DB / frames_per_second
        self.widen = nn.Parameter(torch.zeros(hidden, layout.bands * TOLD_OF_BANDS))
        self.widen_bias = nn.Parameter(torch.zeros(hidden, 1))
        self.narrow = nn.Parameter(torch.zeros(layout.bands, hidden))
        self.narrow_bias = nn.Parameter(torch.zeros(layout.bands, 1))  # at the start there is no room
        thresholds = torch.tensor(FALLS_ABOVE + RISES_ABOVE)
        rate = torch.full((1, 1), 1.0 - math.exp(-1.0 / (MEAN_SECONDS * frames_per_second)))
        widths = torch.tensor([group.width for group in layout.groups for _ in range(group.count)])
        heard = (widths.cumsum(0) <= HEARD_SHARE * layout.bins).float()
        self.register_buffer("thresholds", thresholds.reshape(-1, 1, 1, 1), persistent=False)
        rising = torch.tensor([0.0] * len(FALLS_ABOVE) + [1.0] * len(RISES_ABOVE))
        # Of the means, which columns are of changes, and which of each change's weights.
        nothing, changes = torch.zeros(WEIGHTS, KINDS), torch.eye(KINDS)
        self.register_buffer("changed", torch.cat([changes, nothing]), persistent=False)
        weighed = torch.cat([torch.zeros(KINDS, KINDS), torch.stack([1.0 - rising, rising])])
        self.register_buffer("weighed", weighed, persistent=False)
        self.register_buffer("rate", rate, persistent=False)
        self.register_buffer("strength", -(heard / heard.sum()).reshape(1, -1), persistent=False)
        self.requires_grad_(False)

    def state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Of the heights one frame before, and of the means; all zero at the start."""
        return [(1, 1, batch, self.bins), (self.bands * batch, KINDS + WEIGHTS)]

    @torch.no_grad()
    def falls(self, heights: Tensor, state: list[Tensor], band_means: BandMeans) -> tuple[Tensor, list[Tensor]]:
        """Mean falls and rises [bands * KINDS, frames] by heights [1, time, batch, bins], and the next state."""
        before, means = state
        earlier = before if heights.shape[1] == 1 else torch.cat([before, heights[:, :-1]], dim=1)
        # What falls from a height to a lower one, or rises to it.
        high = torch.cat([earlier] * len(FALLS_ABOVE) + [heights] * len(RISES_ABOVE))
        low = torch.cat([heights] * len(FALLS_ABOVE) + [earlier] * len(RISES_ABOVE))
        changes = torch.relu(high - low - self.thresholds)
        weights = torch.relu(high)
        # All kinds of falls weigh the same, and of rises: the last of the former, the first of the latter.
        once = weights[len(FALLS_ABOVE) - 1 : len(FALLS_ABOVE) + 1]
        both = torch.cat([changes * weights, once])
        of_bands = band_means(both.flatten(0, 2)).unflatten(1, (KINDS + WEIGHTS, -1))  # [bands, kinds, frames]
        sums = swapped(of_bands, 1).flatten(0, 1)
        found = gated_recurrence(self.rate.expand_as(sums), sums, means, self.bands)
        ratios = (found @ self.changed) / (found @ self.weighed + LEAST_WEIGHT)
        last = latest(found, means, self.bands)
        return swapped(ratios.unflatten(0, (self.bands, -1)), 1).flatten(0, 1), [heights[:, -1:], last]

    def estimate(self, told: Tensor) -> Tensor:
        """Gains that undo what a room added to each band over time, in nepers [bands, frames], at most 0, by falls and
        levels that are `told`, [bands * TOLD_OF_BANDS, frames]."""
        hidden = functional.silu(self.widen @ told + self.widen_bias)
        return (self.narrow @ hidden + self.narrow_bias).clamp(-LARGEST_ADDED, 0.0)

    def forward(
        self, heights: Tensor, levels: Tensor, counted: Tensor, state: list[Tensor], band_means: BandMeans
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """How far reverberation may be taken, [1, frames, 1], from 0 to 1; the share of each band that the room added,
        as far as it is taken, [bands, frames]; and the next state. By heights as `falls` takes them, levels in nepers
        [bands, frames], and of how many frames these are the mean, [1, frames]."""
        falls, state = self.falls(heights, state, band_means)
        undoing = self.estimate(torch.cat([falls, levels]))
        weak, strong = (room_db * NEPERS_PER_DB for room_db in (WEAK_ROOM_DB, STRONG_ROOM_DB))
        strength = self.strength @ undoing + self.doubt * counted
        gate = share_of(strength - (weak + self.doubt * self.most_frames), strong - weak)
        return gate.unsqueeze(2), gate * (1.0 - torch.exp(undoing)), state
