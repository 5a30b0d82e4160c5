"""What a strong room adds to each band, and whether there is one: in a room nothing falls silent faster than the room
does.

A small network, told how the bands fall and rise (models/generators/falls.py) and how loud they are over time,
estimates what the room added to each band. Where that is little, it is left alone: what is taken there would be music
as often. Where it is much, as in a hall, the generator takes reverberation frame by frame, and of what that leaves in
each band the share that the room added over time, for it has coloured the long-term spectrum. It learns apart
(models.learn_room): of a loss of the whole it would learn that there are no rooms, as music has its own decays.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.bands import BandLayout
from models.generators.falls import KINDS
from models.generators.features import NEPERS_PER_DB, share_of

TOLD_OF_BANDS = KINDS + 1  # and their levels
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
    """How far what a room did may be undone, by what is told of the bands over time."""

    strength: Tensor

    def __init__(self, layout: BandLayout, hidden: int, frames_per_second: float, most_frames: float) -> None:
        """`most_frames`: how many the long-term levels are a mean of, once that has heard so many."""
        super().__init__()
        self.bands = layout.bands
        self.most_frames = most_frames
        self.doubt = EARLY_DOUBT_DB * NEPERS_PER_DB / frames_per_second
        self.widen = nn.Parameter(torch.zeros(hidden, layout.bands * TOLD_OF_BANDS))
        self.widen_bias = nn.Parameter(torch.zeros(hidden, 1))
        self.narrow = nn.Parameter(torch.zeros(layout.bands, hidden))
        self.narrow_bias = nn.Parameter(torch.zeros(layout.bands, 1))  # at the start there is no room
        widths = torch.tensor([group.width for group in layout.groups for _ in range(group.count)])
        heard = (widths.cumsum(0) <= HEARD_SHARE * layout.bins).float()
        self.register_buffer("strength", -(heard / heard.sum()).reshape(1, -1), persistent=False)
        self.requires_grad_(False)

    def estimate(self, told: Tensor) -> Tensor:
        """Gains that undo what a room added to each band over time, in nepers [bands, frames], at most 0, by falls and
        levels that are `told`, [bands * TOLD_OF_BANDS, frames]."""
        hidden = functional.silu(self.widen @ told + self.widen_bias)
        return (self.narrow @ hidden + self.narrow_bias).clamp(-LARGEST_ADDED, 0.0)

    def forward(self, told: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """How far reverberation may be taken, [1, frames, 1], from 0 to 1; and the share of each band that the room
        added, as far as it is taken, [bands, frames]. By what `estimate` takes, and of how many frames the levels are
        the mean, [1, frames]."""
        undoing = self.estimate(told)
        weak, strong = (room_db * NEPERS_PER_DB for room_db in (WEAK_ROOM_DB, STRONG_ROOM_DB))
        strength = self.strength @ undoing + self.doubt * counted
        gate = share_of(strength - (weak + self.doubt * self.most_frames), strong - weak)
        return gate.unsqueeze(2), gate * (1.0 - torch.exp(undoing))
