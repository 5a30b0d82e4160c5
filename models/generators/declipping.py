"""Peaks that a converter has cut off, drawn again: a cubic between the samples on both sides, along their slopes.

Where a loud recording clips, its tops lie at one level, the loudest of all. Each top gets the cubic through its edges
(Hermite): with u = d0 / (d0 + d1) of the way from the sample x0 before it, of slope s0, to the sample x1 after it, of
slope s1,

    (1 - u)^2 (x0 (1 + 2 u) + s0 d0) + u^2 (x1 (3 - 2 u) - s1 d1)

A peak that was only loud has flat edges, and stays all but as it is. Nothing is learnt here.

A graph has no loop that could look for edges. Of all edges on one side of a sample, each weighed by 2^-distance, the
nearest is all but the whole sum: so the sum's logarithm is its distance, and sums that weigh values and slopes alike
are its value and its slope.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.generators.features import share_of

BLOCK = 32  # samples that look for their edges together
BLOCKS_SEEN = 3  # on either side
LONGEST_CUT = BLOCK * BLOCKS_SEEN  # samples from edge to edge, at most: 2 ms at 48 kHz
MARGIN = LONGEST_CUT + 1  # of samples seen before and after those that are mended: a slope takes one more
SHORTEST_CUT = 2.0  # samples from edge to edge around a single loudest sample, which is no cut
# Of the level: from the first share on a sample counts as cut off a little, from the second on wholly.
CUT_SHARES = (0.995, 0.998)
QUIETEST_LEVEL = 1e-3  # no converter clips 60 dB below full scale
MOST_RISE = 2.0  # times the level: 9.5 dB in all
EDGE = 0.5  # sample: over which what is too short or too long for a cut fades
# Binary logarithm of what an edge would weigh at no distance: so the furthest's weight is no tiny number.
LOUDEST_EDGE = LONGEST_CUT - 16.0
NO_EDGE = 1e-6  # a sum so small has seen none


def edge_weights() -> Tensor:
    """[2, seen, block]: 2^-distance, but for a factor, of the samples of the neighbouring blocks that are seen from
    those of the last, which look back, and from those of the first, which look ahead."""
    place = torch.arange(BLOCK * (BLOCKS_SEEN + 1), dtype=torch.float64).unsqueeze(1)
    here = torch.arange(BLOCK, dtype=torch.float64)
    distance = torch.stack([here + LONGEST_CUT - place, place - here])
    seen = (distance > 0) & (distance <= LONGEST_CUT)
    return torch.where(seen, torch.exp2(LOUDEST_EDGE - distance), torch.zeros_like(distance)).float()


class Declipping(nn.Module):
    """What is missing of audio where a converter cut it off.

    Audio [rows, 1, channels, MARGIN + samples + MARGIN], of which `samples` are a multiple of BLOCK, and the loudest
    sample so far `level` [rows, 1, 1, 1] to [rows, 1, channels, samples].
    """

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", edge_weights(), persistent=False)

    def forward(self, audio: Tensor, level: Tensor) -> Tensor:
        level = level.clamp_min(QUIETEST_LEVEL)
        x = audio / level
        first, whole = CUT_SHARES
        good = share_of(whole - x.abs(), whole - first)
        # Of both sides, [2, rows, channels, samples] each
        both = [part.reshape(2, -1, *part.shape[2:]) for part in self.edges(x, good).split(1, dim=1)]
        near = both[0].clamp_min(NO_EDGE)
        value, slope = both[1] / near, both[2] / near
        distance = LOUDEST_EDGE - torch.log(near) / math.log(2.0)
        before, after = distance.split(1)
        length = before + after
        away = distance / length
        towards = 1.0 - away
        ahead, behind = (towards * towards * (value * (1.0 + 2.0 * away) + slope * distance)).split(1)
        here = x[..., MARGIN:-MARGIN].reshape(length.shape)
        rise = ((ahead + behind - here) * here).clamp(0.0, MOST_RISE)
        told = share_of(torch.minimum(length - SHORTEST_CUT, LONGEST_CUT + EDGE - length), EDGE)
        cut = 1.0 - good[..., MARGIN:-MARGIN].reshape(length.shape)
        missing = cut * told * rise * here
        mended: Tensor = missing.reshape(audio.shape[0], 1, audio.shape[2], -1) * level
        return mended

    @staticmethod
    def may_be_cut(audio: Tensor, level: Tensor) -> Tensor:
        """Which rows of what `forward` takes could gain anything, [rows]: few hops of music that was not clipped come
        near the level more than once."""
        near = audio.abs() >= CUT_SHARES[0] * level.clamp_min(QUIETEST_LEVEL)
        return near.sum(dim=(1, 2, 3)) > 1

    def edges(self, x: Tensor, good: Tensor) -> Tensor:
        """Weighed sums over the edges before and after each sample: [2 rows, 3, channels, samples], first of those
        before; of the edges themselves, their values, and how much they lie above what lies outside of them."""
        last = x.shape[-1] - 1
        before, after = slice(1, last - LONGEST_CUT), slice(1 + LONGEST_CUT, last)
        inside = good[..., 2 : last - LONGEST_CUT + 1], good[..., LONGEST_CUT : last - 1]
        edge = torch.cat([good[..., before], good[..., after]]) * (1.0 - torch.cat(inside))
        value = torch.cat([x[..., before], x[..., after]])
        outside = torch.cat([x[..., : last - LONGEST_CUT - 1], x[..., LONGEST_CUT + 2 :]])
        told = torch.cat([edge, edge * value, edge * (value - outside)], dim=1)
        blocks = told.reshape(told[..., 0].numel(), -1, BLOCK)
        count = blocks.shape[1] - BLOCKS_SEEN
        seen = torch.cat([blocks[:, k : k + count] for k in range(BLOCKS_SEEN + 1)], dim=2)
        sums = torch.bmm(seen.reshape(2, -1, seen.shape[-1]), self.weights)
        return sums.reshape(*told.shape[:3], count * BLOCK)
