"""How DFT bins are grouped into bands that grow with frequency, as the ear's resolution does."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor, nn

from models.generators.axes import joined


@dataclass(frozen=True)
class BandGroup:
    """`count` neighbouring bands of `width` bins each, of which each `together` neighbours share weights."""

    count: int
    width: int
    together: int = 1

    @property
    def units(self) -> int:
        """Sets of weights in a band."""
        return self.width // self.together


@dataclass(frozen=True)
class BandLayout:
    """Bands in rising frequency."""

    groups: tuple[BandGroup, ...]

    @property
    def bands(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def bins(self) -> int:
        return sum(group.count * group.width for group in self.groups)

    @property
    def alike(self) -> list[tuple[int, int]]:
        """How many neighbouring bands have as many sets of weights, and how many: each becomes one batched product."""
        units = [group.units for group in self.groups for _ in range(group.count)]
        return [(len(list(bands)), count) for count, bands in groupby(units)]

    @property
    def cell(self) -> int:
        """The largest number of neighbouring bins of which any band has a whole number; small ones are not worth it."""
        common = math.gcd(*(group.width for group in self.groups))
        return common if common >= LEAST_CELL else 1

    @property
    def band_of_cell(self) -> Tensor:
        """[bands, cells] of ones and zeros: a product with it brings what a band knows to its cells, cheaper than a sum
        for each group."""
        cells = torch.tensor([group.width // self.cell for group in self.groups for _ in range(group.count)])
        return torch.eye(self.bands).repeat_interleave(cells, dim=1)


SHARES = ((16, 4), (8, 8), (8, 16), (8, 32), (8, 64))
"""Counts of bands, and bins in each, of 1024: 94 Hz wide up to 1.5 kHz, 1.5 kHz wide above 12 kHz of 24."""
SHARED_BINS = sum(count * width for count, width in SHARES)
MOST_UNITS = 64
LEAST_CELL = 4


def layout_for(bins: int, most_units: int = MOST_UNITS) -> BandLayout:
    """48 bands of always the same shares of the spectrum over `bins` bins (the Nyquist bin is passed through).

    In bands of more than `most_units`, a power of two, neighbouring bins share weights: a long window would pay for
    detail at high frequencies that no ear resolves. Raises ValueError where a band would be no whole number of bins.
    """
    if most_units < 1 or most_units & (most_units - 1):
        raise ValueError(f"a band has a power of two of weights at most, got {most_units}")
    scaled = [(count, width * bins / SHARED_BINS) for count, width in SHARES]
    if bins < 1 or any(width % 1 for _, width in scaled):
        raise ValueError(f"a band layout needs a multiple of {SHARED_BINS // SHARES[0][1]} bins, got {bins}")
    return BandLayout(tuple(BandGroup(count, int(width), max(1, int(width) // most_units)) for count, width in scaled))


def stacked(bands: Iterable[Tensor], layout: BandLayout) -> list[Tensor]:
    """What there is of each band, of one shape where bands are `alike`, as one tensor for all of those."""
    left = iter(bands)
    return [torch.stack(list(islice(left, count))) for count, _ in layout.alike]


class BandMeans(nn.Module):
    """Means over the bins of each band: [rows, bins] to [rows, bands]."""

    shares: Tensor

    def __init__(self, layout: BandLayout) -> None:
        super().__init__()
        self.cell = layout.cell
        cells = layout.band_of_cell
        self.register_buffer("shares", (cells / cells.sum(dim=1, keepdim=True)).T.contiguous(), persistent=False)

    def forward(self, spectrum: Tensor) -> Tensor:
        return joined(spectrum, self.cell) @ self.shares
