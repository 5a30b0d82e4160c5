"""The streaming graph as an ONNX file in three precisions, and that file run hop by hop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import torch

from export.calibration import HopInputs
from export.hop_graph import HopGraph
from export.hop_runner import INPUT_NAMES, OUTPUT_NAMES, Samples, check_precision
from export.onnx_precisions import quantize_products, to_fp16, to_int8
from export.onnx_storage import stored_compactly
from export.onnx_tidying import without_idle_nodes
from export.quiet import kept_quiet

OPERATOR_SET = 18
LOG_ERRORS = 3


@dataclass(frozen=True)
class StaticRanges:
    """How an int8 file also quantizes activations: to 8 or 16 bits, in the ranges met in these hops."""

    activation_bits: int
    hops: Sequence[HopInputs]


def convert_onnx(graph: HopGraph) -> onnx.ModelProto:
    """The graph in float32 with static shapes, each node with the exporter's note of where it comes from."""
    with torch.no_grad(), kept_quiet():
        program = torch.onnx.export(
            graph.eval(),
            graph.example_inputs(),
            dynamo=True,
            opset_version=OPERATOR_SET,
            input_names=INPUT_NAMES,
            output_names=OUTPUT_NAMES,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return without_idle_nodes(program.model_proto)


def write_onnx(
    graph: HopGraph,
    path: Path,
    precision: str,
    metadata: Mapping[str, str],
    converted: onnx.ModelProto | None = None,
    static: StaticRanges | None = None,
) -> dict[str, str]:
    """Write `graph` in `precision`, weights inside the file, `metadata` among its own properties.

    `converted`: what `convert_onnx(graph)` gave, which saves its time where several files are written. `static`:
    quantize activations too (int8 only). Returns the file's own names of the contract's tensors. Raises ValueError for
    an unknown precision.
    """
    check_precision(precision)
    source = convert_onnx(graph) if converted is None else converted
    model = onnx.ModelProto()
    if precision == "fp16":
        model = to_fp16(source)
    elif precision == "int8":
        model = to_int8(source) if static is None else quantize_products(source, static.activation_bits, static.hops)
    else:
        model.CopyFrom(source)
    save_onnx(stored_compactly(model), path, metadata)
    return {name: name for name in (*INPUT_NAMES, *OUTPUT_NAMES)}


def save_onnx(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a model as it ships: where each node came from is of no use on a phone, and names this machine's paths."""
    shipped = onnx.ModelProto()
    shipped.CopyFrom(model)
    for node in shipped.graph.node:
        del node.metadata_props[:]
    for value in (*shipped.graph.input, *shipped.graph.output, *shipped.graph.value_info, *shipped.graph.initializer):
        del value.metadata_props[:]
    del shipped.graph.metadata_props[:]
    onnx.helper.set_model_props(shipped, dict(metadata))
    onnx.checker.check_model(shipped, full_check=True)
    onnx.save_model(shipped, path, save_as_external_data=False)


def count_onnx_operators(path: Path) -> int:
    """Nodes of a file that run at every hop: what follows from constants alone is folded when a session is opened."""
    graph = onnx.load(path).graph
    known = {tensor.name for tensor in graph.initializer}
    running = 0
    for node in graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
        else:
            running += 1
    return running


class OnnxRunner:
    """A file in ONNX Runtime on one core of this machine's CPU; a HopRunner."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = LOG_ERRORS
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shapes = {tensor.name: tensor.shape for tensor in self._session.get_inputs()}
        self._state_size: int = shapes["state_0"][1]

    @property
    def runtime(self) -> str:
        return f"ONNX Runtime {onnxruntime.__version__}"

    @property
    def state_size(self) -> int:
        return self._state_size

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = self._session.run(OUTPUT_NAMES, {"audio": audio, "controls": controls, "state_0": state})
        return enhanced, next_state
