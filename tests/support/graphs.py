"""A small graph that keeps the contract, in plain numpy and as an ONNX bundle, so that the stream is tested without a
trained generator.

It delays by one hop and applies gains driven by the controls, one of which follows the signal's level through a state:
enhanced = delayed * (1 - denoise / 2) * (1 + extend / 4) * (1 - dereverb / 4 * min(level, 1)), where
level = (level before + mean of |audio| over the hop and all channels) / 2. At controls 0, 0, 0 every factor is exactly
1, so that the delayed input comes out bit for bit; a state that is lost or mixed up changes the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from studiomic.bundle import Bundle
from studiomic.controls import Controls
from studiomic.manifest import (
    CONTRACT_VERSION,
    METADATA_KEY,
    DataCard,
    GraphFile,
    GraphTensors,
    Manifest,
    ParityRecord,
    TensorSpec,
    sha256_of,
)
from studiomic.runtimes.base import Runtime, Tensor, zero_states

HOP = 1024
GRAPH_LATENCY = 1024
GRAPH_RATE = 48000
_UNKNOWN_HASH = "0" * 64


def graph_tensors(channels: int) -> GraphTensors:
    """The contract's tensors of the small graph."""
    states = (TensorSpec("state_0", (channels, HOP)), TensorSpec("state_1", (1, 1)))
    return GraphTensors(
        channels=channels,
        inputs=(TensorSpec("audio", (channels, HOP)), TensorSpec("controls", (1, 3)), *states),
        outputs=(
            TensorSpec("enhanced", (channels, HOP)),
            *(TensorSpec(f"next_{state.name}", state.shape) for state in states),
        ),
    )


def own_name(contract_name: str) -> str:
    """What the ONNX files call a tensor: not what the contract calls it, so that neither can pass for the other."""
    return f"graph.{contract_name}"


def graph_file(channels: int, sha256: str = _UNKNOWN_HASH, format: str = "onnx") -> GraphFile:
    """The manifest's entry of the small graph's file in `format`."""
    tensors = graph_tensors(channels)
    return GraphFile(
        path={1: f"mono.{format}", 2: f"stereo.{format}"}[channels],
        format=format,
        precision="fp32",
        channels=channels,
        sha256=sha256,
        names={tensor.name: own_name(tensor.name) for tensor in tensors.inputs + tensors.outputs},
        parity=ParityRecord(
            seconds=60.0,
            relative_error=1e-7,
            largest_error=1e-6,
            state_error=1e-7,
            runtime="ONNX Runtime 1.0.0",
            loss=None,
        ),
    )


def small_manifest(files: tuple[GraphFile, ...], card_hash: str = _UNKNOWN_HASH) -> Manifest:
    """A manifest of the small graph in mono and stereo."""
    return Manifest(
        contract_version=CONTRACT_VERSION,
        name="tiny",
        sample_rate=GRAPH_RATE,
        hop=HOP,
        graph_latency=GRAPH_LATENCY,
        tensors=(graph_tensors(1), graph_tensors(2)),
        files=files,
        data_card=DataCard(path="data_card.csv", sha256=card_hash, recordings=0, licences={}),
    )


