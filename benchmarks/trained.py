"""A generator as it is trained, in PyTorch, in place of a bundle: a run can be judged before anything is exported."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from benchmarks.enhancing import Samples
from benchmarks.scenario_folder import RATE
from models.checkpoint import load_band_split
from studiomic import Controls


def by_weights(samples: Samples, weights: Path, controls: Controls) -> Samples:
    """What the streaming generator in a weights file makes of [samples]. Raises ValueError for a file that holds
    none."""
    generator, _ = load_band_split(weights)
    with torch.no_grad():
        enhanced = generator(torch.from_numpy(samples)[None, None], torch.from_numpy(controls.as_array()))
    found: Samples = enhanced[0, 0].numpy()
    return found


def weights_in_words(weights: Path) -> dict[str, str]:
    """The file's name and hash. Raises ValueError where it holds no streaming generator at 48 kHz."""
    generator, _ = load_band_split(weights)
    if generator.config.sample_rate != RATE:
        raise ValueError(f"{weights} works at {generator.config.sample_rate} Hz, wanted a generator at {RATE} Hz")
    return {"name": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
