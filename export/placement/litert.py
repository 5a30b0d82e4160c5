"""TFLite files on LiteRT's XNNPACK delegate, which is asked itself, and on its GPU delegate, by that delegate's rules.

LiteRT's own analyzer says of any model that it "looks compatible with GPU delegate", of one with a sort in it too: the
Python package is built without the check. So the rules are here, from their source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.placement.record import Placement, count_partitions, placed
from export.quiet import kept_quiet

XNNPACK = "LiteRT XNNPACK"
GPU = "LiteRT GPU"
GPU_SOURCE = "tensorflow/lite/tools/versioning/gpu_compatibility.cc"
LARGEST_RANK = 4
SLICED_RANKS = (3, 4)
PADDED_RANKS = (3, 4)
DELEGATE = "DELEGATE"
# fmt: off
GPU_OPERATORS = frozenset(
    {
        "ABS", "ADD", "ADD_N", "ATAN2", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CAST", "CEIL", "CONCATENATION", "CONV_2D",
        "COS", "CUMSUM", "DENSIFY", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE",
        "ELU", "EMBEDDING_LOOKUP", "EQUAL", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "FULLY_CONNECTED", "GATHER",
        "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND",
        "LOGISTIC", "LSTM", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG", "NOT_EQUAL",
        "ONE_HOT", "PACK", "PAD", "PADV2", "POW", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD",
        "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SELECT",
        "SELECT_V2", "SIGN", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE",
        "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TILE", "TRANSPOSE", "TRANSPOSE_CONV",
    }
)
# fmt: on


@dataclass(frozen=True)
class Operator:
    """An operator of a TFLite graph, its tensors by number, and the shape and constness of each."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: Mapping[int, tuple[int, ...]]
    constants: frozenset[int]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        return [self.shapes[tensor] for tensor in self.inputs]


def read_operators(path: Path) -> list[Operator]:
    """The operators of a file's main graph, in their order."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    graph = model.subgraphs[0]
    shapes = {
        index: tuple(int(axis) for axis in tensor.shape) if tensor.shape is not None else ()
        for index, tensor in enumerate(graph.tensors)
    }
    constants = frozenset(
        index for index, tensor in enumerate(graph.tensors) if model.buffers[tensor.buffer].data is not None
    )
    return [
        Operator(
            names[model.operatorCodes[operator.opcodeIndex].builtinCode],
            tuple(int(tensor) for tensor in operator.inputs if tensor >= 0),
            tuple(int(tensor) for tensor in operator.outputs),
            shapes,
            constants,
        )
        for operator in graph.operators
    ]


def _is_outer_product(operator: Operator) -> bool:
    first, second = operator.input_shapes[:2]
    if len(first) != len(second):
        return False
    pairs = list(zip(first, second, strict=True))
    return any(a < b for a, b in pairs) and any(b < a for a, b in pairs)


GPU_REFUSALS: Mapping[str, tuple[str, Callable[[Operator], bool]]] = {
    "SLICE": ("not of rank 3 or 4", lambda operator: len(operator.input_shapes[0]) not in SLICED_RANKS),
    "STRIDED_SLICE": ("not of rank 3 or 4", lambda operator: len(operator.input_shapes[0]) not in SLICED_RANKS),
    "PAD": ("not of rank 3 or 4", lambda operator: len(operator.input_shapes[0]) not in PADDED_RANKS),
    "PADV2": ("not of rank 3 or 4", lambda operator: len(operator.input_shapes[0]) not in PADDED_RANKS),
    "MUL": ("of a column with a row", _is_outer_product),
    "FULLY_CONNECTED": ("of a constant", lambda operator: operator.inputs[0] in operator.constants),
}
"""Why, and when, an operator of the list is refused all the same."""


def gpu_refusal(operator: Operator) -> str | None:
    """Why the GPU delegate leaves an operator: its name, with the reason where it is not the operator itself."""
    if operator.name not in GPU_OPERATORS:
        return operator.name
    if max(len(operator.shapes[tensor]) for tensor in (*operator.inputs, *operator.outputs)) > LARGEST_RANK:
        return f"{operator.name} above rank {LARGEST_RANK}"
    reason, refused = GPU_REFUSALS.get(operator.name, ("", lambda _: False))
    return f"{operator.name} {reason}" if refused(operator) else None


def place_on_gpu(operators: Sequence[Operator]) -> Placement:
    """By the delegate's rules."""
    refusals = [gpu_refusal(operator) for operator in operators]
    taken = [refusal is None for refusal in refusals]
    names = [refusal or operator.name for refusal, operator in zip(refusals, operators, strict=True)]
    return placed(GPU, names, taken, count_partitions(operators, taken), GPU_SOURCE)


def place_on_xnnpack(path: Path, operators: Sequence[Operator]) -> Placement:
    """By the delegate itself: the operators between what each of its pieces takes and gives are its own."""
    with kept_quiet():
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        details = interpreter._get_ops_details()
    made_by = {tensor: index for index, operator in enumerate(operators) for tensor in operator.outputs}
    taken: set[int] = set()
    pieces = [piece for piece in details if piece["op_name"] == DELEGATE]
    for piece in pieces:
        given = {int(tensor) for tensor in piece["inputs"]}
        open_tensors = [int(tensor) for tensor in piece["outputs"]]
        while open_tensors:
            index = made_by.get(open_tensors.pop())
            if index is not None and index not in taken:
                taken.add(index)
                open_tensors += [tensor for tensor in operators[index].inputs if tensor not in given]
    names = [operator.name for operator in operators]
    here = [index in taken for index in range(len(operators))]
    return placed(XNNPACK, names, here, len(pieces), "LiteRT's delegate itself")


def place_on_litert(path: Path) -> list[Placement]:
    """A TFLite file on both."""
    operators = read_operators(path)
    return [place_on_xnnpack(path, operators), place_on_gpu(operators)]
