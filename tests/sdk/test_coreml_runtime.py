"""CoreML's runtime: what can be said of it where CoreML itself is not, by a stand-in for coremltools."""

from __future__ import annotations

import enum
import platform
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studiomic.errors import (
    BundleCorruptError,
    ContractError,
    InvalidOptionError,
    MissingExtraError,
    RuntimeFailureError,
)
from studiomic.manifest import METADATA_KEY
from studiomic.runtimes.base import GraphSource
from studiomic.runtimes.coreml import COMPUTE_UNITS, CoremlRuntime
from tests.support.graphs import FakeRuntime, graph_file, graph_tensors, own_name

CONTRACT = '{"contract_version":1}'
FLOAT32, FLOAT16 = 65568, 65552  # CoreML's own numbers


class ComputeUnit(enum.Enum):
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4


class StandIn:
    """What the runtime uses of an MLModel, around the small graph in numpy."""

    def __init__(self, path: str, compute_units: ComputeUnit) -> None:
        self.path, self.compute_units = path, compute_units
        self.graph = FakeRuntime(1)
        self.user_defined_metadata = {METADATA_KEY: CONTRACT}
        self.element = FLOAT32
        self.failure: Exception | None = None

    def get_spec(self) -> Any:
        tensors = graph_tensors(1)
        return SimpleNamespace(
            description=SimpleNamespace(
                input=[self.feature(tensor.name, tensor.shape) for tensor in tensors.inputs],
                output=[self.feature(tensor.name, tensor.shape) for tensor in tensors.outputs],
            )
        )

    def feature(self, name: str, shape: tuple[int, ...]) -> Any:
        names = {FLOAT32: "FLOAT32", FLOAT16: "FLOAT16"}
        numbers = {number: SimpleNamespace(name=word) for number, word in names.items()}
        fields = {"dataType": SimpleNamespace(enum_type=SimpleNamespace(values_by_number=numbers))}
        array = SimpleNamespace(
            dataType=self.element, shape=list(shape), DESCRIPTOR=SimpleNamespace(fields_by_name=fields)
        )
        kind = SimpleNamespace(WhichOneof=lambda _: "multiArrayType", multiArrayType=array)
        return SimpleNamespace(name=own_name(name), type=kind)

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        tensors = graph_tensors(1)
        audio, controls, *states = (inputs[own_name(tensor.name)] for tensor in tensors.inputs)
        enhanced, states = self.graph.run(audio, controls, states)
        return {
            own_name(tensor.name): value for tensor, value in zip(tensors.outputs, (enhanced, *states), strict=True)
        }


@pytest.fixture
def source() -> GraphSource:
    path = Path("mono.mlpackage")
    return GraphSource(path, b"", replace(graph_file(1), path=path.name, format="coreml"), graph_tensors(1), CONTRACT)


Install = Callable[[Callable[..., Any]], None]


@pytest.fixture
def on_macos(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Gives the runtime a macOS on which `MLModel` is what the test says."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")

    def install(model: Callable[..., Any]) -> None:
        package = SimpleNamespace(__version__="9.0", ComputeUnit=ComputeUnit, models=SimpleNamespace(MLModel=model))
        monkeypatch.setitem(sys.modules, "coremltools", package)

    return install


def test_a_hop_goes_by_the_files_own_names(source: GraphSource, on_macos: Install) -> None:
    on_macos(StandIn)
    runtime, fake = CoremlRuntime(source, threads=1), FakeRuntime(1)
    assert runtime.name == "CoreML (coremltools 9.0, CPU_ONLY)"
    assert runtime.graph == graph_tensors(1)
    states, wanted_states = runtime.initial_states(), fake.initial_states()
    audio, controls = np.ones((1, 1024), np.float32), np.array([[0.2, 0.5, 0.8]], np.float32)
    for _ in range(3):
        enhanced, states = runtime.run(audio, controls, states)
        wanted, wanted_states = fake.run(audio, controls, wanted_states)
        np.testing.assert_array_equal(enhanced, wanted)
        assert enhanced.dtype == np.float32
        for state, wanted_state in zip(states, wanted_states, strict=True):
            np.testing.assert_array_equal(state, wanted_state)


@pytest.mark.parametrize("units", COMPUTE_UNITS)
def test_compute_units_are_the_callers_choice(units: str, source: GraphSource, on_macos: Install) -> None:
    opened = []

    def model(path: str, compute_units: ComputeUnit) -> StandIn:
        opened.append((path, compute_units))
        return StandIn(path, compute_units)

    on_macos(model)
    CoremlRuntime(source, 1, units)
    assert opened == [("mono.mlpackage", ComputeUnit[units])]


def test_unknown_compute_units_are_refused(source: GraphSource) -> None:
    with pytest.raises(InvalidOptionError, match="got 'TPU', wanted one of: CPU_ONLY, CPU_AND_NE, CPU_AND_GPU, ALL"):
        CoremlRuntime(source, 1, "TPU")


def test_other_systems_are_told_what_to_use(source: GraphSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(RuntimeFailureError, match=r"got the system 'Linux', wanted macOS.*use the backend 'onnx'"):
        CoremlRuntime(source, 1)


def test_a_missing_coremltools_names_the_extra(
    source: GraphSource, on_macos: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'studiomic\[coreml\]'"):
        CoremlRuntime(source, 1)


def raises(path: str, compute_units: ComputeUnit) -> StandIn:
    raise RuntimeError("no such model\nwith details")


def only_warns(path: str, compute_units: ComputeUnit) -> StandIn:
    warnings.warn("You will not be able to run predict()", RuntimeWarning, stacklevel=2)
    return StandIn(path, compute_units)


@pytest.mark.parametrize(
    ("model", "message"),
    [(raises, "got: no such model; install"), (only_warns, "You will not be able to run predict")],
)
def test_a_package_that_does_not_load_is_corrupt(
    model: Callable[..., Any], message: str, source: GraphSource, on_macos: Install
) -> None:
    on_macos(model)
    with pytest.raises(BundleCorruptError, match=message):
        CoremlRuntime(source, 1)


class OtherElements(StandIn):
    def __init__(self, path: str, compute_units: ComputeUnit) -> None:
        super().__init__(path, compute_units)
        self.element = FLOAT16


class OtherMetadata(StandIn):
    def __init__(self, path: str, compute_units: ComputeUnit) -> None:
        super().__init__(path, compute_units)
        self.user_defined_metadata = {METADATA_KEY: '{"contract_version":7}'}


@pytest.mark.parametrize(
    ("model", "message"),
    [(OtherElements, "inputs: got .*FLOAT16.*wanted .*FLOAT32"), (OtherMetadata, "contract_version: got 7, wanted 1")],
)
def test_another_export_is_refused(model: type[StandIn], message: str, source: GraphSource, on_macos: Install) -> None:
    on_macos(model)
    with pytest.raises(ContractError, match=message):
        CoremlRuntime(source, 1)


def test_a_failing_hop_is_reported(source: GraphSource, on_macos: Install) -> None:
    made = StandIn("", ComputeUnit.ALL)
    on_macos(lambda path, compute_units: made)
    runtime = CoremlRuntime(source, 1)
    made.failure = RuntimeError("the engine is busy")
    with pytest.raises(RuntimeFailureError, match="failed while running a hop: the engine is busy"):
        runtime.run(np.zeros((1, 1024), np.float32), np.ones((1, 3), np.float32), runtime.initial_states())
