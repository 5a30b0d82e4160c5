"""The same contract around a generator of windows, stateless and without controls of its own.

The graph keeps the last hop of input, restores the window that it makes with the new hop, and cross-fades neighbouring
windows by overlap-add, as `models.generators.windows` does over a whole clip. All that a stream needs of a generator of
windows is in here: whoever runs the graph sees audio, controls and a state, as of any other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.hop_graph import HopGraph
from models.generators.unet import UNet, UNetConfig
from models.generators.windows import overlap_add_windows

WINDOWS_AT_ONCE = 32
"""Of a whole clip: bounds the memory that a minute of music takes."""


QUIETEST_PEAK = 1e-4
"""80 dB below full scale: below it the change fades out with the sound."""


def mixed(window: Tensor, restored: Tensor, controls: Tensor) -> Tensor:
    """The change that windows [n, window] ask for under controls [n, 3]: their restoration less themselves, by the
    largest control. A generator without controls cannot tell noise from reverberation from missing highs, so it does
    its one thing as far as any of them is wanted; at 0, 0, 0 the change is a product with zero. So it is in silence,
    which a network with biases would answer with a hum.
    """
    audible = (window.abs().amax(dim=1, keepdim=True) / QUIETEST_PEAK).clamp(max=1.0)
    return controls.amax(dim=1, keepdim=True) * audible * (restored - window)


class WindowedGenerator(nn.Module):
    """A generator of windows as one of whole clips under controls: what the streaming graph is held to."""

    def __init__(self, windows: UNet) -> None:
        super().__init__()
        self.windows = windows

    @property
    def config(self) -> UNetConfig:
        """The sizes of the generator within."""
        return self.windows.config

    def forward(self, audio: Tensor, controls: Tensor) -> Tensor:
        """audio [1, channels, samples] under controls [1, hops, 3] to the enhanced audio in time with it.

        The controls of a hop rule the window that ends with it; the window that hangs over the end has the last ones.
        Every channel is restored by itself.
        """
        batch, channels, _ = audio.shape
        if batch != 1:
            raise ValueError(f"clips: got {batch}, wanted one at a time")
        ruling = torch.cat([controls[0], controls[0, -1:]]).repeat(channels, 1)

        def restore(windows: Tensor) -> Tensor:
            parts = zip(windows.split(WINDOWS_AT_ONCE), ruling.split(WINDOWS_AT_ONCE), strict=True)
            changed = [part[:, 0] + mixed(part[:, 0], self.windows(part)[:, 0], rule) for part, rule in parts]
            return torch.cat(changed).unsqueeze(1)

        return overlap_add_windows(restore, audio, self.config.window)


class WindowGraph(HopGraph):
    """The graph around a generator of windows.

    Every channel is restored by itself. The state packs, all zero at the start, the previous hop of audio and the
    overlap of the change made so far. The output is the dry signal, `hop` samples late, plus the overlap-added change.
    """

    fade: Tensor

    generator: WindowedGenerator

    def __init__(self, windows: UNet, channels: int) -> None:
        config = windows.config
        hops = (channels, config.hop)
        super().__init__(WindowedGenerator(windows), channels, config.sample_rate, config.hop, config.hop, [hops, hops])
        self.register_buffer("fade", torch.hann_window(config.window), persistent=False)

    def forward(self, audio: Tensor, controls: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        size = self.channels * self.hop
        previous, overlap = (part.reshape(self.channels, self.hop) for part in state.split([size, size], dim=1))
        window = torch.cat([previous, audio], dim=1)
        restored = self.generator.windows(window.unsqueeze(1)).squeeze(1)
        change = mixed(window, restored, controls) * self.fade
        ending, beginning = change.split([self.hop, self.hop], dim=1)
        enhanced = previous + (overlap + ending)
        return enhanced, torch.cat([part.reshape(1, -1) for part in (audio, beginning)], dim=1)
