"""The small graph of `tests.support.graphs` as TFLite files, put together operator by operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from studiomic.manifest import METADATA_KEY, Manifest, sha256_of
from tests.support.graphs import graph_file, graph_tensors, own_name, write_small_bundle

OPERATORS = schema.BuiltinOperator
NO_DATA = 0
"""Buffer 0 is that of all tensors which are calculated."""


class _Builder:
    """A model with one subgraph, to which tensors and operators are added."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.subgraphs = [self.graph]
        self.model.operatorCodes, self.model.metadata = [], []
        self.model.buffers = [schema.BufferT()]

    def buffer(self, data: bytes) -> int:
        made = schema.BufferT()
        made.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(made)
        return len(self.model.buffers) - 1

    def tensor(self, name: str, shape: tuple[int, ...], buffer: int = NO_DATA, whole: bool = False) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, list(shape), buffer
        made.type = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def number(self, value: float) -> int:
        return self.tensor(f"number {value}", (1, 1), self.buffer(np.float32(value).tobytes()))

    def numbers(self, *values: int) -> int:
        data = np.array(values, np.int32).tobytes()
        return self.tensor(f"numbers {values}", (len(values),), self.buffer(data), whole=True)

    def operator(self, kind: str, inputs: list[int], output: int, **options: Any) -> int:
        """Add an operator and return its output."""
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(OPERATORS, kind)
        code.version = 1
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.model.operatorCodes), inputs, [output]
        names = {"MEAN": "Reducer", "MINIMUM": "MaximumMinimum"}
        title = names.get(kind, kind.capitalize()) + "Options"
        made.builtinOptionsType = getattr(schema.BuiltinOptions, title)
        made.builtinOptions = getattr(schema, title + "T")()
        for option, value in options.items():
            setattr(made.builtinOptions, option, value)
        self.model.operatorCodes.append(code)
        self.graph.operators.append(made)
        return output


def small_tflite(channels: int, contract: str) -> Any:
    """The small graph as a model object with `contract` in its metadata, to be changed or written."""
    build = _Builder()
    tensors = graph_tensors(channels)
    inputs = {tensor.name: build.tensor(tensor.name, tensor.shape) for tensor in tensors.inputs}
    outputs = {tensor.name: build.tensor(tensor.name, tensor.shape) for tensor in tensors.outputs}
    half, quarter, one = build.number(0.5), build.number(0.25), build.number(1.0)
    temporaries = iter(range(1000))

    def made(kind: str, *operands: int, shape: tuple[int, ...] = (1, 1), **options: Any) -> int:
        output = build.tensor(f"made {next(temporaries)}", shape)
        return build.operator(kind, list(operands), output, **options)

    def control(index: int) -> int:
        return made("SLICE", inputs["controls"], build.numbers(0, index), build.numbers(1, 1))

    magnitude = made("ABS", inputs["audio"], shape=tensors.inputs[0].shape)
    mean = made("MEAN", magnitude, build.numbers(0, 1), keepDims=True)
    level = build.operator("MUL", [made("ADD", inputs["state_1"], mean), half], outputs["next_state_1"])
    followed = made("MUL", made("MUL", control(1), quarter), made("MINIMUM", level, one))
    kept = made("SUB", one, made("MUL", control(0), half))
    extended = made("ADD", one, made("MUL", control(2), quarter))
    gain = made("MUL", made("MUL", kept, extended), made("SUB", one, followed))
    build.operator("MUL", [inputs["state_0"], gain], outputs["enhanced"])
    build.operator("MUL", [inputs["audio"], one], outputs["next_state_0"])

    build.graph.inputs, build.graph.outputs = list(inputs.values()), list(outputs.values())
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    # In another order than the graph's, so that only the names tell which is which.
    signature.inputs = [_named(name, index) for name, index in reversed(inputs.items())]
    signature.outputs = [_named(name, index) for name, index in reversed(outputs.items())]
    build.model.signatureDefs = [signature]
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_KEY, build.buffer(contract.encode())
    build.model.metadata = [entry]
    return build.model


def write_tflite_model(model: Any, path: Path) -> None:
    """Write a model object as a file."""
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_tflite_model(path: Path) -> Any:
    """The model object of a file."""
    return flatbuffer_utils.read_model(str(path))


def write_bundle_in_two_formats(folder: Path) -> Path:
    """Write the small graph as a bundle of ONNX and TFLite files into `folder`, the ONNX files first; return it."""
    manifest = Manifest.read(write_small_bundle(folder))
    files = []
    for channels in (1, 2):
        path = folder / graph_file(channels, format="tflite").path
        write_tflite_model(small_tflite(channels, manifest.embedded_contract(channels)), path)
        files.append(graph_file(channels, sha256_of(path), "tflite"))
    replace(manifest, files=(*manifest.files, *files)).write(folder)
    return folder


def _named(name: str, index: int) -> Any:
    named = schema.TensorMapT()
    named.name, named.tensorIndex = own_name(name), index
    return named
