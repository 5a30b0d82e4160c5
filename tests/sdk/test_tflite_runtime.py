"""TFLite files open when they are what the manifest says, run as the graph in numpy does, and are refused otherwise."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ai_edge_litert.interpreter
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from studiomic import (
    BundleCorruptError,
    ContractError,
    Controls,
    MissingExtraError,
    RuntimeFailureError,
    StudiomicError,
    load_bundle,
)
from studiomic.manifest import MANIFEST_NAME, sha256_of
from studiomic.runtimes.tflite_metadata import read_metadata
from tests.support.graphs import HOP, FakeRuntime, own_name
from tests.support.tflite_graphs import read_tflite_model, write_tflite_model

FILE = "mono.tflite"
CONTROLS = Controls(0.3, 0.6, 0.9).as_array()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_graph_runs_hop_by_hop_with_the_callers_states(channels: int, two_formats: Path) -> None:
    runtime, fake = load_bundle(two_formats).open(channels, "tflite"), FakeRuntime(channels)
    assert runtime.graph == fake.graph
    states, wanted_states = runtime.initial_states(), fake.initial_states()
    generator = np.random.default_rng(0)
    for _ in range(5):
        audio = generator.standard_normal((channels, HOP)).astype(np.float32)
        enhanced, states = runtime.run(audio, CONTROLS, states)
        wanted, wanted_states = fake.run(audio, CONTROLS, wanted_states)
        assert enhanced.dtype == np.float32
        assert np.abs(enhanced - wanted).max() < 1e-6
        for state, wanted_state in zip(states, wanted_states, strict=True):
            assert state.shape == wanted_state.shape
            assert np.abs(state - wanted_state).max() < 1e-6


def test_what_is_given_is_the_callers_own(two_formats: Path) -> None:
    runtime = load_bundle(two_formats).open(1, "tflite")
    audio = np.ones((1, HOP), np.float32)
    given, states = runtime.run(audio, CONTROLS, runtime.initial_states())
    kept = [array.copy() for array in (given, *states)]
    runtime.run(2 * audio, CONTROLS, runtime.initial_states())
    assert all(np.array_equal(array, before) for array, before in zip((given, *states), kept, strict=True))
    given[:] = states[0][:] = 7.0
    again, _ = runtime.run(audio, CONTROLS, runtime.initial_states())
    assert np.array_equal(again, kept[0])


def test_callers_in_many_threads_do_not_mix(two_formats: Path) -> None:
    runtime = load_bundle(two_formats).open(1, "tflite")
    results: dict[int, bool] = {}

    def call(number: int) -> None:
        audio, states = np.full((1, HOP), number, np.float32), runtime.initial_states()
        for _ in range(50):
            _, states = runtime.run(audio, CONTROLS, states)
        results[number] = bool(np.array_equal(states[0], audio))

    workers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == dict.fromkeys(range(4), True)


def test_threads_do_not_change_the_result(two_formats: Path) -> None:
    audio = np.random.default_rng(0).standard_normal((2, HOP)).astype(np.float32)
    results = []
    for threads in (1, 2):
        runtime = load_bundle(two_formats).open(2, "tflite", threads=threads)
        _, states = runtime.run(audio, CONTROLS, runtime.initial_states())
        results.append(runtime.run(audio, CONTROLS, states)[0])
    assert np.array_equal(results[0], results[1])


def test_a_failure_while_it_runs_says_so(two_formats: Path) -> None:
    runtime = load_bundle(two_formats).open(1, "tflite")
    wrong = np.zeros((1, 7), np.float32)
    with pytest.raises(RuntimeFailureError, match=r"LiteRT .* failed while running a hop: .*wanted enhanced samples"):
        runtime.run(wrong, CONTROLS, runtime.initial_states())


def test_tflite_runtime_serves_where_it_is_what_is_installed(
    two_formats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = ModuleType("tflite_runtime")
    older.__dict__["__version__"] = "2.14.0"
    monkeypatch.setitem(sys.modules, "tflite_runtime", older)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", ai_edge_litert.interpreter)
    assert load_bundle(two_formats).open(1, "tflite").name.startswith("LiteRT ")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert load_bundle(two_formats).open(1, "tflite").name == "TensorFlow Lite 2.14.0"
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    with pytest.raises(MissingExtraError, match=r"'ai_edge_litert', which is not installed.*'studiomic\[tflite\]'"):
        load_bundle(two_formats).open(1, "tflite")


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A way of spoiling a bundle by changing the manifest's entry of the file."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        (entry,) = (entry for entry in document["files"] if entry["path"] == FILE)
        change(entry)
        (folder / MANIFEST_NAME).write_text(json.dumps(document), encoding="utf-8")

    return spoil


def rehashed(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A way of spoiling the file whose hash in the manifest is then put right, so that only the content betrays it."""

    def spoil(folder: Path) -> None:
        change(folder / FILE)
        edited(lambda entry: entry.update(sha256=sha256_of(folder / FILE)))(folder)

    return spoil


def remodelled(change: Callable[[Any], object]) -> Callable[[Path], object]:
    """A way of spoiling the file by changing its model."""

    def spoil(path: Path) -> None:
        model = read_tflite_model(path)
        change(model)
        write_tflite_model(model, path)

    return rehashed(spoil)


def cut(share: float) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def retyped(model: Any) -> None:
    """Turn the model into one of the same names and shapes that gives integers."""
    (graph,) = model.subgraphs
    (named,) = (entry for entry in model.signatureDefs[0].outputs if entry.name == own_name("enhanced").encode())
    whole = schema.TensorT()
    whole.name, whole.type, whole.shape = "whole", schema.TensorType.INT32, [1, HOP]
    graph.tensors.append(whole)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    model.operatorCodes.append(code)
    step = schema.OperatorT()
    step.opcodeIndex = len(model.operatorCodes) - 1
    step.inputs, step.outputs = [named.tensorIndex], [len(graph.tensors) - 1]
    graph.operators.append(step)
    graph.outputs = [step.outputs[0] if index == named.tensorIndex else index for index in graph.outputs]
    named.tensorIndex = step.outputs[0]


