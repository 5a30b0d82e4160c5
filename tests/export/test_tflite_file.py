"""The graph as TFLite files: they give what PyTorch gives, under the contract's own names, and say what they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert.tools import flatbuffer_utils

from benchmarks.tflite_schemes import measure, quantized, schemes
from export.hop_runner import Samples, run_clip
from export.material import synthesised_music
from export.proof import moving_controls
from export.quiet import kept_quiet
from export.streaming_graph import StreamingGraph
from export.tflite_file import TfliteRunner, convert_tflite, write_tflite
from models.generators.band_split import BandSplitGenerator
from studiomic.manifest import PRECISIONS
from studiomic.runtimes.tflite_metadata import read_metadata

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 3.0
LEAST_SNR_DB = {"fp32": 100.0, "fp16": 60.0, "int8": 35.0}
"""Of a generator with random weights, which are harder to store than trained ones."""
KEY, TEXT = "studiomic.contract", '{"name":"é"}'


@pytest.fixture(scope="module")
def graph(generator: BandSplitGenerator) -> StreamingGraph:
    return StreamingGraph(generator, 2).eval()


@pytest.fixture(scope="module")
def conversion(graph: StreamingGraph) -> tuple[bytes, str]:
    """What the converter gave, and what it printed: one test alone could not take the time."""
    with kept_quiet() as kept:
        content = convert_tflite(graph)
        kept.flush()
        kept.seek(0)
        return content, kept.read()


@pytest.fixture(scope="module")
def converted(conversion: tuple[bytes, str]) -> bytes:
    return conversion[0]


@pytest.fixture(scope="module")
def printed_while_converting(conversion: tuple[bytes, str]) -> str:
    return conversion[1]


@pytest.fixture(scope="module")
def files(graph: StreamingGraph, converted: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tflite")
    paths = {precision: folder / f"{precision}.tflite" for precision in PRECISIONS}
    for precision, path in paths.items():
        names = write_tflite(graph, path, precision, {KEY: TEXT}, converted)
        assert names == {name: name for name in ("audio", "controls", "state_0", "enhanced", "next_state_0")}
    return paths


def model_of(path: Path) -> Any:
    return flatbuffer_utils.read_model(str(path))


def in_pytorch(graph: StreamingGraph, audio: Samples, controls: Samples) -> tuple[Samples, Samples]:
    state, outputs = torch.zeros(1, graph.state_size), []
    with torch.no_grad():
        for index in range(len(controls)):
            hop = torch.from_numpy(audio[:, index * graph.hop : (index + 1) * graph.hop])
            enhanced, state = graph(hop, torch.from_numpy(controls[index : index + 1]), state)
            outputs.append(enhanced.numpy())
    return np.concatenate(outputs, axis=1), state.numpy()


def signal_to_noise_db(wanted: Samples, found: Samples) -> float:
    return float(20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(found - wanted)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_outputs_and_states_are_pytorchs(precision: str, graph: StreamingGraph, files: dict[str, Path]) -> None:
    audio = synthesised_music(SECONDS, 48000, graph.channels)
    controls = moving_controls(audio.shape[1] // graph.hop)
    wanted, wanted_state = in_pytorch(graph, audio, controls)
    found, state = run_clip(TfliteRunner(files[precision]), audio, controls, graph.hop)
    assert signal_to_noise_db(wanted, found) > LEAST_SNR_DB[precision]
    assert signal_to_noise_db(wanted_state, state) > LEAST_SNR_DB[precision] - 10


@pytest.mark.parametrize("precision", PRECISIONS)
def test_at_zero_controls_the_delayed_input_comes_out_bit_for_bit(
    precision: str, graph: StreamingGraph, files: dict[str, Path]
) -> None:
    audio = synthesised_music(SECONDS, 48000, graph.channels)
    hops = audio.shape[1] // graph.hop
    found, _ = run_clip(TfliteRunner(files[precision]), audio, np.zeros((hops, 3), np.float32), graph.hop)
    np.testing.assert_array_equal(found[:, graph.latency :], audio[:, : hops * graph.hop - graph.latency])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_metadata_and_no_path_of_the_machine_are_in_the_file(precision: str, files: dict[str, Path]) -> None:
    content = files[precision].read_bytes()
    assert read_metadata(content, KEY, "it") == TEXT
    assert read_metadata(content, "another key", "it") is None
    assert str(ROOT).encode() not in content
    assert b"factored_dft" not in content


def test_reduced_precisions_reduce_the_large_matrices_and_keep_the_dft(files: dict[str, Path]) -> None:
    sizes = {precision: path.stat().st_size for precision, path in files.items()}
    assert sizes["int8"] < sizes["fp16"] < sizes["fp32"]
    schema = flatbuffer_utils.schema_fb.TensorType
    kinds = {"fp16": schema.FLOAT16, "int8": schema.INT8}
    dft_shapes = {(64, 32), (32, 64), (128, 64), (64, 128)}
    for precision, kind in kinds.items():
        (graph,) = model_of(files[precision]).subgraphs
        reduced = {tuple(map(int, tensor.shape)) for tensor in graph.tensors if tensor.type == kind}
        floats = {tuple(map(int, tensor.shape)) for tensor in graph.tensors if tensor.type == schema.FLOAT32}
        assert {(24, 112, 8), (48, 8, 21)} <= reduced  # of the widest bands, and what all bands tell
        assert not reduced & dft_shapes
        assert dft_shapes <= floats


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_data_are_inside_of_the_flatbuffer(precision: str, files: dict[str, Path]) -> None:
    assert all(not buffer.offset and not buffer.size for buffer in model_of(files[precision]).buffers)


def test_eight_bits_are_worth_it_outside_of_the_dft_alone(graph: StreamingGraph, converted: bytes) -> None:
    chosen, with_dft = "weights, a scale a channel", "weights, the DFT too"
    files = {"float32": converted} | {
        name: quantized(converted, schemes()[name], calibration=[]) for name in (chosen, with_dft)
    }
    music = synthesised_music(1.0, 48000, graph.channels)
    controls = moving_controls(music.shape[1] // graph.hop)
    found = {row.name: row for row in measure(files, music, controls)}
    assert found["float32"].snr_db == np.inf
    assert found[chosen].change_snr_db > found[with_dft].change_snr_db + 2


def test_an_unknown_precision_is_refused(graph: StreamingGraph, converted: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"precision: got 'int4', wanted one of: fp32, fp16, int8"):
        write_tflite(graph, tmp_path / "a.tflite", "int4", {}, converted)
    assert list(tmp_path.iterdir()) == []


def test_the_conversion_is_quiet(printed_while_converting: str) -> None:
    assert printed_while_converting == ""


def test_what_was_kept_quiet_is_told_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def break_down() -> None:
        with kept_quiet():
            print("said in Python")
            os.write(2, b"said in native code\n")
            raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"):
        break_down()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "said in Python\n" in printed.err
    assert "said in native code\n" in printed.err
