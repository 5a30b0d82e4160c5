"""The ONNX graph in fewer bits.

fp16: inputs, outputs, states and the dry path stay in float32, and so does all that leads to the features and to the
gate of rooms: in float16 a full-scale bass line's rounding fills the quiet highs of the DFT with noise that passes for
music, and running statistics with time constants of seconds no longer move. The recurrences stay too: what a state with
a memory of many hops takes in at each is less than float16's rounding of it, and generators that use long memories lose
10 dB within seconds. (SNR against fp32 on degraded music with one part in float16 and the rest in float32: DFT 35 to 80
dB, features 41 to 100, any other part above 79.) Casts are put by hand: ONNX Runtime's own converter also rounds what
passes between two nodes that are both kept in float32.

ONNX Runtime on x86 has no float16 arithmetic: it casts to float32 before a node and back after it. There a file's
rounding is checked, not its arithmetic; only an Arm processor proves that.

int8: the network's matrices are stored in 8 bits, one scale for each column of each band's matrix, and calculate in
float32. `Cast` and `Mul` on constants are folded when a session is opened, so that a hop costs what it costs in fp32;
the `DequantizeLinear` of the usual scheme is run anew at every hop. The DFTs, windows, states, dry path and overlap-add
stay in float32.

Static quantization, where activations are in 8 or 16 bits as well, is made by ONNX Runtime's own quantizer and is not
the default: on a CPU it is slower than fp32, for a hop multiplies one row by small matrices, and quantizing what goes
in and dequantizing what comes out of each of 50 products costs more than the integers save. It is there for NPUs that
want integers. `python -m export.sensitivity` measures; on degraded training music, SNR to fp32 in dB, mean (worst):

                     weights in 8 bits   activations in 8 too   activations in 16
    DFT              54 (27)             28 (11)                41 (20)
    inverse DFT      78 (59)             35 (20)                66 (54)
    encoder          81 (61)             61 (42)                76 (56)
    decoder          78 (65)             58 (46)                68 (56)
    bin mixing       69 (55)             52 (41)                65 (51)
    band means       exact               exact (25)             exact (25)
    any other part   above 80 (64)       above 63 (47)          above 80 (64)
    the network      68 (54)             46 (25)                56 (25)
    time a hop       as fp32             1.3 of fp32            1.7 of fp32

So all of the network is stored in 8 bits, the DFTs are not, and where activations are quantized the bins' network is
what is heard first; on one clip the means of bands open a gate that stays shut otherwise.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from export.calibration import HopInputs
from export.hop_runner import INPUT_NAMES
from export.onnx_tidying import drop_unused_constants
from export.quiet import kept_quiet
from export.streaming_graph import RECURRENCE, STATISTICS

MOVES = ("Concat", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that only move numbers."""
MATRIX_PARTS = (
    "generator.encoder",
    "generator.blocks",
    "generator.decoder",
    "generator.bin_mixing",
    "generator.band_means",
    "generator.colouring",
    "generator.envelope",
    # not the gate of rooms: it decides near a threshold, where rounding is heard at once, and is small
)
"""The modules whose matrices are weights; those of the DFT are none: their errors would be tones."""
PRODUCTS = ("Gemm", "MatMul")
FACTORS = 2
"""The first two inputs of a product; a third one is the bias."""
LARGEST_INTEGER = 127
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
"""Under which the exporter notes the modules that a node comes from, outermost first, and the operator at the end."""

Model = onnx.ModelProto


def scope_of(node: NodeProto) -> str:
    """The innermost module that a node comes from: "generator.blocks.0.time", "dft", "" for the graph itself."""
    for entry in node.metadata_props:
        if entry.key == SCOPES_KEY:
            scopes: list[str] = ast.literal_eval(entry.value)
            return next((scope for scope in reversed(scopes[:-1]) if scope), "")
    return ""


def is_within(scope: str, parts: Iterable[str]) -> bool:
    """Whether a module is one of `parts` or lies in one."""
    return any(scope == part or scope.startswith(f"{part}.") for part in parts)


