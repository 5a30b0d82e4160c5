"""Discriminators of either kind by their configuration, and on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from models.checkpoint import Generator, read_config, read_tensors, restore_training, save_training
from models.discriminators.first_half import FirstHalfDiscriminator
from models.discriminators.multi_resolution import RESOLUTIONS, MultiResolutionDiscriminator
from models.generators.unet import UPSAMPLING, UNet, UNetConfig, layer_sizes

DiscriminatorKind = Literal["first_half", "multi_resolution"]
DISCRIMINATOR_KINDS: tuple[DiscriminatorKind, ...] = get_args(DiscriminatorKind)
AnyDiscriminator = FirstHalfDiscriminator | MultiResolutionDiscriminator
PREFIX = "discriminator."
STREAMING_DEPTH, STREAMING_WIDTH = 5, 16  # of a first half that judges a generator which has none itself


@dataclass(frozen=True)
class DiscriminatorConfig:
    """A discriminator's kind and sizes. `channels` and `filters`: one a block of a first half; `channels` alone: one
    number, of every layer of a multi-resolution one, whose spectra have windows of `resolutions` samples."""

    kind: DiscriminatorKind
    conditional: bool = False
    channels: tuple[int, ...] = (16,)
    filters: tuple[int, ...] = ()
    resolutions: tuple[int, ...] = ()


def discriminator_for(generator: Generator, kind: DiscriminatorKind, conditional: bool) -> DiscriminatorConfig:
    """A discriminator that suits a generator: a U-Net's own first half, spectra that fit into its windows.

    Raises ValueError for an unknown kind, or where windows are too short for any spectrum.
    """
    config = DiscriminatorConfig(kind, conditional)
    if kind == "first_half":
        channels, filters = layer_sizes(STREAMING_DEPTH, STREAMING_WIDTH)
        if isinstance(generator, UNet):
            channels, filters = generator.config.channels, generator.config.filters
        return replace(config, channels=channels, filters=filters)
    if kind == "multi_resolution":
        window = generator.config.window if isinstance(generator, UNet) else max(RESOLUTIONS)
        resolutions = tuple(size for size in RESOLUTIONS if size <= window)
        if not resolutions:
            raise ValueError(f"windows of {window} samples hold no spectrum of {min(RESOLUTIONS)}; wanted longer ones")
        return replace(config, resolutions=resolutions)
    raise ValueError(f"discriminator: got {kind!r}, wanted one of {', '.join(DISCRIMINATOR_KINDS)}")


def new_discriminator(config: DiscriminatorConfig) -> AnyDiscriminator:
    """A discriminator with random weights."""
    if config.kind == "first_half":
        window = UPSAMPLING ** (len(config.channels) + 1)  # any will do: it judges any length
        return FirstHalfDiscriminator(
            UNetConfig(window=window, channels=config.channels, filters=config.filters), config.conditional
        )
    return MultiResolutionDiscriminator(config.channels[0], config.resolutions, config.conditional)


def save_discriminator(
    path: Path,
    discriminator: torch.nn.Module,
    config: DiscriminatorConfig,
    optimizer: torch.optim.Optimizer,
    facts: dict[str, Any],
) -> None:
    """Write a discriminator, its optimizer's moments, and how it was trained."""
    metadata = {"discriminator": config.kind, "config": json.dumps(asdict(config))}
    save_training(path, PREFIX, discriminator, optimizer, metadata, facts)


def restore_discriminator(
    path: Path,
    discriminator: torch.nn.Module,
    config: DiscriminatorConfig,
    optimizer: torch.optim.Optimizer | None = None,
) -> dict[str, Any]:
    """Put a file's weights, and its moments where there is an `optimizer`, in place; returns its facts.

    Raises ValueError where the file is missing or of a discriminator of another configuration.
    """
    found = _stored_config(path)
    if found != config:
        raise ValueError(f"{path} holds a discriminator of {found}, wanted {config}")
    return restore_training(path, PREFIX, discriminator, optimizer)


def load_discriminator(path: Path) -> tuple[AnyDiscriminator, DiscriminatorConfig, dict[str, Any]]:
    """The discriminator in a file, its configuration and the facts written with it.

    Raises ValueError where the file is missing or holds something else.
    """
    config = _stored_config(path)
    discriminator = new_discriminator(config)
    facts = restore_discriminator(path, discriminator, config)
    return discriminator, config, facts


def _stored_config(path: Path) -> DiscriminatorConfig:
    metadata = read_tensors(path)[1]
    if metadata.get("discriminator") not in DISCRIMINATOR_KINDS:
        raise ValueError(
            f"{path} holds a discriminator of kind {metadata.get('discriminator')!r}, wanted one of "
            f"{', '.join(DISCRIMINATOR_KINDS)}"
        )
    return DiscriminatorConfig(**read_config(metadata["config"]))