def applied_gain(audio: Tensor, delayed: Tensor, controls: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """One hop of the small graph: the enhanced hop [channels, hop] and the next level [1, 1]."""
    half, quarter, one = np.float32(0.5), np.float32(0.25), np.float32(1.0)
    next_level = (level + np.mean(np.abs(audio), dtype=np.float32)) * half
    denoise, dereverb, extend = controls[0]
    follow = one - dereverb * quarter * np.minimum(next_level[0, 0], one)
    gain = (one - denoise * half) * (one + extend * quarter) * follow
    return delayed * gain, next_level.astype(np.float32)


class FakeRuntime:
    """The small graph in numpy, or in a runtime that really runs it; it records the controls of every call, and can be
    told to fail."""

    def __init__(self, channels: int, engine: Runtime | None = None) -> None:
        self._graph = graph_tensors(channels)
        self._engine = engine
        self.controls_seen: list[tuple[float, ...]] = []
        self.failure: BaseException | None = None
        self.poison = False

    @property
    def name(self) -> str:
        return "fake"

    @property
    def graph(self) -> GraphTensors:
        return self._graph

    def initial_states(self) -> list[Tensor]:
        return zero_states(self._graph)

    def run(self, audio: Tensor, controls: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        assert audio.shape == self._graph.inputs[0].shape
        assert audio.dtype == controls.dtype == np.float32
        if self.failure is not None:
            raise self.failure
        self.controls_seen.append(tuple(float(value) for value in controls[0]))
        if self._engine is None:
            enhanced, level = applied_gain(audio, states[0], controls, states[1])
            next_states = [audio.copy(), level]
        else:
            enhanced, next_states = self._engine.run(audio, controls, states)
        if self.poison:
            enhanced = np.full_like(enhanced, np.nan)
        return enhanced, next_states


@dataclass(frozen=True)
class FakeBundle(Bundle):
    """A bundle without files whose graphs are `FakeRuntime`s; `runtimes` holds one for each channel count, `engines`
    what really runs them, mono and stereo, or None for numpy."""

    runtimes: dict[int, FakeRuntime]
    engines: tuple[Runtime, Runtime] | None

    def open(
        self,
        channels: int = 1,
        format: str = "onnx",
        precision: str = "fp32",
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> Runtime:
        return self.runtimes[channels]


def fake_bundle(engines: tuple[Runtime, Runtime] | None = None) -> FakeBundle:
    """A fresh FakeBundle; runtimes keep nothing, so that many may share the engines."""
    manifest = small_manifest((graph_file(1), graph_file(2)))
    mono, stereo = engines or (None, None)
    return FakeBundle(Path("nowhere"), manifest, {1: FakeRuntime(1, mono), 2: FakeRuntime(2, stereo)}, engines)


def graph_over_whole(audio: NDArray[np.float32], controls: Controls, runtime: Runtime) -> NDArray[np.float32]:
    """The small graph over [hops * HOP, channels] at the graph's rate, hop by hop, without any stream."""
    rows = np.ascontiguousarray(audio.T)
    states = runtime.initial_states()
    enhanced = np.empty_like(rows)
    for start in range(0, rows.shape[1], HOP):
        hop = rows[:, start : start + HOP]
        enhanced[:, start : start + HOP], states = runtime.run(hop, controls.as_array(), states)
    return enhanced.T


def small_model(channels: int, contract: str) -> onnx.ModelProto:
    """The small graph as an ONNX model with `contract` in its metadata."""
    tensors = graph_tensors(channels)

    def constant(name: str, value: list[int] | float) -> TensorProto:
        kind = np.int64 if isinstance(value, list) else np.float32
        return numpy_helper.from_array(np.array(value, dtype=kind), name)

    def column(index: int, name: str) -> list[onnx.NodeProto]:
        return [helper.make_node("Slice", [own_name("controls"), f"from_{index}", f"to_{index}", "axis"], [name])]

    nodes = [
        helper.make_node("Abs", [own_name("audio")], ["magnitude"]),
        helper.make_node("ReduceMean", ["magnitude", "axes"], ["mean"], keepdims=1),
        helper.make_node("Add", [own_name("state_1"), "mean"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], [own_name("next_state_1")]),
        *column(0, "denoise"),
        *column(1, "dereverb"),
        *column(2, "extend"),
        helper.make_node("Min", [own_name("next_state_1"), "one"], ["level"]),
        helper.make_node("Mul", ["dereverb", "quarter"], ["dereverb_quarter"]),
        helper.make_node("Mul", ["dereverb_quarter", "level"], ["followed"]),
        helper.make_node("Sub", ["one", "followed"], ["follow"]),
        helper.make_node("Mul", ["denoise", "half"], ["denoise_half"]),
        helper.make_node("Sub", ["one", "denoise_half"], ["kept"]),
        helper.make_node("Mul", ["extend", "quarter"], ["extend_quarter"]),
        helper.make_node("Add", ["one", "extend_quarter"], ["extended"]),
        helper.make_node("Mul", ["kept", "extended"], ["static"]),
        helper.make_node("Mul", ["static", "follow"], ["gain"]),
        helper.make_node("Mul", [own_name("state_0"), "gain"], [own_name("enhanced")]),
        helper.make_node("Identity", [own_name("audio")], [own_name("next_state_0")]),
    ]
    constants = [constant("half", 0.5), constant("quarter", 0.25), constant("one", 1.0)]
    constants += [constant("axes", [0, 1]), constant("axis", [1])]
    for index in range(3):
        constants += [constant(f"from_{index}", [index]), constant(f"to_{index}", [index + 1])]

    def described(tensor: TensorSpec) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(own_name(tensor.name), TensorProto.FLOAT, tensor.shape)

    graph = helper.make_graph(
        nodes,
        "small",
        [described(tensor) for tensor in tensors.inputs],
        [described(tensor) for tensor in tensors.outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: contract})
    return model


def write_small_bundle(folder: Path) -> Path:
    """Write the small graph as a bundle of ONNX files into `folder`, and return it."""
    manifest = small_manifest((graph_file(1), graph_file(2)))
    files = []
    for channels in (1, 2):
        path = folder / graph_file(channels).path
        onnx.save(small_model(channels, manifest.embedded_contract(channels)), str(path))
        files.append(graph_file(channels, sha256_of(path)))
    card = folder / "data_card.csv"
    card.write_text("recording,licence\n", encoding="utf-8")
    small_manifest(tuple(files), sha256_of(card)).write(folder)
    return folder
