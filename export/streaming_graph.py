"""The one graph: a frame-wise generator between a hop of samples in and a hop of samples out, all state explicit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from export.factored_dft import FactoredDft, FactoredInverseDft
from export.hop_graph import HopGraph
from models.generators.axes import swapped
from models.generators.band_split import EXTEND, BandSplitGenerator
from models.generators.declipping import MARGIN_BEFORE

FEATURES = "generator.features"
STATISTICS = (FEATURES, "generator.falls", "generator.room_gate")
"""The modules of the graph that follow means over seconds."""
RECURRENCE = ".time"
"""Ends the name of a block's mixing over time itself; the matrices in it are modules of their own."""


class StreamingGraph(HopGraph):
    """The graph around a generator of frames.

    The state packs, all zero at the start: the end of the audio, which overlaps with the next frame; the same with the
    change made so far; the end of the input and its loudest sample (where peaks that were cut off are drawn again
    before all else), then the generator's own states. The output is the dry signal, an overlap late, plus the
    overlap-added change: at controls 0, 0, 0 the change is a product with zero.
    """

    analysis_window: Tensor
    synthesis_window: Tensor

    generator: BandSplitGenerator

    def __init__(self, generator: BandSplitGenerator, channels: int) -> None:
        config = generator.config
        overlaps = (1, 1, channels, config.overlap)
        declipping = generator.declipping
        mending = [] if declipping is None else [(1, 1, channels, declipping.margins), (1, 1, 1, 1)]
        shapes = [overlaps, overlaps, *mending, *generator.state_shapes()]
        latency = config.overlap + generator.margin
        super().__init__(generator, channels, config.sample_rate, config.hop, latency, shapes)
        self.overlap = config.overlap
        self.dft = FactoredDft(config.window)
        self.inverse_dft = FactoredInverseDft(config.window)
        self.register_buffer("analysis_window", generator.window * generator.spectrum_scale, persistent=False)
        self.register_buffer("synthesis_window", generator.window / generator.spectrum_scale, persistent=False)

    def forward(self, audio: Tensor, controls: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        # LiteRT's GPU delegate slices tensors of three or four axes only, and XNNPACK joins at most five at once.
        parts = state.reshape(1, 1, 1, -1).split([math.prod(shape) for shape in self.shapes], dim=3)
        previous, begun, *inner = (part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True))
        now, controls = audio.reshape(1, 1, self.channels, -1), controls.reshape(-1, 1, 1)
        mending: list[Tensor] = []
        if self.generator.declipping is not None:
            before, level, *inner = inner
            now, mending = self.mended(now, before, level, controls)
        bins = swapped(self.dft(torch.cat([previous, now], dim=3) * self.analysis_window))
        spectrum = bins.reshape(2, self.channels, 1, -1)
        change, inner = self.generator.step(spectrum, controls, inner)
        samples = self.inverse_dft(swapped(change.reshape(bins.shape))).reshape(1, 1, self.channels, -1)
        changed = torch.cat([begun, now], dim=3) + samples * self.synthesis_window
        enhanced, begun = changed.split([self.hop, self.overlap], dim=3)
        room, statistics, *of_blocks = self.generator.parted(inner)
        # Joined in several goes with a reshape between, or converters would make one of them.
        few = [part.reshape(1, 1, -1) for part in (*mending, *room)]
        more = [part.reshape(1, 1, 1, -1) for part in ([torch.cat(few, dim=2)] if few else []) + statistics]
        joined = [torch.cat(more, dim=3), *map(torch.cat, of_blocks)]
        packed = [part.reshape(1, -1) for part in (now[..., -self.overlap :], begun, *joined)]
        return enhanced.reshape(audio.shape), torch.cat(packed, dim=1)

    def mended(self, audio: Tensor, before: Tensor, level: Tensor, controls: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The hop that ends a margin before `audio` does, with peaks that were cut off drawn again, and what to keep:
        the end of the input and its loudest sample."""
        declipping = self.generator.declipping
        assert declipping is not None
        heard = torch.cat([before, audio], dim=3)
        level = torch.maximum(level, audio.abs().amax(dim=(2, 3), keepdim=True))
        missing = declipping(heard, level)
        mended = heard[..., MARGIN_BEFORE : -declipping.margin] + controls[EXTEND:] * missing
        return mended, [heard[..., -declipping.margins :], level]
