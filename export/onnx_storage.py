"""How an ONNX file stores its constants: equal ones once, and in 16 bits what float16 holds exactly.

Lossless: the graph calculates in float32 with the very same numbers. A `Cast` of a constant is folded when a session is
opened, so that a hop costs what it costs without; only the file is smaller. What decides is the constant's own content:
weights that were rounded to float16 (models/rounding.py) and tables of zeros and ones pass, matrices of a DFT do not.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.onnx_tidying import drop_unused_constants
from models.rounding import LEAST_ELEMENTS


def stored_compactly(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model whose equal constants are one, and whose large float32 constants are stored as float16 where
    that loses nothing."""
    compact = onnx.ModelProto()
    compact.CopyFrom(model)
    _share_equal_constants(compact)
    _halve_exact_constants(compact)
    return compact


def _share_equal_constants(model: onnx.ModelProto) -> None:
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    shared: dict[str, str] = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        shared[tensor.name] = first.setdefault((tensor.data_type, values.shape, values.tobytes()), tensor.name)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = shared.get(name, name)
    drop_unused_constants(model)


def _halve_exact_constants(model: onnx.ModelProto) -> None:
    constants, opened = [], []
    for tensor in model.graph.initializer:
        halved = _as_float16(tensor)
        if halved is None:
            constants.append(tensor)
        else:
            constants.append(halved)
            opened.append(helper.make_node("Cast", [halved.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*opened, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)


def _as_float16(tensor: TensorProto) -> TensorProto | None:
    """A float32 constant as float16, None where it is small, of another type, or would change."""
    if tensor.data_type != TensorProto.FLOAT:
        return None
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        halved = values.astype(np.float16)
    if values.size < LEAST_ELEMENTS or halved.astype(np.float32).tobytes() != values.tobytes():
        return None
    return numpy_helper.from_array(halved, f"{tensor.name}.stored")
