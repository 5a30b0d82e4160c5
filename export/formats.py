"""The formats of a bundle's files: who converts, who writes a precision, who runs it, who counts its operators.

Converters are imported when they are asked for: none needs another to be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.hop_graph import HopGraph
from export.hop_runner import HopRunner
from export.onnx_file import OnnxRunner, StaticRanges, convert_onnx, count_onnx_operators, write_onnx
from export.quiet import kept_quiet
from studiomic.extras import require

Names = Mapping[str, str]
"""The file's own name of each of the contract's tensors."""


@dataclass(frozen=True)
class Format:
    """How files of one format come to be.

    convert: what of a graph all precisions share; write: (graph, path, precision, metadata, converted) to names; open:
    (path, names) to a runner; interpreted: whether that runner is not the runtime of a phone.
    """

    name: str
    suffix: str
    convert: Callable[[HopGraph], Any]
    write: Callable[[HopGraph, Path, str, Mapping[str, str], Any], Names]
    open: Callable[[Path, Names], HopRunner]
    count_operators: Callable[[Path], int]
    interpreted: bool


def onnx_format(static: Callable[[HopGraph], StaticRanges] | None = None) -> Format:
    """ONNX; `static` makes int8 quantize activations as well."""

    def write(graph: HopGraph, path: Path, precision: str, metadata: Mapping[str, str], converted: Any) -> Names:
        ranges = static(graph) if static is not None and precision == "int8" else None
        return write_onnx(graph, path, precision, metadata, converted, ranges)

    return Format("onnx", ".onnx", convert_onnx, write, lambda path, _: OnnxRunner(path), count_onnx_operators, False)


def tflite_format() -> Format:
    """TFLite. Raises MissingExtraError where its converter is not installed."""
    with kept_quiet():
        require("litert_torch", "export", "writing TFLite files")
    from export.tflite_file import TfliteRunner, convert_tflite, write_tflite

    def count_operators(path: Path) -> int:
        from ai_edge_litert.tools import flatbuffer_utils

        (graph,) = flatbuffer_utils.read_model(str(path)).subgraphs
        return len(graph.operators)

    def open_quietly(path: Path, _: Names) -> HopRunner:
        with kept_quiet():  # it tells of its delegate
            return TfliteRunner(path)

    return Format("tflite", ".tflite", convert_tflite, write_tflite, open_quietly, count_operators, False)


def coreml_format() -> Format:
    """CoreML. Raises MissingExtraError where its converter is not installed."""
    with kept_quiet():
        require("coremltools", "export", "writing CoreML packages")
    from export.coreml_file import SUFFIX, write_coreml
    from export.mil_interpreter import open_coreml, runs_coreml
    from export.mil_program import read_program

    def write(graph: HopGraph, path: Path, precision: str, metadata: Mapping[str, str], _: Any) -> Names:
        return write_coreml(graph, path, precision, metadata)

    def count_operators(path: Path) -> int:
        return len(read_program(path).operations)

    return Format("coreml", SUFFIX, lambda _: None, write, open_coreml, count_operators, not runs_coreml())
