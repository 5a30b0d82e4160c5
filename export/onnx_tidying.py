"""ONNX graphs without what the exporter leaves over: nodes that give back what they take or that make constants of
constants, constants that none uses."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ValueInfoProto, numpy_helper

IDLE_OPERATORS = ("Concat", "Identity", "Reshape", "Split")
"""Of one input and one output of the same shape, they change nothing."""
REPEATING = "ConstantOfShape"
SHAPED_BY_AN_INPUT = ("Reshape", "Split")
"""Their second input only says how."""


def without_idle_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model without the nodes that change nothing, as a reshape to the shape that is there, and with
    constants in place of those that repeat one value in a constant shape."""
    tidy = onnx.ModelProto()
    tidy.CopyFrom(onnx.shape_inference.infer_shapes(model))
    graph = tidy.graph
    _store_repeated_values(graph)
    shapes = {value.name: _shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    outputs = {value.name for value in graph.output}
    source: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = source.get(name, name)
        data = node.input[:1] if node.op_type in SHAPED_BY_AN_INPUT else node.input
        idle = (
            node.op_type in IDLE_OPERATORS
            and len(data) == len(node.output) == 1
            and node.output[0] not in outputs
            and shapes.get(node.output[0]) is not None
            and shapes.get(node.output[0]) == shapes.get(data[0])
        )
        if idle:
            source[node.output[0]] = data[0]
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused_constants(tidy)
    return tidy


def _store_repeated_values(graph: onnx.GraphProto) -> None:
    """Constants in place of nodes that make them, as those have a type of their own, whatever becomes of the others."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == REPEATING and node.input[0] in stored]:
        shape = numpy_helper.to_array(stored[node.input[0]]).tolist()
        values = [numpy_helper.to_array(attribute.t) for attribute in node.attribute]
        value = values[0] if values else np.zeros(1, np.float32)
        graph.initializer.append(numpy_helper.from_array(np.full(shape, value[0]), node.output[0]))
        graph.node.remove(node)


def drop_unused_constants(model: onnx.ModelProto) -> None:
    """Take the constants out of a model that no node uses."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _shape(value: ValueInfoProto) -> tuple[int, ...] | None:
    """A value's shape, None where it is not static."""
    axes = value.type.tensor_type.shape.dim
    return tuple(axis.dim_value for axis in axes) if all(axis.HasField("dim_value") for axis in axes) else None
