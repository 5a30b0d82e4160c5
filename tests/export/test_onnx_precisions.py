"""Fewer bits where they are meant to be, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
from onnx import TensorProto, numpy_helper

from export.calibration import Clip, calibration_clips, calibration_hops
from export.graph_runner import GraphRunner
from export.hop_runner import Samples, run_clip
from export.material import phone_take, synthesised_music
from export.onnx_file import OnnxRunner, StaticRanges, save_onnx, write_onnx
from export.onnx_precisions import (
    PRODUCTS,
    float32_nodes,
    matrix_products,
    quantize_products,
    rounded_to_int8,
    scope_of,
    to_fp16,
    to_int8,
)
from export.reduced_proof import signal_to_noise_db
from export.streaming_graph import StreamingGraph
from models.generators.declipping import WAITED_FOR

LATENCY = 1024 + WAITED_FOR + 1
HOPS = 30


@pytest.fixture(scope="module")
def take() -> Samples:
    return phone_take(synthesised_music(HOPS * 1024 / 48000, 48000, 1), 48000)


def runner_of(model: onnx.ModelProto, folder: Path) -> OnnxRunner:
    save_onnx(model, folder / "made.onnx", {})
    return OnnxRunner(folder / "made.onnx")


def enhanced(runner: OnnxRunner, take: Samples, strength: float = 1.0) -> Samples:
    return run_clip(runner, take, np.full((HOPS, 3), strength, np.float32), 1024)[0]


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


@pytest.fixture(scope="module")
def half(converted: onnx.ModelProto) -> onnx.ModelProto:
    return to_fp16(converted)


class TestFp16:
    def test_it_is_near_fp32(
        self, half: onnx.ModelProto, fp32_runner: OnnxRunner, take: Samples, tmp_path: Path
    ) -> None:
        snr_db = signal_to_noise_db(enhanced(runner_of(half, tmp_path), take), enhanced(fp32_runner, take))
        assert 50 < snr_db < 120  # of equal files it would be infinite

    def test_the_dry_path_is_exact(self, half: onnx.ModelProto, take: Samples, tmp_path: Path) -> None:
        bypassed = enhanced(runner_of(half, tmp_path), take, strength=0.0)
        np.testing.assert_array_equal(bypassed[:, LATENCY:], take[:, :-LATENCY])

    def test_the_networks_matrices_are_halved_and_the_dfts_are_not(self, half: onnx.ModelProto) -> None:
        kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
        assert kinds["generator.encoder.weights.2.fp16"] == TensorProto.FLOAT16
        assert kinds["dft.first"] == kinds["analysis_window"] == TensorProto.FLOAT
        assert "generator.encoder.weights.2" not in kinds

    def test_states_features_and_what_leads_to_them_stay_in_float32(self, half: onnx.ModelProto) -> None:
        types = types_of(half)
        of_features = [node for node in half.graph.node if scope_of(node) in ("dft", "generator.features")]
        assert len(of_features) > 50
        assert {types[name] for node in of_features for name in node.output} == {TensorProto.FLOAT}
        makers = {name: node for node in half.graph.node for name in node.output}
        packing = makers["next_state_0"]
        packing = packing if packing.op_type == "Concat" else makers[packing.input[0]]
        assert len(packing.input) > 2
        assert {types[name] for name in packing.input} == {TensorProto.FLOAT}
        recurrence = [node for node in half.graph.node if scope_of(node) == "generator.blocks.0.time"]
        assert {types[name] for node in recurrence for name in node.output} == {TensorProto.FLOAT}
        of_statistics = ("generator.declipping", "generator.band_means", "generator.falls", "generator.room_gate")
        products = [
            node
            for node in half.graph.node
            if node.op_type in PRODUCTS and "generator" in scope_of(node) and scope_of(node) not in of_statistics
        ]
        assert {types[name] for node in products for name in node.output} == {TensorProto.FLOAT16}

    def test_nothing_is_rounded_between_nodes_in_float32(self, half: onnx.ModelProto) -> None:
        made_by = {name: node for node in half.graph.node for name in node.output}
        casts = [node for node in half.graph.node if node.op_type == "Cast"]
        assert len(casts) > 5
        assert not [node for node in casts if made_by[node.input[0]].op_type == "Cast"]

    def test_an_output_in_float16_is_refused(self, converted: onnx.ModelProto) -> None:
        with pytest.raises(ValueError, match=r"makes the output enhanced: wanted it among the nodes in float32"):
            to_fp16(converted, kept=lambda model: float32_nodes(model) - {maker_of(model, "enhanced")})


def maker_of(model: onnx.ModelProto, output: str) -> str:
    (name,) = [str(node.name) for node in model.graph.node if output in node.output]
    return name


class TestInt8:
    def test_matrices_are_stored_in_8_bits(self, converted: onnx.ModelProto) -> None:
        small = to_int8(converted)
        stored = {tensor.name: tensor for tensor in small.graph.initializer}
        eights = [numpy_helper.to_array(tensor) for tensor in stored.values() if tensor.data_type == TensorProto.INT8]
        assert len(eights) == len({name for name in stored if name.endswith(".scale")}) > 10
        assert all(np.abs(values.astype(int)).max() <= 127 for values in eights)
        assert stored["dft.first"].data_type == TensorProto.FLOAT
        scale = numpy_helper.to_array(stored["generator.encoder.weights.2.scale"])
        assert scale.shape == (24, 1, 8)  # for each band and column
        largest = {
            name: np.prod(tensor.dims) for name, tensor in stored.items() if tensor.data_type == TensorProto.FLOAT
        }
        assert max(largest.values()) <= 8192  # what is left of floats: the DFT and biases

    def test_it_is_near_fp32(
        self, converted: onnx.ModelProto, fp32_runner: OnnxRunner, take: Samples, tmp_path: Path
    ) -> None:
        snr_db = signal_to_noise_db(
            enhanced(runner_of(to_int8(converted), tmp_path), take), enhanced(fp32_runner, take)
        )
        assert 30 < snr_db < 120

    def test_nothing_is_left_to_open_at_each_hop(self, converted: onnx.ModelProto, tmp_path: Path) -> None:
        """The runtime folds what opens the matrices when it loads them."""
        save_onnx(to_int8(converted), tmp_path / "int8.onnx", {})
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "folded.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        onnxruntime.InferenceSession(tmp_path / "int8.onnx", options, providers=["CPUExecutionProvider"])
        folded = onnx.load(tmp_path / "folded.onnx").graph
        assert not [node for node in folded.node if node.op_type == "Cast"]
        assert not [tensor for tensor in folded.initializer if tensor.data_type == TensorProto.INT8]

    def test_only_the_parts_that_are_named(self, converted: onnx.ModelProto) -> None:
        small = to_int8(converted, ["generator.decoder"])
        eights = [tensor.name for tensor in small.graph.initializer if tensor.data_type == TensorProto.INT8]
        assert eights == ["generator.decoder.weight.int8"]

    @pytest.mark.parametrize("axis", [-1, -2])
    def test_rounding_is_within_half_a_step_of_each_column(self, axis: int) -> None:
        matrix = np.random.default_rng(0).standard_normal((3, 5, 7)).astype(np.float32)
        matrix[0] = 0.0
        integers, scale = rounded_to_int8(matrix, axis)
        assert np.all(np.abs(integers * scale - matrix) <= 0.5001 * scale)
        assert np.all(np.abs(integers[1:]).max(axis=axis) == 127)


@pytest.fixture(scope="module")
def ranges(graph: StreamingGraph) -> StaticRanges:
    clips = calibration_clips(None, 1, count=2, seconds=0.5)
    return StaticRanges(8, calibration_hops(GraphRunner(graph), clips, 1024, every=3))


class TestStaticQuantization:
    def test_products_take_integers_on_both_sides(
        self,
        graph: StreamingGraph,
        converted: onnx.ModelProto,
        fp32_runner: OnnxRunner,
        ranges: StaticRanges,
        take: Samples,
        tmp_path: Path,
    ) -> None:
        path = tmp_path / "static.onnx"
        names = write_onnx(graph, path, "int8", {}, converted, ranges)
        assert names["state_0"] == "state_0"
        model = onnx.load(path)
        made_by = {name: node.op_type for node in model.graph.node for name in node.output}
        products = [node for node in model.graph.node if node.op_type in PRODUCTS]
        quantized = [node for node in products if {made_by.get(name) for name in node.input} == {"DequantizeLinear"}]
        assert len(quantized) == len(matrix_products(converted))
        assert 15 < signal_to_noise_db(enhanced(OnnxRunner(path), take), enhanced(fp32_runner, take)) < 120

    def test_other_bits_are_refused(self, converted: onnx.ModelProto, ranges: StaticRanges) -> None:
        with pytest.raises(ValueError, match=r"activation bits: got 4, wanted 8 or 16"):
            quantize_products(converted, 4, ranges.hops)

    def test_an_unknown_precision_is_refused(self, graph: StreamingGraph, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"precision: got 'fp64', wanted one of: fp32, fp16, int8"):
            write_onnx(graph, tmp_path / "a.onnx", "fp64", {})


class TestCalibration:
    def test_hops_carry_the_state_that_the_stream_had(self, graph: StreamingGraph) -> None:
        audio = synthesised_music(10 * 1024 / 48000, 48000, 1)
        clip = Clip(audio, np.ones((1, 3), np.float32))
        hops = calibration_hops(GraphRunner(graph), [clip, clip], 1024, every=4)
        assert len(hops) == 6  # hops 0, 4 and 8 of each clip
        np.testing.assert_array_equal(hops[1].audio, audio[:, 4096:5120])
        _, state = run_clip(GraphRunner(graph), audio[:, :4096], np.ones((4, 3), np.float32), 1024)
        np.testing.assert_allclose(hops[1].state, state, atol=1e-6)
        assert not hops[3].state.any()

    def test_recordings_are_degraded_as_in_training(self, tmp_path: Path) -> None:
        music = synthesised_music(2.0, 48000, 1)[0]
        soundfile.write(tmp_path / "song.wav", music, 48000)
        clips = calibration_clips(tmp_path, 2, count=3, seconds=1.0)
        assert [clip.audio.shape for clip in clips] == [(2, 48000)] * 3
        assert all(clip.controls.shape == (1, 3) and np.ptp(clip.audio) > 0.01 for clip in clips)
        again = calibration_clips(tmp_path, 2, count=3, seconds=1.0)
        np.testing.assert_array_equal(clips[2].audio, again[2].audio)
