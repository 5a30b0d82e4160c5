"""How DFT bins are grouped into bands that grow with frequency, as the ear's resolution does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BandGroup:
    """`count` neighbouring bands of `width` bins each."""

    count: int
    width: int


@dataclass(frozen=True)
class BandLayout:
    """Bands in rising frequency. Groups of one width become one batched matrix product each."""

    groups: tuple[BandGroup, ...]

    @property
    def bands(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def bins(self) -> int:
        return sum(group.count * group.width for group in self.groups)


SHARES = ((16, 4), (8, 8), (8, 16), (8, 32), (8, 64))
"""Counts of bands, and bins in each, of 1024: 94 Hz wide up to 1.5 kHz, 1.5 kHz wide above 12 kHz of 24."""
SHARED_BINS = sum(count * width for count, width in SHARES)


def layout_for(bins: int) -> BandLayout:
    """48 bands of always the same shares of the spectrum over `bins` bins (the Nyquist bin is passed through).

    Raises ValueError where a band would be no whole number of bins.
    """
    scaled = [(count, width * bins / SHARED_BINS) for count, width in SHARES]
    if bins < 1 or any(width % 1 for _, width in scaled):
        raise ValueError(f"a band layout needs a multiple of {SHARED_BINS // SHARES[0][1]} bins, got {bins}")
    return BandLayout(tuple(BandGroup(count, int(width)) for count, width in scaled))
