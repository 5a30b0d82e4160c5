"""Figures that are watched while training."""

from __future__ import annotations

import torch
from torch import Tensor


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB of [..., samples], zero mean (Le Roux et al. 2019)."""
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    reference = reference - reference.mean(dim=-1, keepdim=True)
    tiny = torch.finfo(reference.dtype).tiny
    scale = (estimate * reference).sum(-1, keepdim=True) / reference.square().sum(-1, keepdim=True).clamp_min(tiny)
    wanted = scale * reference
    error = (estimate - wanted).square().sum(-1)
    return 10 * torch.log10(wanted.square().sum(-1).clamp_min(tiny) / error.clamp_min(tiny))
