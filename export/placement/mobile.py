"""ONNX Runtime's back ends on phones that go by operator lists: CoreML, XNNPACK, and NNAPI on old devices."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import GraphOptimizationLevel
from onnxruntime.tools.mobile_helpers.usability_checker import (
    check_coreml_partitions,
    check_nnapi_partitions,
    check_partitioning,
)
from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model

from export.placement.record import Placement, placed

CHECKER = "onnxruntime's usability checker"
COREML_LIST = "coreml_supported_mlprogram_ops.md"
XNNPACK_SOURCE = "onnxruntime.ai/docs/execution-providers/Xnnpack-ExecutionProvider.html"
XNNPACK_OPERATORS = frozenset(
    {"AveragePool", "Conv", "ConvTranspose", "MaxPool", "Softmax", "QLinearConv", "Resize", "Gemm", "MatMul"}
    | {"QLinearAveragePool", "QLinearSoftmax", "QLinearConvTranspose"}
)
MATRIX_RANK = 2
"""XNNPACK takes Gemm and MatMul of matrices alone."""
ERRORS_ALONE = 3


class _XnnpackRules:
    """Says of a node whether the list has it; what the usability checker asks of its own lists."""

    def __init__(self, ranks: dict[str, int]) -> None:
        self._ranks = ranks

    def is_op_supported(self, node: onnx.NodeProto) -> bool:
        if node.op_type not in XNNPACK_OPERATORS:
            return False
        return node.op_type not in ("Gemm", "MatMul") or all(
            self._ranks[name] == MATRIX_RANK for name in node.input[:2]
        )


def place_on_mobile(path: Path) -> list[Placement]:
    """An ONNX file on CoreML as an ML program, on XNNPACK and on NNAPI, by the operators that remain once ONNX Runtime
    has simplified it, as it does before it asks a back end."""
    with tempfile.TemporaryDirectory() as folder:
        simplified = Path(folder) / "simplified.onnx"
        optimize_model(path, simplified, GraphOptimizationLevel.ORT_ENABLE_BASIC, log_level=ERRORS_ALONE)
        model = ModelProtoWithShapeInfo(simplified).model_with_shape_info
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in values}
    ranks |= {constant.name: len(constant.dims) for constant in graph.initializer}
    return [
        _placement("ONNX Runtime CoreML", graph, check_coreml_partitions(model, True, COREML_LIST), CHECKER),
        _placement("ONNX Runtime NNAPI", graph, check_nnapi_partitions(model, True), CHECKER),
        _placement(
            "ONNX Runtime XNNPACK", graph, check_partitioning(graph, _XnnpackRules(ranks), True), XNNPACK_SOURCE
        ),
    ]


def _placement(backend: str, graph: onnx.GraphProto, found: Any, judged_by: str) -> Placement:
    """`found`: the checker's PartitioningInfo."""
    taken = {node.output[0] for group in found.supported_groups for node in group}
    names = [node.op_type for node in graph.node]
    return placed(backend, names, [node.output[0] in taken for node in graph.node], found.num_partitions, judged_by)
