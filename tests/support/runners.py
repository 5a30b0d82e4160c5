"""Hop runners that are wrong in a known way, to see that proofs notice."""

from __future__ import annotations

import numpy as np

from export.hop_runner import HopRunner, Samples


class SkewedRunner:
    """Another runner whose output and state come multiplied by a factor."""

    def __init__(self, runner: HopRunner, output: float = 1.0, state: float = 1.0) -> None:
        self._runner = runner
        self._output, self._state = np.float32(output), np.float32(state)

    @property
    def runtime(self) -> str:
        return self._runner.runtime

    @property
    def state_size(self) -> int:
        return self._runner.state_size

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = self._runner.hop(audio, controls, state)
        return enhanced * self._output, next_state * self._state
