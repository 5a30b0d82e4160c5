"""What a streaming graph is asked for, whatever generator it is around."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class HopGraph(nn.Module):
    """(audio [channels, hop], controls [1, 3], state [1, size]) to (enhanced [channels, hop], next state).

    `generator` takes whole clips, audio [1, channels, samples] and controls [1, hops, 3]: what the graph is held to.
    `shapes`: of the parts that the state packs, in their order. `latency`: samples by which the output is late.
    """

    def __init__(
        self,
        generator: nn.Module,
        channels: int,
        sample_rate: int,
        hop: int,
        latency: int,
        shapes: list[tuple[int, ...]],
    ) -> None:
        super().__init__()
        self.generator = generator
        self.channels = channels
        self.sample_rate = sample_rate
        self.hop = hop
        self.latency = latency
        self.shapes = shapes

    @property
    def state_size(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    def example_inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Silence at full controls."""
        return torch.zeros(self.channels, self.hop), torch.ones(1, 3), torch.zeros(1, self.state_size)
