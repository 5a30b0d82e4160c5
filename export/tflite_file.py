"""The streaming graph as a TFLite file, in three precisions, and that file run hop by hop.

A reduced precision reduces the weights of the large matrix products alone: 16-bit floats, or 8-bit integers with a
scale an output channel. A runtime turns them back to 32 bits once, while it loads, and calculates in floats; where it
is asked for half precision (XNNPACK and the GPU on Arm) it calculates in that. The DFT, the states, the features and
the overlap-add keep 32 bits: they are small, and heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from export.factored_dft import FactoredDft
from export.hop_graph import HopGraph
from export.hop_runner import Samples, check_precision
from export.quiet import kept_quiet
from models.generators.bands import BandMeans
from models.generators.declipping import Declipping
from models.generators.falls import Falls
from models.generators.room_gate import RoomGate
from studiomic.runtimes.tflite import TfliteInterpreter

INTEGER_BITS = 8
SMALLEST_MATRIX = 1024
"""Elements: below that a matrix is kept as it is, for a step that turns it back would cost more than it saves."""
MATRIX_PRODUCTS = ("BATCH_MATMUL", "FULLY_CONNECTED")
MATRIX_OPERANDS = 2
"""The first two inputs of a product are matrices, a third one is the bias."""
KEPT_IN_FLOATS = tuple(kind.__module__ for kind in (FactoredDft, Declipping, BandMeans, Falls, RoomGate))
"""Operators are named after the modules that they come from; those of these keep 32 bits: they have no weights, or
decide near a threshold, or share a matrix with what does."""
TURNED_TO_INTEGERS = f"^((?!{'|'.join(map(re.escape, KEPT_IN_FLOATS))}).)*$"
"""The operators of all other modules."""


class _NamedGraph(nn.Module):
    """The graph with the contract's names, which become the names in the file's signature."""

    def __init__(self, graph: HopGraph) -> None:
        super().__init__()
        self.streaming = graph  # a module named 'graph' would hide torch.fx's own

    def forward(self, audio: Tensor, controls: Tensor, state_0: Tensor) -> dict[str, Tensor]:
        enhanced, next_state = self.streaming(audio, controls, state_0)
        return {"enhanced": enhanced, "next_state_0": next_state}


def convert_tflite(graph: HopGraph) -> bytes:
    """The graph in float32 as the converter gives it: what `write_tflite` makes the files of every precision from.

    Takes half a minute: convert once.
    """
    with kept_quiet():
        import litert_torch

        audio, controls, state = graph.example_inputs()
        model = litert_torch.convert(
            _NamedGraph(graph).eval(), sample_kwargs={"audio": audio, "controls": controls, "state_0": state}
        )
        content: bytes = model.model_content()
    return content


def write_tflite(
    graph: HopGraph, path: Path, precision: str, metadata: Mapping[str, str], converted: bytes | None = None
) -> dict[str, str]:
    """Write `graph` with weights in `precision`, and `metadata` in the file's table of metadata.

    `converted`: what `convert_tflite(graph)` gave, which saves its time where several files are written. Returns the
    file's own names, those in its signature, of the contract's tensors. Raises ValueError for an unknown precision.
    """
    check_precision(precision)
    from ai_edge_litert.tools import flatbuffer_utils

    content = convert_tflite(graph) if converted is None else converted
    model = _as_object(_in_integers(content) if precision == "int8" else content)
    if precision == "fp16":
        _halve_weights(model)
    _rename_tensors(model)
    for key, value in metadata.items():
        _add_metadata(model, key, value)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    (signature,) = model.signatureDefs
    return {name: name for name in (tensor.name.decode() for tensor in (*signature.inputs, *signature.outputs))}


def _in_integers(converted: bytes) -> bytes:
    """The model with 8-bit weights, a scale an output channel, and everything else in floats.

    Of all schemes it is the one that loses little and costs no time: see `python -m benchmarks.tflite_schemes`.
    """
    with kept_quiet():
        from ai_edge_quantizer import qtyping, quantizer

        work = quantizer.Quantizer(bytearray(converted))
        for operator in MATRIX_PRODUCTS:
            work.add_weight_only_config(TURNED_TO_INTEGERS, qtyping.TFLOperationName(operator), INTEGER_BITS)
        return bytes(work.quantize().quantized_model)


def _halve_weights(model: Any) -> None:
    """Put 16-bit floats, and a step that turns them back, in place of large constant matrices.

    Done here since the quantizer casts the weights of FULLY_CONNECTED alone, and most of ours are in BATCH_MATMUL.
    """
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first that takes 16-bit floats
    model.operatorCodes.append(code)
    steps = []
    for index in sorted(set(_large_matrices(model))):
        tensor = graph.tensors[index]
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32)
        stored = schema.TensorT()
        stored.shape, stored.type, stored.name = tensor.shape, schema.TensorType.FLOAT16, tensor.name + b";half"
        stored.buffer = _add_buffer(model, values.astype(np.float16).view(np.uint8))
        graph.tensors.append(stored)
        model.buffers[tensor.buffer].data, tensor.buffer = None, 0  # buffer 0 is that of all that is calculated
        step = schema.OperatorT()
        step.opcodeIndex = len(model.operatorCodes) - 1
        step.inputs, step.outputs = [len(graph.tensors) - 1], [index]
        step.builtinOptionsType, step.builtinOptions = (
            schema.BuiltinOptions.DequantizeOptions,
            schema.DequantizeOptionsT(),
        )
        steps.append(step)
    graph.operators = steps + graph.operators


def _large_matrices(model: Any) -> Iterator[int]:
    """The tensors that are large constant operands of matrix products, of modules that may keep less than 32 bits."""
    from ai_edge_litert.tools import flatbuffer_utils

    (graph,) = model.subgraphs
    for operator in graph.operators:
        name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        made = graph.tensors[operator.outputs[0]].name.decode()
        if name in MATRIX_PRODUCTS and not any(module in made for module in KEPT_IN_FLOATS):
            for index in operator.inputs[:MATRIX_OPERANDS]:
                tensor = graph.tensors[index]
                if model.buffers[tensor.buffer].data is not None and np.prod(tensor.shape) >= SMALLEST_MATRIX:
                    yield int(index)


def _as_object(content: bytes) -> Any:
    """The flatbuffer as objects that can be changed, with data that the quantizer put behind it taken in: old readers
    know no data outside of the flatbuffer."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for buffer in model.buffers:
        if buffer.size:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _rename_tensors(model: Any) -> None:
    """Short names: where each tensor came from is of no use on a phone, and takes a tenth of the smallest file."""
    (graph,) = model.subgraphs
    (signature,) = model.signatureDefs
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"tensor_{index}"
    for named in (*signature.inputs, *signature.outputs):
        graph.tensors[named.tensorIndex].name = named.name


def _add_metadata(model: Any, key: str, value: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    entry = schema.MetadataT()
    entry.name = key
    entry.buffer = _add_buffer(model, np.frombuffer(value.encode(), np.uint8))
    model.metadata = [*(model.metadata or []), entry]


def _add_buffer(model: Any, data: NDArray[np.uint8]) -> int:
    """Append a buffer and return its index."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    return len(model.buffers) - 1


class TfliteRunner:
    """A file in the TFLite interpreter on one core of this machine's CPU; a HopRunner."""

    def __init__(self, path: Path) -> None:
        self._interpreter = TfliteInterpreter(path.read_bytes(), threads=1)
        (_, self._state_size) = self._interpreter.inputs["state_0"].shape

    @property
    def runtime(self) -> str:
        return self._interpreter.name

    @property
    def state_size(self) -> int:
        return self._state_size

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        outputs = self._interpreter.run({"audio": audio, "controls": controls, "state_0": state})
        return outputs["enhanced"], outputs["next_state_0"]
