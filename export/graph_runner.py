"""The streaming graph in PyTorch itself, run as an exported file is."""

from __future__ import annotations

import torch

from export.hop_graph import HopGraph
from export.hop_runner import Samples


class GraphRunner:
    """A HopRunner: what every file is compared with, and what calibration runs before there is a file."""

    def __init__(self, graph: HopGraph) -> None:
        self._graph = graph.eval()

    @property
    def runtime(self) -> str:
        return f"PyTorch {torch.__version__}"

    @property
    def state_size(self) -> int:
        return self._graph.state_size

    @torch.no_grad()
    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = self._graph(*(torch.from_numpy(tensor) for tensor in (audio, controls, state)))
        return enhanced.numpy(), next_state.numpy()
