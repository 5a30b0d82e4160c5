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


# 1024 bins (the Nyquist bin is passed through) in 48 bands: 94 Hz wide up to 1.5 kHz, 1.5 kHz wide above 12 kHz.
LAYOUT_1024 = BandLayout((BandGroup(16, 4), BandGroup(8, 8), BandGroup(8, 16), BandGroup(8, 32), BandGroup(8, 64)))
