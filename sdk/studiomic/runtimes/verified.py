"""What a runtime does once its graph has been loaded and verified: the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from studiomic.errors import RuntimeFailureError
from studiomic.manifest import GraphTensors
from studiomic.runtimes.base import GraphSource, Tensor, zero_states
from studiomic.runtimes.verification import first_line


class VerifiedRuntime(ABC):
    """A Runtime whose file has been verified: it carries the contract's tensors under the file's own names."""

    _failures: tuple[type[Exception], ...] = (Exception,)
    """What `_call` raises where the runtime fails."""

    def __init__(self, source: GraphSource, name: str) -> None:
        names = source.file.names
        self._graph = source.graph
        self._name = name
        self._input_names = [names[tensor.name] for tensor in source.graph.inputs]
        self._output_names = [names[tensor.name] for tensor in source.graph.outputs]

    @property
    def name(self) -> str:
        return self._name

    @property
    def graph(self) -> GraphTensors:
        return self._graph

    def initial_states(self) -> list[Tensor]:
        return zero_states(self._graph)

    def run(self, audio: Tensor, controls: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        try:
            outputs = self._call(dict(zip(self._input_names, (audio, controls, *states), strict=True)))
            enhanced, *next_states = outputs
        except self._failures as error:
            raise RuntimeFailureError(
                f"{self._name} failed while running a hop: {first_line(error)}; wanted enhanced samples; reset the "
                "stream, and report this if it stays"
            ) from error
        return enhanced, next_states

    @abstractmethod
    def _call(self, feeds: dict[str, Tensor]) -> Iterable[Tensor]:
        """The outputs, in the contract's order and in fresh memory, for inputs by the file's names."""
