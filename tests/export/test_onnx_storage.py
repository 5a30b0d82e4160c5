"""Constants are stored once and in 16 bits where that loses nothing, and the graph calculates what it did."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.onnx_file import count_onnx_operators
from export.onnx_storage import stored_compactly
from models.rounding import LEAST_ELEMENTS

SIDE = 40
"""A square of so many rows is large enough to be stored in 16 bits."""


def product_of(**constants: NDArray[np.float32]) -> onnx.ModelProto:
    """From x [1, SIDE] to y: x times each constant in turn."""
    names = ["x", *(f"after_{name}" for name in constants)]
    nodes = [
        helper.make_node("MatMul", [before, name], [after])
        for before, after, name in zip(names, names[1:], constants, strict=False)
    ]
    nodes[-1].output[0] = "y"
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, SIDE)) for name in "xy"]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "products", values[:1], values[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def square(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)


def halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)


def run(model: onnx.ModelProto) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(9).standard_normal((1, SIDE)).astype(np.float32)
    (found,) = session.run(None, {"x": x})
    return np.asarray(found)


def types(model: onnx.ModelProto) -> list[int]:
    return [tensor.data_type for tensor in model.graph.initializer]


def test_what_float16_holds_takes_half_the_space_and_changes_nothing(tmp_path: Path) -> None:
    model = product_of(a=halved(square(1)), b=halved(square(2)))
    compact = stored_compactly(model)
    onnx.checker.check_model(compact, full_check=True)
    assert types(compact) == [TensorProto.FLOAT16] * 2
    assert compact.ByteSize() < 0.55 * model.ByteSize()
    np.testing.assert_array_equal(run(compact), run(model))
    onnx.save_model(compact, tmp_path / "compact.onnx")
    assert count_onnx_operators(tmp_path / "compact.onnx") == 2  # opening constants is no work of a hop


def test_what_float16_would_change_stays() -> None:
    too_fine, too_large, small = square(1), halved(square(2)), np.eye(SIDE, dtype=np.float32)
    too_large[0, 0] = 1e6
    compact = stored_compactly(product_of(a=too_fine, b=too_large, c=small))
    assert SIDE * SIDE >= LEAST_ELEMENTS > SIDE
    assert types(compact) == [TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT16]
    lonely = helper.make_model(
        helper.make_graph(
            [helper.make_node("Add", ["x", "a"], ["y"])],
            "sum",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, SIDE))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, SIDE))],
            [numpy_helper.from_array(small[0], "a")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    assert types(stored_compactly(lonely)) == [TensorProto.FLOAT]


def test_equal_constants_are_stored_once() -> None:
    twin = square(1)
    model = product_of(a=twin, b=square(2), c=twin.copy(), d=-twin)
    compact = stored_compactly(model)
    assert [tensor.name for tensor in compact.graph.initializer] == ["a", "b", "d"]
    np.testing.assert_array_equal(run(compact), run(model))
    assert len(model.graph.initializer) == 4  # the model that came is left as it was
