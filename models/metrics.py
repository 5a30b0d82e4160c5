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


LSD_WINDOW, LSD_HOP = 1024, 512
LSD_FLOOR = 1e-10  # of power, where a full-scale sine reads 1/4


def log_spectral_errors(estimate: Tensor, reference: Tensor) -> Tensor:
    """Mean squared distance of the logarithmic power spectra of [..., samples] in each frame, [..., frames]:

    mean over bins of (log10 P_ref - log10 P_est)^2, P = |STFT|^2 / (sum w)^2 + 1e-10, Hann windows of 1024 samples with
    half overlap.
    """
    window = torch.hann_window(LSD_WINDOW, dtype=reference.dtype, device=reference.device)

    def log_power(audio: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(audio.unfold(-1, LSD_WINDOW, LSD_HOP) * window) / window.sum()
        return torch.log10(spectrum.real.square() + spectrum.imag.square() + LSD_FLOOR)

    return (log_power(reference) - log_power(estimate)).square().mean(dim=-1)


def log_spectral_distance(estimate: Tensor, reference: Tensor) -> Tensor:
    """Log-spectral distance (Gray and Markel 1976, in powers of ten) of [..., samples], over all bins: the mean over
    frames of the square root of `log_spectral_errors`.
    """
    return log_spectral_errors(estimate, reference).sqrt().mean(dim=-1)
