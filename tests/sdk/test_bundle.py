"""Bundles open when they are whole, and run what they hold; what is refused is among the bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studiomic import Bundle, Controls, Stream, bundle, load_bundle
from studiomic.manifest import Manifest
from tests.support.graphs import HOP, FakeRuntime


def test_a_folder_is_loaded_by_path_or_text(tiny_bundle: Path) -> None:
    loaded = load_bundle(tiny_bundle)
    assert loaded == Bundle(tiny_bundle, Manifest.read(tiny_bundle))
    assert load_bundle(str(tiny_bundle)) == loaded


def test_embedded_bundles_go_by_name(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "_EMBEDDED", tiny_bundle.parent)
    monkeypatch.setattr(bundle, "DEFAULT_BUNDLE", tiny_bundle.name)
    assert load_bundle(tiny_bundle.name) == load_bundle(tiny_bundle)
    assert load_bundle() == load_bundle(tiny_bundle)
    assert Stream(48000, 1).latency == 2047


@pytest.mark.parametrize("channels", [1, 2])
def test_a_graph_runs_hop_by_hop_with_the_callers_states(channels: int, tiny_bundle: Path) -> None:
    runtime, fake = load_bundle(tiny_bundle).open(channels), FakeRuntime(channels)
    assert runtime.name.startswith("ONNX Runtime 1.")
    assert runtime.graph == fake.graph
    states, wanted_states = runtime.initial_states(), fake.initial_states()
    assert all(not state.any() for state in states)
    controls = Controls(0.3, 0.6, 0.9).as_array()
    generator = np.random.default_rng(0)
    for _ in range(5):
        audio = generator.standard_normal((channels, HOP)).astype(np.float32)
        enhanced, states = runtime.run(audio, controls, states)
        wanted, wanted_states = fake.run(audio, controls, wanted_states)
        assert enhanced.dtype == np.float32
        assert np.abs(enhanced - wanted).max() < 1e-6
        assert [state.shape for state in states] == [state.shape for state in wanted_states]


def test_one_runtime_serves_many_callers(tiny_bundle: Path) -> None:
    runtime = load_bundle(tiny_bundle).open(1)
    audio, controls = np.ones((1, HOP), np.float32), Controls().as_array()
    first, states = runtime.run(audio, controls, runtime.initial_states())
    kept = [state.copy() for state in states]
    runtime.run(2 * audio, controls, runtime.initial_states())
    assert all(np.array_equal(state, before) for state, before in zip(states, kept, strict=True))
    again, _ = runtime.run(audio, controls, runtime.initial_states())
    assert np.array_equal(first, again)


def test_threads_do_not_change_the_result(tiny_bundle: Path) -> None:
    loaded = load_bundle(tiny_bundle)
    audio, controls = np.ones((2, HOP), np.float32), Controls().as_array()
    results = []
    for threads in (1, 2):
        runtime = loaded.open(2, threads=threads)
        _, states = runtime.run(audio, controls, runtime.initial_states())
        results.append(runtime.run(audio, controls, states)[0])
    assert np.array_equal(results[0], results[1])
