"""The one graph: a frame-wise generator between a hop of samples in and a hop of samples out, all state explicit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from export.factored_dft import FactoredDft, FactoredInverseDft
from export.hop_graph import HopGraph
from models.generators.axes import swapped
from models.generators.band_split import BandSplitGenerator


class StreamingGraph(HopGraph):
    """The graph around a generator of frames.

    The state packs, all zero at the start: the previous hop of audio (the analysis window's first half, and the delayed
    dry signal), the overlap of the change made so far, then the generator's own states. The output is the dry signal,
    `hop` samples late, plus the overlap-added change: at controls 0, 0, 0 the change is a product with zero.
    """

    analysis_window: Tensor
    synthesis_window: Tensor

    generator: BandSplitGenerator

    def __init__(self, generator: BandSplitGenerator, channels: int) -> None:
        config = generator.config
        hops = (1, 1, channels, config.hop)
        shapes = [hops, hops, *generator.state_shapes()]
        super().__init__(generator, channels, config.sample_rate, config.hop, config.window - config.hop, shapes)
        self.dft = FactoredDft(config.window)
        self.inverse_dft = FactoredInverseDft(config.window)
        self.register_buffer("analysis_window", generator.window * generator.spectrum_scale, persistent=False)
        self.register_buffer("synthesis_window", generator.window / generator.spectrum_scale, persistent=False)

    def forward(self, audio: Tensor, controls: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        # LiteRT's GPU delegate slices tensors of three or four axes only, and XNNPACK joins at most five at once.
        parts = state.reshape(1, 1, 1, -1).split([math.prod(shape) for shape in self.shapes], dim=3)
        previous, overlap, *inner = (part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True))
        now = audio.reshape(previous.shape)
        bins = swapped(self.dft(torch.cat([previous, now], dim=3) * self.analysis_window))
        spectrum = bins.reshape(2, self.channels, 1, self.hop)
        change, inner = self.generator.step(spectrum, controls.reshape(-1, 1, 1), inner)
        samples = self.inverse_dft(swapped(change.reshape(bins.shape))).reshape(1, 1, self.channels, -1)
        ending, beginning = (samples * self.synthesis_window).split(self.hop, dim=3)
        enhanced = previous + (overlap + ending)
        statistics, *of_blocks = self.generator.parted(inner)
        # Joined in two goes with a reshape between, or converters would make one of them.
        joined = [torch.cat([part.reshape(1, 1, 1, -1) for part in statistics], dim=3), *map(torch.cat, of_blocks)]
        packed = [part.reshape(1, -1) for part in (audio, beginning, *joined)]
        return enhanced.reshape(audio.shape), torch.cat(packed, dim=1)
