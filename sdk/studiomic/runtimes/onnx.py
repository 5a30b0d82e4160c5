"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
from typing import Any

from studiomic.errors import BundleCorruptError, ContractError, MissingExtraError, RuntimeFailureError
from studiomic.manifest import METADATA_KEY, GraphTensors
from studiomic.runtimes.base import GraphSource, Tensor, zero_states

_SEVERITY_ERROR = 3


class OnnxRuntime:
    """A graph in ONNX Runtime; opening it verifies the tensors and the metadata in the file against the manifest."""

    def __init__(self, source: GraphSource, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                f"running {source.path.name} needs the package 'onnxruntime', which cannot be imported ({error}); "
                "install it with: pip install --force-reinstall studiomic onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _SEVERITY_ERROR
        # A thread that spins while it waits for the next hop eats a phone's battery.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(source.content, options, providers=["CPUExecutionProvider"])
        # ONNX Runtime raises classes of its own that share no base but Exception.
        except Exception as error:
            raise BundleCorruptError(
                f"{source.path}: wanted a graph that ONNX Runtime {onnxruntime.__version__} can load, got: "
                f"{_first_line(error)}; install the bundle again, or a newer onnxruntime"
            ) from error
        _verify(source, self._session)
        names = source.file.names
        self._graph = source.graph
        self._input_names = [names[tensor.name] for tensor in source.graph.inputs]
        self._output_names = [names[tensor.name] for tensor in source.graph.outputs]
        self._name = f"ONNX Runtime {onnxruntime.__version__}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def graph(self) -> GraphTensors:
        return self._graph

    def initial_states(self) -> list[Tensor]:
        return zero_states(self._graph)

    def run(self, audio: Tensor, controls: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        feeds = dict(zip(self._input_names, (audio, controls, *states), strict=True))
        try:
            enhanced, *next_states = self._session.run(self._output_names, feeds)
        except Exception as error:
            raise RuntimeFailureError(
                f"{self._name} failed while running a hop: {_first_line(error)}; wanted enhanced samples; "
                "reset the stream, and report this if it stays"
            ) from error
        return enhanced, next_states


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _verify(source: GraphSource, session: Any) -> None:
    """Raise ContractError unless the loaded graph holds exactly what the manifest says."""
    path, file, graph = source.path, source.file, source.graph
    for role, nodes, tensors in (
        ("inputs", session.get_inputs(), graph.inputs),
        ("outputs", session.get_outputs(), graph.outputs),
    ):
        got = {node.name: (node.type, node.shape) for node in nodes}
        wanted = {file.names[tensor.name]: ("tensor(float)", list(tensor.shape)) for tensor in tensors}
        if got != wanted:
            raise ContractError(
                f"{path}: {role}: got {got}, wanted {wanted}; the file and the manifest are not of one export: "
                "install the bundle again"
            )
    metadata = session.get_modelmeta().custom_metadata_map
    embedded = metadata.get(METADATA_KEY)
    if embedded != source.embedded_contract:
        raise ContractError(
            f"{path}: metadata '{METADATA_KEY}': {_difference(embedded, source.embedded_contract)}; the file and the "
            "manifest are not of one export: install the bundle again"
        )


def _difference(got: str | None, wanted: str) -> str:
    """The first fact in which two embedded contracts differ, as text."""
    if got is None:
        return "got nothing, wanted the bundle's contract"
    try:
        found = json.loads(got)
    except ValueError:
        return "got text that is not JSON, wanted the bundle's contract"
    for key, value in json.loads(wanted).items():
        if not isinstance(found, dict) or found.get(key) != value:
            held = found.get(key) if isinstance(found, dict) else found
            return f"{key}: got {held}, wanted {value}"
    return "got the bundle's facts in another order or with additions, wanted them exactly as the manifest gives them"
