"""A saved .mlpackage read back: its MIL program as plain operations and numpy constants, its metadata.

Only what the specification says is used (the protobuf messages that coremltools ships, and its reader of the weights'
file); nothing of the converter that wrote the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.quiet import kept_quiet

SPECIFICATION = Path("Data", "com.apple.CoreML", "model.mlmodel")
WEIGHTS = Path("Data", "com.apple.CoreML", "weights", "weight.bin")
_WEIGHTS_IN_PROGRAM = "@model_path/weights/weight.bin"
CONSTANT = "const"

Constant = NDArray[Any] | str


class TensorType(NamedTuple):
    """What the program declares of a value: "fp32", "fp16", "int32", "bool", "string"..., and its static shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One operator: the names of the values that it takes, by parameter, and of those that it makes."""

    kind: str
    name: str
    inputs: dict[str, tuple[str, ...]]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class MilProgram:
    """The `main` function of a package; `operations` in the order of the file, constants apart."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: dict[str, TensorType]
    constants: dict[str, Constant]
    operations: tuple[Operation, ...]
    metadata: dict[str, str]
    boundary: dict[str, TensorType]
    """Inputs and outputs as the package describes them to its caller."""


def read_program(path: Path) -> MilProgram:
    """Read a package. Raises ValueError where it is no ML Program of one function and one block, or where a value is
    of a kind that this reader does not know."""
    with kept_quiet():
        from coremltools import proto
        from coremltools.libmilstoragepython import _BlobStorageReader
    specification = proto.Model_pb2.Model()
    specification.ParseFromString((path / SPECIFICATION).read_bytes())
    if specification.WhichOneof("Type") != "mlProgram" or list(specification.mlProgram.functions) != ["main"]:
        raise ValueError(f"{path}: wanted an ML Program of the one function 'main'")
    function = specification.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    reader = _BlobStorageReader(str(path / WEIGHTS))
    types = {value.name: _tensor_type(value.type) for value in function.inputs}
    constants: dict[str, Constant] = {}
    operations = []
    for operation in block.operations:
        types.update({value.name: _tensor_type(value.type) for value in operation.outputs})
        outputs = tuple(value.name for value in operation.outputs)
        if operation.type == CONSTANT:
            constants[outputs[0]] = _read_value(operation.attributes["val"], reader)
            continue
        if operation.blocks:
            raise ValueError(f"{path}: operator '{operation.type}' holds a block of its own, wanted a flat program")
        inputs = {}
        for parameter, bound in operation.inputs.items():
            inputs[parameter] = tuple(argument.name for argument in bound.arguments)
            if not all(inputs[parameter]):
                raise ValueError(f"{path}: '{parameter}' of '{operation.type}' is given in place, wanted it by name")
        # constants of compressed weights stand among the attributes
        for parameter, value in operation.attributes.items():
            if parameter != "name":
                inputs[parameter] = (f"{outputs[0]}/{parameter}",)
                constants[f"{outputs[0]}/{parameter}"] = _read_value(value, reader)
        operations.append(Operation(operation.type, outputs[0], inputs, outputs))
    description = specification.description
    return MilProgram(
        inputs=tuple(value.name for value in function.inputs),
        outputs=tuple(block.outputs),
        types=types,
        constants=constants,
        operations=tuple(operations),
        metadata=dict(description.metadata.userDefined),
        boundary={value.name: _boundary_type(value.type) for value in (*description.input, *description.output)},
    )


_DTYPES = {
    "FLOAT32": ("fp32", np.float32),
    "FLOAT16": ("fp16", np.float16),
    "INT32": ("int32", np.int32),
    "UINT32": ("uint32", np.uint32),
    "INT8": ("int8", np.int8),
    "UINT8": ("uint8", np.uint8),
    "BOOL": ("bool", np.bool_),
    "STRING": ("string", np.str_),
}


def _dtype(number: int) -> tuple[str, Any]:
    from coremltools.proto import MIL_pb2

    name = MIL_pb2.DataType.Name(number)
    if name not in _DTYPES:
        raise ValueError(f"got a value of type {name}, wanted one of: {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _tensor_type(described: Any) -> TensorType:
    tensor = described.tensorType
    return TensorType(_dtype(tensor.dataType)[0], tuple(axis.constant.size for axis in tensor.dimensions))


def _boundary_type(described: Any) -> TensorType:
    array = described.multiArrayType
    names = {value.number: value.name for value in array.DESCRIPTOR.fields_by_name["dataType"].enum_type.values}
    dtypes = {"FLOAT32": "fp32", "FLOAT16": "fp16", "INT32": "int32"}
    return TensorType(dtypes[names[array.dataType]], tuple(array.shape))


def _read_value(described: Any, reader: Any) -> Constant:
    tensor = described.type.tensorType
    name, dtype = _dtype(tensor.dataType)
    shape = tuple(axis.constant.size for axis in tensor.dimensions)
    if described.WhichOneof("value") == "blobFileValue":
        if described.blobFileValue.fileName != _WEIGHTS_IN_PROGRAM:
            raise ValueError(f"got weights in '{described.blobFileValue.fileName}', wanted '{_WEIGHTS_IN_PROGRAM}'")
        data = _read_blob(reader, name, described.blobFileValue.offset)
    else:
        held = described.immediateValue.tensor
        kind = held.WhichOneof("value")
        if name == "string":
            return str(held.strings.values[0])
        stored = getattr(held, kind).values
        data = np.frombuffer(stored, dtype) if kind == "bytes" else np.array(stored, dtype)
    value: NDArray[Any] = data.view(dtype).reshape(shape)
    return value


def _read_blob(reader: Any, dtype: str, offset: int) -> NDArray[Any]:
    readers = {
        "fp32": reader.read_float_data,
        "fp16": reader.read_fp16_data,
        "int8": reader.read_int8_data,
        "uint8": reader.read_uint8_data,
        "int32": reader.read_int32_data,
        "uint32": reader.read_uint32_data,
    }
    if dtype not in readers:
        raise ValueError(f"got weights of type {dtype}, wanted one of: {', '.join(readers)}")
    return np.asarray(readers[dtype](offset))
