"""The TFLite interpreter on the CPU: of ai-edge-litert, or of the older tflite-runtime where only that is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from studiomic.errors import BundleCorruptError, MissingExtraError
from studiomic.extras import require
from studiomic.manifest import METADATA_KEY
from studiomic.runtimes.base import GraphSource, Tensor
from studiomic.runtimes.tflite_metadata import read_metadata
from studiomic.runtimes.verification import check_embedded_contract, check_tensors, first_line
from studiomic.runtimes.verified import VerifiedRuntime

PACKAGES = {"ai_edge_litert": "LiteRT", "tflite_runtime": "TensorFlow Lite"}
"""Python packages that bring the interpreter, the maintained one first, and what they call themselves."""


@dataclass(frozen=True)
class InterpreterTensor:
    """One tensor of a signature: where the interpreter keeps it, its numpy type and its shape."""

    index: int
    dtype: str
    shape: tuple[int, ...]


class TfliteInterpreter:
    """A TFLite file with one signature, ready to run, with its tensors by the names in that signature.

    Raises MissingExtraError where no package brings the interpreter, ValueError or RuntimeError where the bytes are
    not a graph that it can run.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        package, module = _package("running a TFLite file")
        self._name = f"{PACKAGES[package.__name__]} {package.__version__}"
        # Kept, since tflite-runtime reads the weights from these very bytes.
        self._content = content
        self._interpreter = module.Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            raise ValueError(f"the file has {len(signatures)} signatures, wanted one, which names its tensors")
        # Not kept: as long as it lives the interpreter refuses to be called directly, which is quicker.
        runner = self._interpreter.get_signature_runner()
        self.inputs = _described(runner.get_input_details())
        self.outputs = _described(runner.get_output_details())
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The runtime and its version."""
        return self._name

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One call: arrays by the signature's names in, arrays in fresh memory out; from any thread, one at a time.

        Raises ValueError or RuntimeError where the interpreter fails.
        """
        with self._lock:
            for name, tensor in self.inputs.items():
                self._interpreter.set_tensor(tensor.index, inputs[name])
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(tensor.index) for name, tensor in self.outputs.items()}


class TfliteRuntime(VerifiedRuntime):
    """A graph in the TFLite interpreter; opening it verifies the tensors and the metadata in the file against the
    manifest.

    ai-edge-litert refuses a damaged file; tflite-runtime trusts what it is given, so that the file's hash and its
    metadata are all that stands before it.
    """

    _failures = (ValueError, RuntimeError)

    def __init__(self, source: GraphSource, threads: int) -> None:
        _package(f"running {source.path.name}")
        check_embedded_contract(source, read_metadata(source.content, METADATA_KEY, str(source.path)))
        try:
            self._interpreter = TfliteInterpreter(source.content, threads)
        except (ValueError, RuntimeError) as error:
            raise BundleCorruptError(
                f"{source.path}: wanted a graph that the TFLite interpreter can load, got: {first_line(error)}; "
                "install the bundle again, or a newer ai-edge-litert"
            ) from error
        check_tensors(
            source, _kinds(self._interpreter.inputs), _kinds(self._interpreter.outputs), float32=np.dtype("f4").name
        )
        super().__init__(source, self._interpreter.name)

    def _call(self, feeds: dict[str, Tensor]) -> Iterable[Tensor]:
        outputs = self._interpreter.run(feeds)
        return [outputs[name] for name in self._output_names]


def _package(purpose: str) -> tuple[ModuleType, ModuleType]:
    """The package that brings the interpreter, and its module. Raises MissingExtraError."""
    maintained, older = PACKAGES
    try:
        return require(maintained, "tflite", purpose), require(f"{maintained}.interpreter", "tflite", purpose)
    except MissingExtraError as error:
        try:
            return require(older, "tflite", purpose), require(f"{older}.interpreter", "tflite", purpose)
        except MissingExtraError:
            raise error from None


def _described(details: Mapping[str, Mapping[str, Any]]) -> dict[str, InterpreterTensor]:
    return {
        name: InterpreterTensor(int(tensor["index"]), np.dtype(tensor["dtype"]).name, tuple(tensor["shape"].tolist()))
        for name, tensor in details.items()
    }


def _kinds(tensors: Mapping[str, InterpreterTensor]) -> dict[str, tuple[str, list[int]]]:
    return {name: (tensor.dtype, list(tensor.shape)) for name, tensor in tensors.items()}
