"""What training and sampling ask of a generator, of either kind: a streaming one takes whole clips under controls, a
U-Net windows, without controls.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from models.checkpoint import Generator
from models.data.dataset import Batch
from models.data.recordings import SAMPLE_RATE
from models.generators.unet import UNet
from models.generators.windows import overlap_add_windows


def enhance_clips(generator: Generator, batch: Batch) -> Tensor:
    """Enhanced clips [batch, 1, samples]; a U-Net's windows overlap by half and are cross-faded."""
    if isinstance(generator, UNet):
        return overlap_add_windows(generator, batch.degraded, generator.config.window)
    enhanced: Tensor = generator(batch.degraded, batch.controls)
    return enhanced


def cut_windows(batch: Batch, window: int) -> Batch:
    """Clips [batch, 1, samples] as windows [batch * windows, 1, window] side by side; what is left at the end goes.

    Clips begin anywhere in the music, so overlapping windows would teach nothing more. Raises ValueError where a clip
    is shorter than a window.
    """
    samples = batch.degraded.shape[-1]
    windows = samples // window
    if not windows:
        raise ValueError(f"clips of {samples} samples hold no window of {window}; wanted longer clips")

    def cut(audio: Tensor) -> Tensor:
        return audio[..., : windows * window].reshape(-1, 1, window)

    def repeated(values: Tensor) -> Tensor:
        return values.repeat_interleave(windows, dim=0)

    return replace(
        batch,
        degraded=cut(batch.degraded),
        target=cut(batch.target),
        controls=repeated(batch.controls),
        passband_hz=repeated(batch.passband_hz),
        cutoff_hz=repeated(batch.cutoff_hz),
        windows=windows,
        in_room=None,
    )


def as_trained(generator: Generator, batch: Batch) -> Batch:
    """Clips as the generator learns them: whole, or cut into its windows."""
    return cut_windows(batch, generator.config.window) if isinstance(generator, UNet) else batch


def restored_at(generator: Generator) -> int | None:
    """The sample rate of a generator that learns to restore as far as it can, for `batches`: one without controls, or
    at another rate than the streaming one ships at; else None.
    """
    rate = generator.config.sample_rate
    return rate if isinstance(generator, UNet) or rate != SAMPLE_RATE else None


def inputs(generator: Generator, batch: Batch) -> tuple[Tensor, ...]:
    """What the generator's `forward` takes of a batch as it learns it."""
    if isinstance(generator, UNet):
        return (batch.degraded,)
    if generator.room_gate is None or batch.in_room is None:
        return batch.degraded, batch.controls
    return batch.degraded, batch.controls, batch.in_room


def move(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    return replace(
        batch,
        degraded=batch.degraded.to(device),
        target=batch.target.to(device),
        controls=batch.controls.to(device),
        in_room=None if batch.in_room is None else batch.in_room.to(device),
        passband_hz=batch.passband_hz.to(device),
        cutoff_hz=batch.cutoff_hz.to(device),
    )
