"""Figures of some weights on batches that stay the same over a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Generator
from models.data.dataset import Batch
from models.metrics import log_spectral_distance, si_sdr
from models.reconstruction import ReconstructionLoss
from models.restoring import enhance_clips, move

CLEAN_ENOUGH_DB = 60.0  # an input this close to its target counts as clean


@torch.no_grad()
def validate(
    generator: Generator, weights: dict[str, Tensor], loss: ReconstructionLoss, fixed: Sequence[Batch]
) -> dict[str, float]:
    """Loss and figures of `weights` on fixed batches of whole clips: gain in SI-SDR where the input was degraded,
    SI-SDR where it was clean, log-spectral distances of output and input.
    """
    current = {name: value.clone() for name, value in generator.state_dict().items()}
    training = generator.training
    generator.load_state_dict(weights)
    generator.eval()
    totals: list[dict[str, float]] = []
    gains, clean, distances, input_distances = [], [], [], []
    for batch in (move(batch, next(generator.parameters()).device) for batch in fixed):
        enhanced = enhance_clips(generator, batch)
        value, parts = loss(enhanced, batch)
        totals.append({"valid_loss": float(value), **{f"valid_{name}": float(part) for name, part in parts.items()}})
        before, after = si_sdr(batch.degraded, batch.target), si_sdr(enhanced, batch.target)
        untouched = (before > CLEAN_ENOUGH_DB).flatten()
        gains += (after - before).flatten()[~untouched].tolist()
        clean += after.flatten()[untouched].tolist()
        distances.append(float(log_spectral_distance(enhanced, batch.target).mean()))
        input_distances.append(float(log_spectral_distance(batch.degraded, batch.target).mean()))
    generator.load_state_dict(current)
    generator.train(training)
    return {
        **{name: float(np.mean([row[name] for row in totals])) for name in totals[0]},
        "valid_si_sdr_gain_db": float(np.mean(gains)) if gains else math.nan,
        "valid_clean_si_sdr_db": float(np.mean(clean)) if clean else math.nan,
        "valid_lsd": float(np.mean(distances)),
        "valid_input_lsd": float(np.mean(input_distances)),
    }