def with_contract(text: str | None, **facts: Any) -> Callable[[Any], object]:
    """Change the contract in the metadata to `text`, or facts in it."""

    def change(model: Any) -> None:
        (entry,) = model.metadata
        buffer = model.buffers[entry.buffer]
        changed = json.dumps(json.loads(bytes(buffer.data)) | facts, separators=(",", ":")) if text is None else text
        buffer.data = np.frombuffer(changed.encode(), np.uint8)

    return change


@dataclass(frozen=True)
class Spoilt:
    """A bundle whose mono TFLite graph must be refused."""

    name: str
    spoil: Callable[[Path], object]
    error: type[StudiomicError]
    says: tuple[str, ...]


NOT_TFLITE = ("wanted a TFLite file, whose bytes 4 to 7 are b'TFL3'", "install the bundle again")
BUNDLES = [
    Spoilt("missing", lambda f: (f / FILE).unlink(), BundleCorruptError, ("got no such file", "tflite graph")),
    Spoilt("cut", lambda f: cut(0.9)(f / FILE), BundleCorruptError, ("with SHA-256", "truncated or edited")),
    Spoilt("nothing in it", rehashed(lambda p: p.write_bytes(b"")), BundleCorruptError, (*NOT_TFLITE, "got 0 bytes")),
    Spoilt("no TFLite", rehashed(lambda p: p.write_bytes(b"not a graph")), BundleCorruptError, NOT_TFLITE),
    Spoilt(
        "ONNX in its place",
        rehashed(lambda p: p.write_bytes((p.parent / "mono.onnx").read_bytes())),
        BundleCorruptError,
        NOT_TFLITE,
    ),
    *(
        Spoilt(f"{share} of it, with the hash put right", rehashed(cut(share)), BundleCorruptError, ("wanted a",))
        for share in (0.02, 0.3, 0.6, 0.9, 0.999)
    ),
    Spoilt(
        "only a start, with the hash put right",
        rehashed(lambda p: p.write_bytes(p.read_bytes()[:8])),
        BundleCorruptError,
        ("wanted a TFLite file with readable metadata, got damaged bytes",),
    ),
    Spoilt(
        "an operator from the future",
        remodelled(lambda m: setattr(m.operatorCodes[0], "version", 99)),
        BundleCorruptError,
        ("wanted a graph that the TFLite interpreter can load, got:", "newer ai-edge-litert"),
    ),
    Spoilt(
        "no signature",
        remodelled(lambda m: setattr(m, "signatureDefs", [])),
        BundleCorruptError,
        ("got: the file has 0 signatures, wanted one",),
    ),
    Spoilt(
        "stereo in its place, with the hash put right",
        rehashed(lambda p: p.write_bytes((p.parent / "stereo.tflite").read_bytes())),
        ContractError,
        ("metadata 'studiomic.contract': tensors: got", "wanted"),
    ),
    Spoilt(
        "names that the file does not have",
        edited(lambda entry: entry["names"].update(audio="sound")),
        ContractError,
        ("inputs: got", own_name("audio"), "wanted", "'sound'"),
    ),
    Spoilt(
        "names swapped",
        edited(
            lambda entry: entry["names"].update(enhanced=own_name("next_state_1"), next_state_1=own_name("enhanced"))
        ),
        ContractError,
        ("outputs: got", "wanted"),
    ),
    Spoilt("another type", remodelled(retyped), ContractError, ("outputs: got", "int32", "wanted", "float32")),
    Spoilt(
        "no metadata",
        remodelled(lambda m: setattr(m, "metadata", None)),
        ContractError,
        ("metadata 'studiomic.contract': got nothing, wanted the bundle's contract",),
    ),
    Spoilt(
        "metadata in a buffer that is not there",
        remodelled(lambda m: setattr(m.metadata[0], "buffer", 9999)),
        BundleCorruptError,
        ("wanted a TFLite file with readable metadata",),
    ),
    Spoilt("metadata not JSON", remodelled(with_contract("{")), ContractError, ("got text that is not JSON",)),
    Spoilt(
        "metadata of another rate",
        remodelled(with_contract(None, sample_rate=44100)),
        ContractError,
        ("sample_rate: got 44100, wanted 48000",),
    ),
]


@pytest.mark.parametrize("case", BUNDLES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_bundles(case: Spoilt, two_formats_copy: Path) -> None:
    case.spoil(two_formats_copy)
    with pytest.raises(case.error) as caught:
        load_bundle(two_formats_copy).open(1, "tflite")
    assert type(caught.value) is case.error
    message = str(caught.value)
    assert str(two_formats_copy / FILE) in message
    for fragment in case.says:
        assert fragment in message


def test_the_unspoilt_bundle_opens(two_formats_copy: Path) -> None:
    # Else every case above could pass for the wrong reason.
    remodelled(lambda model: None)(two_formats_copy)
    assert load_bundle(two_formats_copy).open(1, "tflite").graph.channels == 1


def test_damaged_bytes_raise_the_one_error_or_none(two_formats: Path) -> None:
    content = (two_formats / FILE).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(content[: generator.integers(len(content) // 2, len(content))])
        for position in generator.integers(0, len(damaged), 20):
            damaged[position] ^= int(generator.integers(1, 256))
        try:
            read_metadata(bytes(damaged), "studiomic.contract", "it")
        except BundleCorruptError:
            refused += 1
    assert refused > 100
