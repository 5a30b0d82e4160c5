"""Peaks that a converter has cut off, drawn again: a cubic between the samples on both sides, along their slopes.

Where a loud recording clips, its tops lie at one level, the loudest of all. Each top gets the cubic through its edges
(Hermite): with u = d0 / (d0 + d1) of the way from the sample x0 before it, of slope s0, to the sample x1 after it, of
slope s1,

    (1 - u)^2 (x0 (1 + 2 u) + s0 d0) + u^2 (x1 (3 - 2 u) - s1 d1)

and of what that rises above the level, r levels, r (1 - r / DOUBT) is drawn: the steeper an edge, the likelier it is
that highs are steep there, not the peak. A peak that was only loud has flat edges, and stays all but as it is. Nothing
is learnt here.

A graph has no loop that could look for edges. Of all edges on one side of a sample, each weighed by e^(-steepness
distance), the nearest is all but the whole sum: so the sum's logarithm tells its distance, and sums that weigh values
and slopes alike are its value and its slope. Edges of a sample's own block of samples are weighed one by one; a block
further on weighs as a whole, as seen from its nearer end. Edges of the own block are nearer than any other on a side,
and often dense: they weigh more steeply, and so much more than all others that a sum tells which of both it is of.

What comes is heard hop by hop, and each sample beyond a hop that a cut's end is waited for delays the output. Longer
cuts are drawn where both their edges lie in what is heard at a time, which most do. Whether that is so is asked where
the cut begins, so that a peak is drawn in the next hop, too, or not at all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.generators.features import share_of

BLOCK = 32  # samples that look for their edges together
BLOCKS_SEEN = 8  # on either side
LONGEST_CUT = BLOCK * BLOCKS_SEEN  # samples from edge to edge, at most: 5.3 ms at 48 kHz, half a period of 94 Hz
WAITED_FOR = 192  # samples beyond a hop up to which the ends of its cuts are heard, where delay allows: 4 ms
MARGIN_BEFORE = LONGEST_CUT + 1  # samples seen before those that are mended: a slope takes one more
# Of the level: from the first share on a sample counts as cut off a little, from the second on wholly.
CUT_SHARES = (0.995, 0.998)
QUIETEST_LEVEL = 1e-3  # no converter clips 60 dB below full scale
MOST_RISE = 2.0  # times the level, before doubt
DOUBT = 6.0  # times the level: what rises so high would not be drawn at all
EDGE = 0.5  # sample: over which what is too long for a cut fades
# How steeply the logarithms of edges' weights fall with each sample of distance: in a sample's own block, and beyond.
# Steeper ones tell edges that lie close to each other apart better, up to what float32 holds.
OWN_STEEPNESS = 1.8
FAR_STEEPNESS = 0.42
GAP = 3.0  # between the logarithms of the least weight in the own block, and of the largest beyond
# Logarithms of what an edge would weigh at no distance, of the least weight in the own block, and of the least sum that
# counts as of the own block.
OWN_LOUDEST = 85.0
OWN_LEAST = OWN_LOUDEST - OWN_STEEPNESS * (BLOCK - 1)
FAR_LOUDEST = OWN_LEAST - GAP + FAR_STEEPNESS
FIRST_OWN = OWN_LEAST - GAP / 2
NO_EDGE = 1e-36  # a sum so small has seen none: the furthest weighs seven times as much


def edge_weights() -> tuple[Tensor, Tensor]:
    """How an edge before a sample weighs in its sum, and one after it: e^(loudest - steepness distance).

    [2, block, 1]: an edge in another block, as seen from the nearer end of that; [2, block + 1, block]: edges of the
    sample's own block, and last all other blocks as seen from the nearer end of its own.
    """
    place = torch.arange(BLOCK, dtype=torch.float64)
    here, there = place.unsqueeze(0), place.unsqueeze(1)
    distance = torch.stack([here - there, there - here])
    own = torch.where(distance > 0, torch.exp(OWN_LOUDEST - OWN_STEEPNESS * distance), torch.zeros_like(distance))
    to_end = torch.stack([BLOCK - 1 - there, there])
    from_end = torch.stack([here + 1, BLOCK - here])
    others = torch.exp(-FAR_STEEPNESS * from_end)
    return torch.exp(-FAR_STEEPNESS * to_end).float(), torch.cat([own, others], dim=1).float()


def distance_of(sums: Tensor) -> Tensor:
    """How far the nearest edge is, in samples, by what all edges on that side weigh together."""
    logs = torch.log(sums)
    far = (FAR_LOUDEST - logs) / FAR_STEEPNESS
    # Two straight lines' difference as one of its own: an operator less than each for itself.
    own_less_far = (OWN_LOUDEST / OWN_STEEPNESS - FAR_LOUDEST / FAR_STEEPNESS) + (
        1.0 / FAR_STEEPNESS - 1.0 / OWN_STEEPNESS
    ) * logs
    return far + share_of(logs - FIRST_OWN, EDGE) * own_less_far


def block_weights(blocks: int, after: int) -> Tensor:
    """[2, blocks, those seen before and `after` them, blocks]: how those before each weigh, and those after it, from
    end to end."""
    here, there = torch.arange(blocks), torch.arange(-BLOCKS_SEEN, blocks + after).unsqueeze(1)
    distance = torch.stack([here - there, there - here])
    seen = (distance > 0) & (distance <= BLOCKS_SEEN)
    between = BLOCK * (distance - 1.0)
    return torch.where(seen, torch.exp(FAR_LOUDEST - FAR_STEEPNESS * between), torch.zeros(1))


class Declipping(nn.Module):
    """What is missing of audio where a converter cut it off.

    Audio [rows, 1, channels, MARGIN_BEFORE + samples + margin], the `samples` of a hop, a multiple of BLOCK and no
    fewer than LONGEST_CUT, and the loudest sample so far `level` [rows, 1, 1, 1] to [rows, 1, channels, samples]. The
    `margin` is one sample, for a slope, more than are `waited_for`, 0 to LONGEST_CUT: the fewer, the more cuts
    lie across the end of a hop, and stay. Raises ValueError for other numbers of samples.
    """

    in_block: Tensor
    of_own: Tensor
    of_blocks: Tensor
    place: Tensor

    def __init__(self, samples: int, waited_for: int = WAITED_FOR) -> None:
        super().__init__()
        if samples % BLOCK or samples < LONGEST_CUT:
            raise ValueError(f"got hops of {samples} samples, wanted a multiple of {BLOCK} from {LONGEST_CUT} on")
        if not 0 <= waited_for <= LONGEST_CUT:
            raise ValueError(f"got {waited_for} samples to wait for, wanted 0 to {LONGEST_CUT}")
        self.waited_for = waited_for
        self.margin = waited_for + 1
        self.margins = MARGIN_BEFORE + self.margin
        in_block, of_own = edge_weights()
        self.register_buffer("in_block", in_block, persistent=False)
        self.register_buffer("of_own", of_own, persistent=False)
        self.register_buffer("of_blocks", block_weights(samples // BLOCK, -(-waited_for // BLOCK)), persistent=False)
        self.register_buffer("place", torch.arange(samples, dtype=torch.float32), persistent=False)

    def forward(self, audio: Tensor, level: Tensor) -> Tensor:
        rows, _, channels, _ = audio.shape
        level = level.clamp_min(QUIETEST_LEVEL)
        x = (audio / level).reshape(1, rows, channels, -1)
        first, whole = CUT_SHARES
        cut = share_of(x.abs() - first, whole - first)
        # Of both sides, [2, rows, channels, samples] each
        near, value, slope = self.edges(x, cut).split(rows, dim=1)
        near = near.clamp_min(NO_EDGE)
        distance = distance_of(near)
        before, after = distance.split(1)
        length = before + after
        away = distance / length
        towards = 1.0 - away
        ahead, behind = (towards * towards * (value * (1.0 + 2.0 * away) + slope * distance) / near).split(1)
        here = x[..., MARGIN_BEFORE : -self.margin]
        rise = ((ahead + behind - here) * here).clamp(0.0, MOST_RISE)
        # What began in the hop before, and whose end that has not heard: by how many samples in both.
        unheard = torch.minimum(before - self.place, (after - (self.waited_for - 1.0)) + self.place)
        enough = LONGEST_CUT + EDGE - torch.maximum(length, LONGEST_CUT + unheard)
        told = enough.clamp(0.0, EDGE) / (EDGE * DOUBT)
        # A single loudest sample is no cut: what was drawn of it would be a click, which shows above all else in highs
        # that are empty, to whatever listens to them.
        of_hop, around = cut[..., MARGIN_BEFORE : -self.margin], cut[..., MARGIN_BEFORE - 1 :]
        samples = of_hop.shape[-1]
        beside = torch.maximum(around[..., :samples], around[..., 2 : samples + 2])
        missing: Tensor = torch.minimum(of_hop, beside) * told * (rise * (DOUBT - rise)) * here
        return missing.reshape(rows, 1, channels, -1) * level

    @staticmethod
    def may_be_cut(audio: Tensor, level: Tensor) -> Tensor:
        """Which rows of what `forward` takes could gain anything, [rows]: few hops of music that was not clipped come
        near the level more than once."""
        near = audio.abs() >= CUT_SHARES[0] * level.clamp_min(QUIETEST_LEVEL)
        return near.sum(dim=(1, 2, 3)) > 1

    def edges(self, x: Tensor, cut: Tensor) -> Tensor:
        """Weighed sums over the edges before and after each sample, [2, 3 rows, channels, samples]: of the edges
        themselves, of their values, and of how much they lie above what lies outside of them; by signals and how much
        of each sample is cut off, [1, rows, channels, samples and margins]."""
        inside = torch.cat([cut[..., 2:], cut[..., :-2]])
        outside = torch.cat([x[..., :-2], x[..., 2:]])
        edge = inside * (1.0 - cut[..., 1:-1])
        value = edge * x[..., 1:-1]
        told = torch.cat([edge, value, value - edge * outside], dim=1)
        if self.waited_for % BLOCK:
            told = torch.cat([told, told.new_zeros(*told.shape[:-1], -self.waited_for % BLOCK)], dim=-1)
        signals = told[0, ..., 0].numel()
        blocks = told.reshape(2, -1, BLOCK)
        ends = torch.bmm(blocks, self.in_block).reshape(2, signals, -1)
        of_others = torch.bmm(ends, self.of_blocks).reshape(2, -1, 1)
        own = told[..., LONGEST_CUT : LONGEST_CUT + len(self.place)].reshape(2, -1, BLOCK)
        sums = torch.bmm(torch.cat([own, of_others], dim=2), self.of_own)
        return sums.reshape(*told.shape[:3], -1)
