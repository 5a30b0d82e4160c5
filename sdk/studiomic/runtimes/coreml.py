"""CoreML, on macOS alone, through coremltools."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from studiomic.errors import BundleCorruptError, InvalidOptionError, RuntimeFailureError
from studiomic.extras import require
from studiomic.manifest import METADATA_KEY
from studiomic.runtimes.base import GraphSource, Tensor
from studiomic.runtimes.verification import check_embedded_contract, check_tensors, first_line
from studiomic.runtimes.verified import VerifiedRuntime

COMPUTE_UNITS = ("CPU_ONLY", "CPU_AND_NE", "CPU_AND_GPU", "ALL")
"""Where CoreML may run a graph; the processor alone gives the same numbers on every machine."""


class CoremlRuntime(VerifiedRuntime):
    """A package in CoreML; opening it verifies the tensors and the metadata in it against the manifest.

    CoreML chooses its threads itself: `threads` is without effect. Raises RuntimeFailureError on other systems than
    macOS, and MissingExtraError where coremltools is not installed.
    """

    def __init__(self, source: GraphSource, threads: int, compute_units: str = "CPU_ONLY") -> None:
        if compute_units not in COMPUTE_UNITS:
            raise InvalidOptionError(f"compute units: got {compute_units!r}, wanted one of: {', '.join(COMPUTE_UNITS)}")
        if platform.system() != "Darwin":
            raise RuntimeFailureError(
                f"{source.path}: got the system '{platform.system()}', wanted macOS, the only one on which CoreML runs "
                "from Python; here use the backend 'onnx' or 'tflite'"
            )
        coremltools = require("coremltools", "coreml", f"running {source.path.name}")
        try:
            with warnings.catch_warnings():
                # coremltools only warns of a package that CoreML cannot compile
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", RuntimeWarning)
                self._model = coremltools.models.MLModel(
                    str(source.path), compute_units=coremltools.ComputeUnit[compute_units]
                )
        # coremltools raises bare Exceptions, CoreML's own come as RuntimeErrors
        except Exception as error:
            raise BundleCorruptError(
                f"{source.path}: wanted a package that CoreML can load, got: {first_line(error)}; install the bundle "
                "again, or a newer macOS"
            ) from error
        description = self._model.get_spec().description
        check_tensors(source, _kinds(description.input), _kinds(description.output), float32="FLOAT32")
        check_embedded_contract(source, self._model.user_defined_metadata.get(METADATA_KEY))
        super().__init__(source, f"CoreML (coremltools {coremltools.__version__}, {compute_units})")

    def _call(self, feeds: dict[str, Tensor]) -> Iterable[Tensor]:
        made = self._model.predict(feeds)
        return [np.array(made[name], dtype=np.float32) for name in self._output_names]


def _kinds(features: Iterable[Any]) -> dict[str, tuple[str, list[int]]]:
    """Element type and shape of a package's tensors; the type of what is no array is the name of what it is."""
    kinds: dict[str, tuple[str, list[int]]] = {}
    for feature in features:
        kind = feature.type.WhichOneof("Type")
        if kind != "multiArrayType":
            kinds[feature.name] = (str(kind), [])
            continue
        array = feature.type.multiArrayType
        element = array.DESCRIPTOR.fields_by_name["dataType"].enum_type.values_by_number[array.dataType].name
        kinds[feature.name] = (element, list(array.shape))
    return kinds
