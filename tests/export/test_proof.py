"""The proof passes what is the generator, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.hop_runner import Samples
from export.material import synthesised_music
from export.onnx_file import OnnxRunner, write_onnx
from export.proof import ParityError, StateErrors, control_tracks, prove_fp32
from export.streaming_graph import StreamingGraph
from models.generators.band_split import BandSplitGenerator
from tests.support.runners import SkewedRunner

SECONDS = 1.0


@pytest.fixture(scope="module")
def graph(generator: BandSplitGenerator) -> StreamingGraph:
    return StreamingGraph(generator, 1).eval()


@pytest.fixture(scope="module")
def runner(graph: StreamingGraph, tmp_path_factory: pytest.TempPathFactory) -> OnnxRunner:
    path = tmp_path_factory.mktemp("file") / "mono.onnx"
    write_onnx(graph, path, {})
    return OnnxRunner(path)


@pytest.fixture(scope="module")
def music() -> Samples:
    return synthesised_music(SECONDS, 48000, 1)


def test_controls_cover_corners_centre_and_motion() -> None:
    tracks = control_tracks(10)
    corners = {tuple(track[0]) for track in tracks.values() if np.ptp(track, axis=0).max() == 0}
    assert len(corners) == 9
    assert (0.5, 0.5, 0.5) in corners
    assert sum(np.ptp(track, axis=0).min() > 0 for track in tracks.values()) == 1


class TestFp32:
    def test_the_generators_own_file_passes(self, graph: StreamingGraph, runner: OnnxRunner, music: Samples) -> None:
        record = prove_fp32(graph, runner, music, "mono.onnx")
        assert 0 < record.relative_error < 1e-5
        assert 0 < record.state_error < 1e-5
        assert record.seconds == pytest.approx(SECONDS, abs=1024 / 48000)
        assert record.runtime.startswith("ONNX Runtime")
        assert record.loss is None

    @pytest.mark.parametrize("factor", [0.0, np.nan, 1.0003])
    def test_an_output_that_is_off_does_not(
        self, graph: StreamingGraph, runner: OnnxRunner, music: Samples, factor: float
    ) -> None:
        with pytest.raises(ParityError, match=r"mono.onnx differs from the generator at controls 0, 0, 0"):
            prove_fp32(graph, SkewedRunner(runner, output=factor), music, "mono.onnx")

    def test_a_state_that_is_off_does_not(self, graph: StreamingGraph, runner: OnnxRunner, music: Samples) -> None:
        class OffWithoutEffect(SkewedRunner):
            """Reports a state that is off, yet goes on from the right one."""

            def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
                return super().hop(audio, controls, state / self._state)

        with pytest.raises(ParityError, match=r"mono.onnx feeds back another state .* 1\.00e-03 in part \d of 4"):
            prove_fp32(graph, OffWithoutEffect(runner, state=1.001), music, "mono.onnx")

    def test_another_generator_does_not(
        self, generator: BandSplitGenerator, runner: OnnxRunner, music: Samples
    ) -> None:
        torch.manual_seed(6)
        other = StreamingGraph(BandSplitGenerator(generator.config).eval(), 1)
        with pytest.raises(ParityError, match=r"wanted both below 0\.0001"):
            prove_fp32(other, runner, music, "mono.onnx")


class TestStateErrors:
    def test_each_part_is_judged_by_itself(self, graph: StreamingGraph) -> None:
        errors = StateErrors(graph)
        theirs = np.ones((1, graph.state_size), dtype=np.float32)
        theirs[:, 1024:2048] = 1e-3
        ours = theirs.copy()
        ours[:, 1024:2048] *= 1.01
        errors.add(ours, theirs)
        assert errors.worst_part == 1
        assert errors.worst == pytest.approx(0.01, rel=1e-3)

    def test_silence_equals_silence_and_nothing_else(self, graph: StreamingGraph) -> None:
        errors = StateErrors(graph)
        silence = np.zeros((1, graph.state_size), dtype=np.float32)
        errors.add(silence, silence)
        assert errors.worst == 0.0
        errors.add(silence + np.float32(1e-9), silence)
        assert errors.worst == np.inf
