"""Generators cut in two at a layer, for collaborative sampling: the activation there, and what the rest makes of it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.collaborative import Remainder
from models.generators.band_split import BandSplitGenerator
from models.generators.unet import UNet


def unet_halves(generator: UNet, degraded: Tensor, layer: int) -> tuple[Tensor, Remainder]:
    """Windows [batch, 1, window] cut at `layer` (0 is the bottleneck); the skips stay those of the first pass."""
    with torch.no_grad():
        activation, skips = generator.until(degraded, layer)
    return activation, lambda moved: generator.after(moved, skips, degraded, layer)


def band_split_halves(
    generator: BandSplitGenerator, degraded: Tensor, controls: Tensor, layer: int
) -> tuple[Tensor, Remainder]:
    """Clips [batch, channels, samples] under controls [batch, 3] cut after block `layer` (0: before the first).

    The activation is [batch, bands, time, channels]: the batch first, so that each clip takes its own steps. Spectrum
    and observations stay those of the first pass. Raises ValueError for a layer that there is not.
    """
    blocks = len(generator.blocks)
    if not 0 <= layer <= blocks:
        raise ValueError(f"layer: got {layer}, wanted 0 (before the first block) to {blocks} (after the last)")
    with torch.no_grad():
        heard = generator.heard(degraded, controls)
        spectrum = generator.analysed(heard)
        per_frame = generator.per_frame(controls, heard)
        falls, statistics, memories = generator.parted(generator.initial_states(len(degraded)))
        observed, _ = generator.features(generator.logs(spectrum, len(degraded)), statistics)
        heads, in_room, _ = generator.by_long_term(observed, falls)
        x = generator.encoder(observed.features)
        for block, memory in zip(generator.blocks[:layer], memories, strict=False):
            x, _ = block(x, memory)

    def remainder(moved: Tensor) -> Tensor:
        y = moved.permute(1, 2, 0, 3).flatten(0, 2)
        for block, memory in zip(generator.blocks[layer:], memories[layer:], strict=True):
            y, _ = block(y, memory)
        change = generator.change(generator.decide(y, observed, heads, in_room), spectrum, per_frame)
        return generator.changed(heard, change)[..., generator.margin :]

    by_clip = x.unflatten(0, (generator.layout.bands, -1, len(degraded))).permute(2, 0, 1, 3)
    return by_clip.contiguous(), remainder
