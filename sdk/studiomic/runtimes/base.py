"""What the stream needs of an inference runtime, and what a runtime needs of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studiomic.manifest import GraphFile, GraphTensors

Tensor = NDArray[np.float32]


@dataclass(frozen=True)
class GraphSource:
    """A graph file whose hash has been verified, with what it must turn out to hold."""

    path: Path
    content: bytes
    """The bytes that were hashed, so that they are read only once; empty where `path` is a folder."""
    file: GraphFile
    graph: GraphTensors
    embedded_contract: str


class Runtime(Protocol):
    """One loaded graph. It keeps nothing between calls: the caller carries the states."""

    @property
    def name(self) -> str:
        """The runtime and its version, for reports."""

    @property
    def graph(self) -> GraphTensors:
        """The tensors that it takes and gives."""

    def initial_states(self) -> list[Tensor]:
        """The states of a fresh start: all zeros."""

    def run(self, audio: Tensor, controls: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One hop: audio [channels, hop], controls [1, 3] and the states in, enhanced [channels, hop] and the next
        states out, in fresh memory. Raises RuntimeFailureError where the runtime fails."""


def zero_states(graph: GraphTensors) -> list[Tensor]:
    """The states that every graph starts from."""
    return [np.zeros(state.shape, dtype=np.float32) for state in graph.states]
