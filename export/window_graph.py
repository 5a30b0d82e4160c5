"""The same contract around a generator of windows, stateless and without controls of its own.

The graph keeps the last hop of input, restores the window that it makes with the new hop, and cross-fades neighbouring
windows by overlap-add, as `models.generators.windows` does over a whole clip.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class WindowGraph(nn.Module):
    """(audio [channels, hop], controls [1, 3], state [1, size]) to (enhanced [channels, hop], next state).

    `generator` takes windows [channels, 1, 2 hop] and gives their restoration; every channel is restored by itself. The
    state packs, all zero at the start, the previous hop of audio and the overlap of the change made so far. A generator
    without controls is mixed in by the largest of them: at controls 0, 0, 0 the change is a product with zero.
    """

    fade: Tensor

    def __init__(self, generator: nn.Module, window: int, channels: int) -> None:
        super().__init__()
        if window % 2:
            raise ValueError(f"windows overlap by half: got {window} samples, wanted an even number")
        self.generator = generator
        self.channels = channels
        self.hop = window // 2
        self.register_buffer("fade", torch.hann_window(window), persistent=False)
        self.shapes = [(channels, self.hop), (channels, self.hop)]

    @property
    def latency(self) -> int:
        """Samples by which the output is late: the window less a hop."""
        return self.hop

    @property
    def state_size(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    def example_inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros(self.channels, self.hop), torch.ones(1, 3), torch.zeros(1, self.state_size)

    def forward(self, audio: Tensor, controls: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        size = self.channels * self.hop
        previous, overlap = (part.reshape(self.channels, self.hop) for part in state.split([size, size], dim=1))
        window = torch.cat([previous, audio], dim=1)
        restored = self.generator(window.unsqueeze(1)).squeeze(1)
        strength = controls.amax(dim=1, keepdim=True)
        change = strength * (restored - window) * self.fade
        ending, beginning = change.split([self.hop, self.hop], dim=1)
        enhanced = previous + (overlap + ending)
        return enhanced, torch.cat([part.reshape(1, -1) for part in (audio, beginning)], dim=1)
