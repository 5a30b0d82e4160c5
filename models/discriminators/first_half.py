"""The study's discriminator: the U-Net's first half with normalisation, then one logit a window.

*Conditional*, it sees the degraded window beside the one to be judged, so that it judges the restoration and not only
the sound (pix2pix: Isola et al. 2017, arXiv 1611.07004).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.generators.unet import DownBlock, UNetConfig

Judgement = list[Tensor]


class FirstHalfDiscriminator(nn.Module):
    """Windows [batch, 1, samples] to logits [batch, 1], and the features on the way."""

    def __init__(self, config: UNetConfig, conditional: bool = False) -> None:
        super().__init__()
        config.check()
        self.conditional = conditional
        widths = (2 if conditional else 1, *config.channels)
        self.down = nn.ModuleList(
            DownBlock(before, after, taps, normalised=True)
            for before, after, taps in zip(widths[:-1], widths[1:], config.filters, strict=True)
        )
        self.bottleneck = DownBlock(config.channels[-1], config.channels[-1], config.filters[-1], normalised=True)
        self.logit = nn.Linear(config.channels[-1], 1)

    def forward(self, audio: Tensor, degraded: Tensor | None = None) -> tuple[Judgement, Judgement]:
        """Logits (one tensor [batch, 1]) and features (one tensor a block) of audio [batch, 1, samples].

        Raises ValueError where a conditional discriminator gets no degraded audio.
        """
        x = audio
        if self.conditional:
            if degraded is None:
                raise ValueError("a conditional discriminator needs the degraded audio beside the restored, got none")
            x = torch.cat([audio, degraded], dim=1)
        features = []
        for block in (*self.down, self.bottleneck):
            x = block(x)
            features.append(x)
        return [self.logit(x.mean(dim=-1))], features
