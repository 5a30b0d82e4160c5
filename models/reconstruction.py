"""What a generator's output costs against its target: a distance of waveforms, as in the U-Net's paper, the loss of
spectra as they are heard, or both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from models.data.dataset import Batch
from models.losses import RESOLUTIONS, EnhancementLoss
from models.metrics import LSD_WINDOW, log_spectral_errors

WaveformKind = Literal["none", "l1", "l2"]
WAVEFORM_KINDS: tuple[WaveformKind, ...] = get_args(WaveformKind)
LEAST_LOG_SPECTRAL_ERROR = 1e-6  # mean square: a root has no gradient at zero
QUIETEST_RMS = 1e-3  # below it a target counts as silent, and its distance is not raised further


@dataclass(frozen=True)
class ReconstructionWeights:
    """`waveform`: which distance of waveforms counts, with weight one; `spectral`: the weight of EnhancementLoss;
    `log_spectral`: the weight of the log-spectral distance, which all bins share alike, high and low, loud and quiet.
    """

    waveform: WaveformKind = "none"
    spectral: float = 1.0
    log_spectral: float = 0.0

    def check(self) -> None:
        """Raise ValueError where nothing would be learnt, or something unknown."""
        if self.waveform not in WAVEFORM_KINDS:
            raise ValueError(f"waveform loss: got {self.waveform!r}, wanted one of {', '.join(WAVEFORM_KINDS)}")
        weights = (self.spectral, self.log_spectral)
        if min(weights) < 0 or (self.waveform == "none" and not any(weights)):
            raise ValueError(
                f"reconstruction loss: got waveform loss {self.waveform!r}, spectral weight {self.spectral} and "
                f"log-spectral weight {self.log_spectral}, wanted at least one of them, and weights of 0 or more"
            )


def waveform_distance(kind: WaveformKind, enhanced: Tensor, target: Tensor, windows: int = 1) -> Tensor:
    """Scalar: mean absolute (l1) or squared (l2) difference of [batch, 1, samples], relative to the level (root mean
    square, or its square) of each target, or of each `windows` neighbours, so that soft music teaches as much as loud.
    """
    enhanced, target = (audio.unflatten(0, (-1, windows)) for audio in (enhanced, target))
    level = target.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(QUIETEST_RMS)
    difference = (enhanced - target) / level
    return difference.abs().mean() if kind == "l1" else difference.square().mean()


class ReconstructionLoss(nn.Module):
    """The loss of enhanced audio [batch, 1, samples] against its batch, and its parts by name.

    `longest`: samples of the shortest audio to come; spectra of longer windows are left out.
    """

    def __init__(self, sample_rate: int, weights: ReconstructionWeights, longest: int = max(RESOLUTIONS)) -> None:
        super().__init__()
        weights.check()
        self.weights = weights
        if weights.log_spectral and longest < LSD_WINDOW:
            raise ValueError(
                f"log-spectral loss: windows of {longest} samples hold no frame of {LSD_WINDOW}; wanted longer "
                "windows, or a log-spectral weight of 0"
            )
        resolutions = tuple(size for size in RESOLUTIONS if size <= longest)
        if weights.spectral and not resolutions:
            raise ValueError(
                f"spectral loss: windows of {longest} samples hold no spectrum of {min(RESOLUTIONS)}; wanted longer "
                "windows, or a spectral weight of 0"
            )
        self.spectral = EnhancementLoss(sample_rate, resolutions) if weights.spectral else None

    def forward(self, enhanced: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = torch.zeros((), device=enhanced.device)
        parts: dict[str, Tensor] = {}
        if self.weights.waveform != "none":
            distance = waveform_distance(self.weights.waveform, enhanced, batch.target, batch.windows)
            loss = loss + distance
            parts["waveform"] = distance.detach()
        if self.spectral is not None:
            heard, heard_parts = self.spectral(enhanced, batch)
            loss = loss + self.weights.spectral * heard
            parts |= heard_parts
        if self.weights.log_spectral:
            errors = log_spectral_errors(enhanced, batch.target)
            log_distance = errors.clamp_min(LEAST_LOG_SPECTRAL_ERROR).sqrt().mean()
            loss = loss + self.weights.log_spectral * log_distance
            parts["lsd"] = log_distance.detach()
        return loss, parts
