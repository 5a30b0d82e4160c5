"""Discriminators of complex spectra at several resolutions, split into frequency bands.

One small 2-D convolutional network a resolution and band, each with a patch of logits, as codecs learnt to do it
(Zeghidour et al. 2021, arXiv 2107.03312; the bands: Kumar et al. 2023, arXiv 2306.06546). They judge any length.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.discriminators.first_half import Judgement
from models.generators.unet import LEAK

RESOLUTIONS = (512, 1024, 2048)
BAND_EDGES = (0.0, 0.1, 0.25, 0.5, 1.0)  # shares of the Nyquist frequency
PARTS = 2  # real and imaginary
COMPRESSION = 0.3  # of magnitudes, about the power by which loudness grows (Stevens 1957)
QUIETEST = 1e-5


def compressed_spectrum(audio: Tensor, size: int, window: Tensor) -> Tensor:
    """audio [batch, 1, samples] to [batch, 2, frames, bins]: real and imaginary parts of magnitude ** 0.3."""
    spectrum = torch.stft(audio.squeeze(1), size, size // 4, window=window, return_complex=True) / window.sum()
    parts = torch.stack([spectrum.real, spectrum.imag], dim=1).transpose(2, 3)
    magnitude = torch.sqrt(parts.square().sum(dim=1, keepdim=True) + QUIETEST**2)
    return parts * magnitude ** (COMPRESSION - 1.0)


class BandDiscriminator(nn.Module):
    """[batch, inputs, frames, bins] of one band to a patch of logits, and the features on the way."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.layers = nn.ModuleList(
            [
                norm(nn.Conv2d(inputs, channels, (3, 9), padding=(1, 4))),
                norm(nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), padding=(1, 4))),
                norm(nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), padding=(1, 4))),
                norm(nn.Conv2d(channels, channels, (3, 3), padding=(1, 1))),
            ]
        )
        self.logit = norm(nn.Conv2d(channels, 1, (3, 3), padding=(1, 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), LEAK)
            features.append(x)
        return self.logit(x), features


class MultiResolutionDiscriminator(nn.Module):
    """Audio [batch, 1, samples] to one patch of logits a resolution and band, and all features."""

    def __init__(
        self, channels: int = 16, resolutions: tuple[int, ...] = RESOLUTIONS, conditional: bool = False
    ) -> None:
        super().__init__()
        self.resolutions = resolutions
        self.conditional = conditional
        inputs = PARTS * (2 if conditional else 1)
        self.bands = nn.ModuleList(
            BandDiscriminator(inputs, channels) for _ in resolutions for _ in pairwise(BAND_EDGES)
        )
        for size in resolutions:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def forward(self, audio: Tensor, degraded: Tensor | None = None) -> tuple[Judgement, Judgement]:
        """Raises ValueError where a conditional discriminator gets no degraded audio."""
        if self.conditional and degraded is None:
            raise ValueError("a conditional discriminator needs the degraded audio beside the restored, got none")
        logits, features = [], []
        judges = iter(self.bands)
        for size in self.resolutions:
            window = self.get_buffer(f"window_{size}")
            spectrum = compressed_spectrum(audio, size, window)
            if self.conditional and degraded is not None:
                spectrum = torch.cat([spectrum, compressed_spectrum(degraded, size, window)], dim=1)
            edges = [round(share * spectrum.shape[-1]) for share in BAND_EDGES]
            for low, high in pairwise(edges):
                logit, found = next(judges)(spectrum[..., low:high])
                logits.append(logit)
                features += found
        return logits, features