def matrix_products(model: Model, parts: Collection[str] = MATRIX_PARTS) -> list[NodeProto]:
    """The products of `parts` in which one side is a stored matrix."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type in PRODUCTS and is_within(scope_of(node), parts) and stored & set(node.input[:FACTORS])
    ]


# ---- float16


def to_fp16(model: Model, kept: Callable[[Model], set[str]] | None = None) -> Model:
    """A copy of a float32 `model` whose nodes calculate in float16, save those named by `kept` (default:
    `float32_nodes`). Inputs and outputs stay float32.
    """
    half = Model()
    half.CopyFrom(onnx.shape_inference.infer_shapes(model))
    graph = half.graph
    stays = (kept or float32_nodes)(half)
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    types |= {name: tensor.data_type for name, tensor in stored.items()}
    is_float = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
    held_in_half = {name for node in graph.node if node.name not in stays for name in node.output if name in is_float}
    outputs = {value.name for value in graph.output}
    nodes: list[NodeProto] = []
    made: dict[tuple[str, int], str] = {}

    def held_as(name: str, kind: int) -> str:
        """`name` in the other kind, cast once."""
        if (name, kind) not in made:
            made[name, kind] = other = f"{name}.{'fp16' if kind == TensorProto.FLOAT16 else 'fp32'}"
            if name in stored:
                values = numpy_helper.to_array(stored[name])
                graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), other))
            else:
                nodes.append(helper.make_node("Cast", [name], [other], f"cast_{other}", to=kind))
        return made[name, kind]

    for node in list(graph.node):
        in_half = node.name not in stays
        for index, name in enumerate(node.input):
            if name in is_float and (name in held_in_half) != in_half:
                node.input[index] = held_as(name, TensorProto.FLOAT16 if in_half else TensorProto.FLOAT)
        nodes.append(node)
        if in_half and outputs & set(node.output):
            raise ValueError(f"{node.name} makes the output {node.output[0]}: wanted it among the nodes in float32")
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    drop_unused_constants(half)
    return half


def float32_nodes(model: Model) -> set[str]:
    """The names of the nodes that must stay in float32: what leads to the features, the features, the recurrences, the
    unpacking and packing of the state, and the dry path.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    scopes = {node.name: _scope_by_use(graph, node) for node in graph.node}
    statistics = [node for node in graph.node if scopes[node.name] in STATISTICS]
    kept = {node.name for node in statistics}
    kept |= _names_leading_to([name for node in statistics for name in node.input], makers)
    kept |= {name for name, scope in scopes.items() if scope.endswith(RECURRENCE)}
    unpacked = {value.name for value in graph.input}
    for node in graph.node:
        if unpacked & set(node.input) and node.op_type in MOVES:
            unpacked |= set(node.output)
            kept.add(node.name)
    packing = {name: node for name, node in makers.items() if scope_of(node) == "" and node.op_type in (*MOVES, "Add")}
    return kept | _names_leading_to([value.name for value in graph.output], packing)


def _names_leading_to(values: Iterable[str], makers: Mapping[str, NodeProto]) -> set[str]:
    """The names of those of `makers`, by what they make, that lead to `values` without a gap."""
    found: set[str] = set()
    waiting = list(values)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def _scope_by_use(graph: onnx.GraphProto, node: NodeProto) -> str:
    """A node's scope; of a node for which the exporter noted none (a split), that of the first node that uses it."""
    if node.metadata_props:
        return scope_of(node)
    return next((scope_of(user) for user in graph.node if set(node.output) & set(user.input)), "")


# ---- 8 bits


def to_int8(model: Model, parts: Collection[str] = MATRIX_PARTS) -> Model:
    """A copy of a float32 `model` whose matrices of `parts` are stored in 8 bits and calculate in float32."""
    small = Model()
    small.CopyFrom(model)
    graph = small.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    opened: list[NodeProto] = []
    for node in matrix_products(small, parts):
        for position, name in enumerate(node.input[:FACTORS]):
            if name in stored:
                integers, scale = rounded_to_int8(numpy_helper.to_array(stored[name]), contracted_axis(node, position))
                graph.initializer.remove(stored.pop(name))
                graph.initializer.append(numpy_helper.from_array(integers, f"{name}.int8"))
                graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
                opened.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=TensorProto.FLOAT))
                opened.append(helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]))
    nodes = [*opened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return small


def contracted_axis(node: NodeProto, position: int) -> int:
    """The axis of a product's first or second factor that is summed over."""
    transposed = any(entry.name == ("transA", "transB")[position] and entry.i for entry in node.attribute)
    return -1 if (position == 0) != transposed else -2


def rounded_to_int8(matrix: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Integers and scales (`axis` kept, of length 1) with integers * scales near `matrix`; symmetric, -127 to 127."""
    largest = np.max(np.abs(matrix), axis=axis, keepdims=True)
    scale = np.where(largest > 0, largest / LARGEST_INTEGER, 1.0).astype(np.float32)
    return np.round(matrix / scale).astype(np.int8), scale


class _Hops(CalibrationDataReader):
    """Calibration hops as ONNX Runtime's quantizer asks for them."""

    def __init__(self, hops: Sequence[HopInputs]) -> None:
        self._feeds = iter([dict(zip(INPUT_NAMES, (hop.audio, hop.controls, hop.state), strict=True)) for hop in hops])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


ACTIVATIONS = {8: QuantType.QUInt8, 16: QuantType.QUInt16}
"""By the bits of an activation; weights are signed 8-bit integers."""


def quantize_products(
    model: Model, activation_bits: int, hops: Sequence[HopInputs], parts: Collection[str] = MATRIX_PARTS
) -> Model:
    """A copy of a float32 `model` whose matrix products in `parts` are statically quantized (QDQ), with ranges from
    `hops`.

    Weights get a scale a column where ONNX Runtime then multiplies integers (plain matrices on the right), else one
    scale. Raises ValueError for bits other than 8 and 16.
    """
    if activation_bits not in ACTIVATIONS:
        raise ValueError(f"activation bits: got {activation_bits}, wanted 8 or 16")
    products = matrix_products(model, parts)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    one_scale = {"quant_type": QuantType.QInt8, "symmetric": True}
    overrides = {
        name: [one_scale]
        for node in products
        for position, name in enumerate(node.input[:FACTORS])
        if name in stored and (position == 0 or len(stored[name].dims) > 2)
    }
    with tempfile.TemporaryDirectory() as folder, kept_quiet():
        float_model, quantized = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        onnx.save(model, float_model)  # the quantizer would move the weights of a model in memory to a file of its own
        quantize_static(
            float_model,
            quantized,
            _Hops(hops),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=ACTIVATIONS[activation_bits],
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(PRODUCTS),
            nodes_to_quantize=[node.name for node in products],
            extra_options={"WeightSymmetric": True, "TensorQuantOverrides": overrides},
        )
        return onnx.load(quantized)
