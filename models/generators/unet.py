"""The study's generator: a 1-D convolutional U-Net over windows of samples.

Kuleshov, Enam and Ermon 2017, "Audio Super-Resolution using Neural Nets", arXiv 1708.00853: strided convolutions halve
the rate block by block, a bottleneck with dropout, then convolutions whose channels are shuffled back into time and
stacked onto what the block of that rate saw on the way down. What comes out is added to the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.2
UPSAMPLING = 2
PAPER_CHANNELS = (128, 256, 512, 512)
PAPER_FILTERS = (65, 33, 17, 9)


def layer_sizes(depth: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and filter lengths of `depth` blocks in the paper's proportions; at its `width` of 128, its own.

    Raises ValueError for a depth or width below one.
    """
    if depth < 1 or width < 1:
        raise ValueError(f"a U-Net's depth and width: got {depth} and {width}, wanted at least 1 each")
    last = len(PAPER_CHANNELS) - 1
    return (
        tuple(width * PAPER_CHANNELS[min(block, last)] // PAPER_CHANNELS[0] for block in range(depth)),
        tuple(PAPER_FILTERS[min(block, last)] for block in range(depth)),
    )


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of a UNet: one entry of `channels` and `filters` (taps, odd) a block, from the full rate downwards.

    The defaults are the paper's at four blocks: 56 M parameters.
    """

    sample_rate: int = 48000
    window: int = 8192
    channels: tuple[int, ...] = PAPER_CHANNELS
    filters: tuple[int, ...] = PAPER_FILTERS
    last_filter: int = 9
    dropout: float = 0.5

    @property
    def blocks(self) -> int:
        return len(self.channels)

    @property
    def hop(self) -> int:
        """Windows overlap by half."""
        return self.window // 2

    def check(self) -> None:
        """Raise ValueError unless the sizes fit each other."""
        if not self.channels or len(self.filters) != self.blocks:
            raise ValueError(
                f"a U-Net needs one filter length a block, got {self.blocks} channel counts and {len(self.filters)} "
                "filter lengths"
            )
        if any(taps % 2 == 0 for taps in (*self.filters, self.last_filter)):
            raise ValueError(f"filter lengths must be odd, got {(*self.filters, self.last_filter)}")
        shortest = UPSAMPLING ** (self.blocks + 1)
        if self.window < shortest or self.window % shortest:
            raise ValueError(
                f"{self.blocks} blocks and a bottleneck divide the window by {shortest}: got a window of {self.window} "
                f"samples, wanted a multiple of {shortest}"
            )


def subpixel_shuffle(x: Tensor, factor: int = UPSAMPLING) -> Tensor:
    """[batch, factor * channels, samples] to [batch, channels, factor * samples]: channel c + k * channels becomes the
    k-th of each `factor` neighbouring samples of channel c (Shi et al. 2016, arXiv 1609.05158, in one dimension).
    """
    batch, channels, samples = x.shape
    split = x.reshape(batch, factor, channels // factor, samples)
    return split.permute(0, 2, 3, 1).reshape(batch, channels // factor, factor * samples)


class DownBlock(nn.Module):
    """A strided convolution that halves the rate, then LeakyReLU; `normalised` for discriminators."""

    def __init__(self, inputs: int, outputs: int, taps: int, normalised: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, taps, stride=UPSAMPLING, padding=taps // 2)
        self.norm = nn.GroupNorm(1, outputs) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.norm(self.convolution(x)), LEAK)


class UpBlock(nn.Module):
    """Convolution, dropout, LeakyReLU, sub-pixel shuffle: twice the rate, `outputs` channels."""

    def __init__(self, inputs: int, outputs: int, taps: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, UPSAMPLING * outputs, taps, padding=taps // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return subpixel_shuffle(functional.leaky_relu(self.dropout(self.convolution(x)), LEAK))


def down_blocks(config: UNetConfig) -> nn.ModuleList:
    """One for each of the config's channels."""
    widths = (1, *config.channels)
    return nn.ModuleList(
        DownBlock(before, after, taps)
        for before, after, taps in zip(widths[:-1], widths[1:], config.filters, strict=True)
    )


def bottleneck(config: UNetConfig) -> nn.Conv1d:
    """The convolution after the last block down; it halves the length once more."""
    deepest, taps = config.channels[-1], config.filters[-1]
    return nn.Conv1d(deepest, deepest, taps, stride=UPSAMPLING, padding=taps // 2)


def up_blocks(config: UNetConfig, stacked: int) -> tuple[nn.ModuleList, nn.Conv1d]:
    """The blocks up and the last convolution; each gets `stacked` times the channels that the block before gives."""
    ups, inputs = nn.ModuleList(), config.channels[-1]
    for channels, taps in zip(reversed(config.channels), reversed(config.filters), strict=True):
        ups.append(UpBlock(inputs, channels, taps, config.dropout))
        inputs = stacked * channels
    return ups, nn.Conv1d(inputs, UPSAMPLING, config.last_filter, padding=config.last_filter // 2)


class UNet(nn.Module):
    """Degraded windows [batch, 1, window] to restored ones, in two halves so that the middle can be reached."""

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        config.check()
        self.down = down_blocks(config)
        self.bottleneck = bottleneck(config)
        self.bottleneck_dropout = nn.Dropout(config.dropout)
        self.up, self.last = up_blocks(config, stacked=2)  # the skip is stacked on
        nn.init.normal_(self.last.weight, std=1e-3)  # starts near the identity: what it adds is small
        self.last.bias = nn.Parameter(torch.zeros(UPSAMPLING))

    @property
    def layers(self) -> int:
        """Activations that `until` and `after` can meet at: the bottleneck is 0, then the output of each up block."""
        return 1 + len(self.up)

    def first_half(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The bottleneck's activation, and the skips from the full rate downwards."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        return functional.leaky_relu(self.bottleneck_dropout(self.bottleneck(x)), LEAK), skips

    def _up(self, index: int, x: Tensor, skips: list[Tensor]) -> Tensor:
        return torch.cat([self.up[index](x), skips[-1 - index]], dim=1)

    def until(self, x: Tensor, layer: int) -> tuple[Tensor, list[Tensor]]:
        """The activation at `layer`, before its skip is stacked on, and all skips."""
        if not 0 <= layer < self.layers:
            raise ValueError(f"layer: got {layer}, wanted 0 (the bottleneck) to {self.layers - 1}")
        y, skips = self.first_half(x)
        for index in range(layer):
            y = self.up[index](y)
            if index + 1 < layer:
                y = torch.cat([y, skips[-1 - index]], dim=1)
        return y, skips

    def after(self, activation: Tensor, skips: list[Tensor], x: Tensor, layer: int) -> Tensor:
        """What comes out where the activation at `layer` is `activation`; `x` is the input, for the additive skip."""
        y = activation
        if layer:
            y = torch.cat([y, skips[-layer]], dim=1)
        for index in range(layer, len(self.up)):
            y = self._up(index, y, skips)
        return x + subpixel_shuffle(self.last(y))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, 1, samples], `samples` a multiple of 2^(blocks + 1)."""
        activation, skips = self.first_half(x)
        return self.after(activation, skips, x, 0)
