"""What changes nothing goes, everything else stays."""

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from export.onnx_tidying import without_idle_nodes


def small(*nodes: NodeProto) -> onnx.ModelProto:
    """From x [2, 3] to y [2, 3], with constants for shapes."""
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 3)) for name in "xy"}
    constants = {"same": [2, 3], "other": [3, 2], "sizes": [2], "parts": [1, 1]}
    stored = [numpy_helper.from_array(np.array(shape, np.int64), name) for name, shape in constants.items()]
    graph = helper.make_graph(nodes, "small", [value["x"]], [value["y"]], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    "idle",
    [
        helper.make_node("Reshape", ["x", "same"], ["a"]),
        helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node("Split", ["x", "sizes"], ["a"], axis=0),
        helper.make_node("Concat", ["x"], ["a"], axis=0),
    ],
)
def test_what_gives_back_what_it_takes_is_left_out(idle: NodeProto) -> None:
    tidy = without_idle_nodes(small(idle, helper.make_node("Exp", ["a"], ["y"])))
    assert [(node.op_type, list(node.input)) for node in tidy.graph.node] == [("Exp", ["x"])]
    assert not tidy.graph.initializer


def test_what_does_something_or_makes_an_output_stays() -> None:
    model = small(
        helper.make_node("Reshape", ["x", "other"], ["a"]),
        helper.make_node("Split", ["a"], ["b", "c"], axis=1, num_outputs=2),
        helper.make_node("Concat", ["c", "b"], ["d"], axis=1),
        helper.make_node("Reshape", ["d", "same"], ["e"]),
        helper.make_node("Identity", ["e"], ["y"]),
    )
    tidy = without_idle_nodes(model)
    assert [node.op_type for node in tidy.graph.node] == [node.op_type for node in model.graph.node]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (found,), (wanted,) = (ReferenceEvaluator(graph).run(None, {"x": x}) for graph in (tidy, model))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("value", [None, 2.5])
def test_values_repeated_in_a_constant_shape_are_constants(value: float | None) -> None:
    attributes = {} if value is None else {"value": helper.make_tensor("", TensorProto.FLOAT, [1], [value])}
    model = small(
        helper.make_node("ConstantOfShape", ["same"], ["a"], **attributes), helper.make_node("Add", ["x", "a"], ["y"])
    )
    tidy = without_idle_nodes(model)
    assert [node.op_type for node in tidy.graph.node] == ["Add"]
    x = np.ones((2, 3), np.float32)
    (found,) = ReferenceEvaluator(tidy).run(None, {"x": x})
    np.testing.assert_array_equal(found, x + (value or 0.0))
    assert tidy.graph.initializer[0].data_type == TensorProto.FLOAT
