"""Inference runtimes behind one small interface, each imported only when a graph of its format is opened."""

from __future__ import annotations

from studiomic.errors import InvalidOptionError
from studiomic.runtimes.base import GraphSource, Runtime

FORMATS = ("onnx",)
"""The formats of graph files that this version of studiomic can run."""


def open_runtime(format: str, source: GraphSource, threads: int) -> Runtime:
    """The runtime for `format` with the graph of `source` loaded.

    Raises InvalidOptionError for an unknown format, BundleCorruptError or ContractError for a file that is not what
    the manifest says, and MissingExtraError where the runtime's package is not installed.
    """
    if format == "onnx":
        from studiomic.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(source, threads)
    raise InvalidOptionError(f"backend: got '{format}', wanted one of: {', '.join(FORMATS)}")
