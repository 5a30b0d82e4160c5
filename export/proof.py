"""The proof that an exported file is the generator: hop by hop in the runtime against PyTorch over the whole clip."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from models.generators.band_split import BandSplitGenerator
from studiomic.manifest import ParityRecord

TOLERANCE = 1e-4
MOVING_PERIOD_HOPS = 37

Samples = NDArray[np.float32]
RunFile = Callable[[Samples, Samples], Samples]


class ParityError(Exception):
    """An exported file that differs from the generator it was made from by more than the tolerance."""


def control_tracks(hops: int) -> dict[str, Samples]:
    """Controls [hops, 3] of the 8 corners, the centre, and moving."""
    tracks = {
        f"controls {', '.join(f'{c:g}' for c in corner)}": np.tile(np.array(corner, dtype=np.float32), (hops, 1))
        for corner in (*product((0.0, 1.0), repeat=3), (0.5, 0.5, 0.5))
    }
    phase = 2 * np.pi * np.outer(np.arange(hops), (1.0, 1.7, 2.3)) / MOVING_PERIOD_HOPS
    tracks["moving controls"] = (0.5 + 0.5 * np.sin(phase)).astype(np.float32)
    return tracks


def prove(generator: BandSplitGenerator, run: RunFile, music: Samples, latency: int, what: str) -> ParityRecord:
    """Compare `run(audio, controls)` with the generator on `music` [channels, samples], under every control track.

    Returns the worst of all control settings: ||a - b|| / ||b||, and the largest |a - b|.
    Raises ParityError, naming the setting and both errors, where either error exceeds the tolerance; a silent or
    non-finite output cannot pass.
    """
    hop, rate = generator.config.hop, generator.config.sample_rate
    hops = music.shape[1] // hop
    music = music[:, : hops * hop]
    worst_relative = worst_largest = 0.0
    for name, controls in control_tracks(hops).items():
        with torch.no_grad():
            reference = generator(torch.from_numpy(music)[None], torch.from_numpy(controls)[None])[0].numpy()
        ours, wanted = run(music, controls)[:, latency:], reference[:, : hops * hop - latency]
        relative = float(np.linalg.norm(ours - wanted) / np.linalg.norm(wanted))
        largest = float(np.max(np.abs(ours - wanted)))
        if not (relative < TOLERANCE and largest < TOLERANCE):  # also true of NaN
            raise ParityError(
                f"{what} differs from the generator at {name}: relative error {relative:.2e}, largest error "
                f"{largest:.2e}; wanted both below {TOLERANCE:g}. Nothing was written."
            )
        worst_relative, worst_largest = max(worst_relative, relative), max(worst_largest, largest)
    return ParityRecord(hops * hop / rate, worst_relative, worst_largest)
