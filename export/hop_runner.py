"""An exported file, opened in some runtime, and run hop by hop: what every proof and calibration is made with."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studiomic.manifest import PRECISIONS

INPUT_NAMES = ("audio", "controls", "state_0")
OUTPUT_NAMES = ("enhanced", "next_state_0")
"""The contract's tensors, in their order."""

Samples = NDArray[np.float32]


class HopRunner(Protocol):
    """One opened graph. It keeps nothing between calls: the caller carries the state."""

    @property
    def runtime(self) -> str:
        """What runs the file, with its version, for the manifest: "ONNX Runtime 1.32.0", "interpreted MIL"."""

    @property
    def state_size(self) -> int:
        """Numbers in the packed state."""

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        """audio [channels, hop], controls [1, 3], state [1, size] to enhanced [channels, hop] and the next state."""


def check_precision(precision: str) -> None:
    """Raise ValueError unless a graph file may be in `precision`."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision: got '{precision}', wanted one of: {', '.join(PRECISIONS)}")


def run_clip(runner: HopRunner, audio: Samples, controls: Samples, hop: int) -> tuple[Samples, Samples]:
    """Run over audio [channels, hops * hop] under controls [hops, 3] from the zero state.

    Returns enhanced [channels, hops * hop], `latency` samples late, and the last state [1, size].
    """
    state = np.zeros((1, runner.state_size), dtype=np.float32)
    enhanced = []
    for index in range(audio.shape[1] // hop):
        block = audio[:, index * hop : (index + 1) * hop]
        output, state = runner.hop(block, controls[index : index + 1], state)
        enhanced.append(output)
    return np.concatenate(enhanced, axis=1), state
