"""ONNX Runtime, on the CPU unless asked for other execution providers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from studiomic.errors import BundleCorruptError, InvalidOptionError, MissingExtraError
from studiomic.manifest import METADATA_KEY
from studiomic.runtimes.base import GraphSource, Tensor
from studiomic.runtimes.verification import check_embedded_contract, check_tensors, first_line
from studiomic.runtimes.verified import VerifiedRuntime

CPU_PROVIDER = "CPUExecutionProvider"
_SEVERITY_ERROR = 3


class OnnxRuntime(VerifiedRuntime):
    """A graph in ONNX Runtime; opening it verifies the tensors and the metadata in the file against the manifest.

    providers: execution providers by ONNX Runtime's names, the first one that can take an operator runs it; the CPU
    takes what is left. Raises InvalidOptionError where this installation of ONNX Runtime has no such provider.
    """

    def __init__(self, source: GraphSource, threads: int, providers: Sequence[str] = (CPU_PROVIDER,)) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                f"running {source.path.name} needs the package 'onnxruntime', which cannot be imported ({error}); "
                "install it with: pip install --force-reinstall studiomic onnxruntime"
            ) from error
        offered = onnxruntime.get_available_providers()
        missing = [provider for provider in providers if provider not in offered]
        if missing:
            raise InvalidOptionError(
                f"providers: got {', '.join(map(str, missing))}, wanted what this onnxruntime "
                f"{onnxruntime.__version__} offers: {', '.join(offered)}; another build of onnxruntime may offer more"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _SEVERITY_ERROR
        # A thread that spins while it waits for the next hop eats a phone's battery.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(source.content, options, providers=list(providers))
        # ONNX Runtime raises classes of its own that share no base but Exception.
        except Exception as error:
            raise BundleCorruptError(
                f"{source.path}: wanted a graph that ONNX Runtime {onnxruntime.__version__} can load, got: "
                f"{first_line(error)}; install the bundle again, or a newer onnxruntime"
            ) from error
        check_tensors(
            source, _kinds(self._session.get_inputs()), _kinds(self._session.get_outputs()), float32="tensor(float)"
        )
        check_embedded_contract(source, self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))
        super().__init__(source, f"ONNX Runtime {onnxruntime.__version__}")

    def _call(self, feeds: dict[str, Tensor]) -> Iterable[Tensor]:
        outputs: list[Tensor] = self._session.run(self._output_names, feeds)
        return outputs


def _kinds(nodes: Any) -> dict[str, tuple[str, list[int]]]:
    return {node.name: (node.type, node.shape) for node in nodes}
