"""An autoencoder whose bottleneck tells what matters of music, and the feature loss at that bottleneck.

Kim and Sathe 2018, "Adversarial Audio Super-Resolution with Unsupervised Feature Losses": a network of the U-Net's
blocks, without skips, learns the identity; the distance of two sounds is then that of their bottlenecks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.checkpoint import config_text, read_config, read_tensors, restore_training, save_training
from models.data.dataset import Batch
from models.generators.unet import LEAK, UPSAMPLING, UNetConfig, bottleneck, down_blocks, subpixel_shuffle, up_blocks

PREFIX = "autoencoder."
QUIETEST_FEATURE = 1e-6  # mean square


class Autoencoder(nn.Module):
    """Audio [batch, 1, samples] to itself; `samples` is a multiple of `factor`. Of the config's window it makes
    no use.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.factor = UPSAMPLING ** (config.blocks + 1)
        self.down = down_blocks(config)
        self.bottleneck = bottleneck(config)
        self.up, self.last = up_blocks(config, stacked=1)

    def encode(self, audio: Tensor) -> Tensor:
        """The bottleneck, [batch, channels, samples / factor]."""
        x = audio
        for block in self.down:
            x = block(x)
        return functional.leaky_relu(self.bottleneck(x), LEAK)

    def forward(self, audio: Tensor) -> Tensor:
        x = self.encode(audio)
        for block in self.up:
            x = block(x)
        return subpixel_shuffle(self.last(x))


def save_autoencoder(
    path: Path, autoencoder: Autoencoder, optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Write an autoencoder, its optimizer's moments, and how it was trained."""
    save_training(path, PREFIX, autoencoder, optimizer, {"config": config_text(autoencoder.config)}, facts)


def restore_autoencoder(path: Path, autoencoder: Autoencoder, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a file's weights and moments in place; returns its facts. Raises ValueError for another configuration."""
    found = _stored_config(path)
    if found != autoencoder.config:
        raise ValueError(f"{path} holds an autoencoder of {found}, wanted {autoencoder.config}")
    return restore_training(path, PREFIX, autoencoder, optimizer)


def load_autoencoder(path: Path) -> Autoencoder:
    """The autoencoder in a file, fixed. Raises ValueError where the file is missing or holds something else."""
    autoencoder = Autoencoder(_stored_config(path))
    restore_training(path, PREFIX, autoencoder)
    return autoencoder.eval().requires_grad_(False)


def _stored_config(path: Path) -> UNetConfig:
    tensors, metadata = read_tensors(path)
    if not any(name.startswith(PREFIX) for name in tensors):
        kinds = json.dumps({name: metadata[name] for name in ("generator", "discriminator") if name in metadata})
        raise ValueError(f"{path} holds no autoencoder but {kinds}; wanted one, as models.learn_identity writes it")
    return UNetConfig(**read_config(metadata["config"]))


class BottleneckLoss:
    """A part of the generator's loss: `weight` times the mean squared distance of the bottlenecks of its output and of
    the target, relative to the mean square of the target's.

    Raises ValueError where the autoencoder is of another sample rate, or the weight not above zero.
    """

    def __init__(self, autoencoder: Autoencoder, sample_rate: int, weight: float) -> None:
        if autoencoder.config.sample_rate != sample_rate:
            raise ValueError(
                f"the autoencoder learnt audio at {autoencoder.config.sample_rate} Hz, wanted {sample_rate} Hz, as the "
                "generator's"
            )
        if weight <= 0:
            raise ValueError(f"autoencoder feature loss: got a weight of {weight}, wanted more than 0")
        self.autoencoder = autoencoder
        self.weight = weight

    def __call__(self, enhanced: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Of enhanced audio [batch, 1, samples]."""
        with torch.no_grad():
            wanted = self.autoencoder.encode(batch.target)
        error = (self.autoencoder.encode(enhanced) - wanted).square().mean()
        distance = error / wanted.square().mean().clamp_min(QUIETEST_FEATURE)
        return self.weight * distance, {"bottleneck": distance.detach()}
