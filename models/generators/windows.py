"""Whole clips through a generator of windows: half overlapping, cross-faded.

A window's edges know only one side of their surroundings, so neighbouring windows disagree there; where windows were
laid side by side that would click at every seam. Faded by a periodic Hann window, whose half-overlapped copies sum to
one, each window is silent where it is weakest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def overlap_add_windows(restore: Callable[[Tensor], Tensor], audio: Tensor, window: int) -> Tensor:
    """`restore` ([n, 1, window] to the same) over audio [batch, 1, samples] of any length; returns that shape.

    Raises ValueError where the window is odd.
    """
    if window % 2:
        raise ValueError(f"windows overlap by half: got {window} samples, wanted an even number")
    batch, channels, samples = audio.shape
    hop = window // 2
    hops = -(-samples // hop)
    padded = torch.nn.functional.pad(audio, (hop, (hops + 1) * hop - samples))
    windows = padded.unfold(-1, window, hop)  # [batch, channels, hops + 1, window]
    restored = restore(windows.reshape(-1, 1, window)).reshape(batch, channels, hops + 1, window)
    faded = restored * torch.hann_window(window, dtype=audio.dtype, device=audio.device)
    overlapped = faded[:, :, :-1, hop:] + faded[:, :, 1:, :hop]
    return overlapped.flatten(-2)[..., :samples]
