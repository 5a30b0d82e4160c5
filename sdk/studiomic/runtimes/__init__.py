"""Inference runtimes behind one small interface, each imported only when a graph of its format is opened."""

from __future__ import annotations

from collections.abc import Sequence

from studiomic.errors import InvalidOptionError
from studiomic.manifest import GRAPH_FORMATS
from studiomic.runtimes.base import GraphSource, Runtime


def open_runtime(format: str, source: GraphSource, threads: int, providers: Sequence[str] | None = None) -> Runtime:
    """The runtime for `format` with the graph of `source` loaded.

    `providers`: execution providers of ONNX Runtime, in order of preference; None leaves the choice to the runtime.

    Raises InvalidOptionError for an unknown format or provider, BundleCorruptError or ContractError for a file that is
    not what the manifest says, and MissingExtraError where the runtime's package is not installed.
    """
    if format == "onnx":
        from studiomic.runtimes.onnx import CPU_PROVIDER, OnnxRuntime

        return OnnxRuntime(source, threads, (CPU_PROVIDER,) if providers is None else providers)
    if providers is not None:
        raise InvalidOptionError(
            f"providers: got {', '.join(map(str, providers))} for the backend '{format}', wanted none: only the "
            "backend 'onnx' has providers"
        )
    if format == "tflite":
        from studiomic.runtimes.tflite import TfliteRuntime

        return TfliteRuntime(source, threads)
    if format == "coreml":
        from studiomic.runtimes.coreml import CoremlRuntime

        return CoremlRuntime(source, threads)
    raise InvalidOptionError(f"backend: got '{format}', wanted one of: {', '.join(GRAPH_FORMATS)}")
