"""The proof passes what is the generator, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from export.figure_loss import FigureMeter, Figures, ScenarioClip, read_scenarios, synthesised_scenarios
from export.hop_runner import HopRunner, Samples
from export.material import phone_take, synthesised_music
from export.onnx_file import OnnxRunner
from export.proof import ParityError, StateErrors, control_tracks, prove_fp32
from export.reduced_proof import prove_reduced, require_int8, run_long, settled_round, signal_to_noise_db
from export.streaming_graph import StreamingGraph
from models.generators.band_split import BandSplitGenerator
from models.generators.declipping import MARGIN_BEFORE, WAITED_FOR
from models.generators.falls import KINDS, WEIGHTS
from studiomic.figures import si_sdr
from studiomic.manifest import LossRecord, ParityRecord
from tests.support.runners import SkewedRunner

MARGIN = WAITED_FOR + 1
LATENCY = 1024 + MARGIN
FRAMES_SEEN = 2 * 1024 + MARGIN_BEFORE + MARGIN + 1 + 1024 + 48 * (KINDS + WEIGHTS)
"""Where the features' state begins: behind audio, the overlap, what declipping and the gate of rooms keep."""
SECONDS = 1.0


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
    def test_the_generators_own_file_passes(
        self, graph: StreamingGraph, fp32_runner: OnnxRunner, music: Samples
    ) -> None:
        record = prove_fp32(graph, fp32_runner, music, "mono.onnx")
        assert 0 < record.relative_error < 1e-5
        assert 0 < record.state_error < 1e-5
        assert record.seconds == pytest.approx(SECONDS, abs=1024 / 48000)
        assert record.runtime.startswith("ONNX Runtime")
        assert record.loss is None

    @pytest.mark.parametrize("factor", [0.0, np.nan, 1.0003])
    def test_an_output_that_is_off_does_not(
        self, graph: StreamingGraph, fp32_runner: OnnxRunner, music: Samples, factor: float
    ) -> None:
        with pytest.raises(ParityError, match=r"mono.onnx differs from the generator at controls 0, 0, 0"):
            prove_fp32(graph, SkewedRunner(fp32_runner, output=factor), music, "mono.onnx")

    def test_a_state_that_is_off_does_not(self, graph: StreamingGraph, fp32_runner: OnnxRunner, music: Samples) -> None:
        class OffWithoutEffect(SkewedRunner):
            """Reports a state that is off, yet goes on from the right one."""

            def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
                return super().hop(audio, controls, state / self._state)

        with pytest.raises(ParityError, match=r"mono.onnx feeds back another state .* 1\.00e-03 in part \d+ of 11"):
            prove_fp32(graph, OffWithoutEffect(fp32_runner, state=1.001), music, "mono.onnx")

    def test_another_generator_does_not(
        self, generator: BandSplitGenerator, fp32_runner: OnnxRunner, music: Samples
    ) -> None:
        torch.manual_seed(6)
        other = StreamingGraph(BandSplitGenerator(generator.config).eval(), 1)
        with pytest.raises(ParityError, match=r"wanted both below 0\.0001"):
            prove_fp32(other, fp32_runner, music, "mono.onnx")


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


class Leaking(SkewedRunner):
    """Adds to its output an error that doubles with every second of a stream, which it tells by the state alone."""

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = super().hop(audio, controls, state)
        seen = float(state[0, FRAMES_SEEN])  # they count up to a cap
        return enhanced * np.float32(1 + 1e-5 * 2 ** (seen / 12)), next_state


class Answering(SkewedRunner):
    """Answers audio that a rule knows with a constant."""

    def __init__(self, runner: HopRunner, rule: Callable[[Samples], bool], answer: float) -> None:
        super().__init__(runner)
        self._rule, self._answer = rule, np.float32(answer)

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = super().hop(audio, controls, state)
        return (np.full_like(enhanced, self._answer) if self._rule(audio) else enhanced), next_state


@pytest.fixture(scope="module")
def take() -> Samples:
    return phone_take(synthesised_music(0.5, 48000, 1), 48000)


class TestReduced:
    def proven(self, graph: StreamingGraph, reference: HopRunner, runner: HopRunner, take: Samples) -> ParityRecord:
        theirs = run_long(reference, take, 3, graph.hop)
        return prove_reduced(graph, reference, runner, "fp16", take, theirs, "mono.fp16.onnx")

    def test_a_small_steady_error_passes_and_is_recorded(
        self, graph: StreamingGraph, fp32_runner: OnnxRunner, take: Samples
    ) -> None:
        record = self.proven(graph, fp32_runner, SkewedRunner(fp32_runner, output=1.001), take)
        assert record.relative_error == pytest.approx(1e-3, rel=1e-3)
        assert record.state_error == 0.0
        assert record.seconds == pytest.approx(3 * 23 * 1024 / 48000)

    def test_a_larger_one_does_not(self, graph: StreamingGraph, fp32_runner: OnnxRunner, take: Samples) -> None:
        with pytest.raises(
            ParityError, match=r"SNR to fp32 of 40\.0 dB in the worst of 3 rounds of 0\.5 s, wanted more than 50"
        ):
            self.proven(graph, fp32_runner, SkewedRunner(fp32_runner, output=1.01), take)

    def test_nor_does_one_that_grows(self, graph: StreamingGraph, fp32_runner: OnnxRunner, take: Samples) -> None:
        with pytest.raises(ParityError, match=r"mono.fp16.onnx drifts: SNR to fp32 \d+\.\d dB once settled and"):
            self.proven(graph, fp32_runner, Leaking(fp32_runner), take)

    @pytest.mark.parametrize(
        ("rule", "answer", "message"),
        [
            (lambda audio: not audio.any(), 1e-6, r"answers silence with a sample of 1\.0e-06"),
            (lambda audio: 0 < np.abs(audio).max() < 1e-38, 1e-6, r"differs from fp32 by 1\.0e-06 on denormal numbers"),
            (lambda audio: np.abs(audio).max() > 0.99, np.nan, r"not finite at an extreme input"),
            (lambda audio: np.abs(audio).max() > 0.99, 0.5, r"dB on a full-scale sine, wanted more than 50 dB"),
        ],
    )
    def test_extremes_are_met(
        self,
        graph: StreamingGraph,
        fp32_runner: OnnxRunner,
        take: Samples,
        rule: Callable[[Samples], bool],
        answer: float,
        message: str,
    ) -> None:
        assert 1e-38 < np.abs(take).max() < 0.99
        with pytest.raises(ParityError, match=message):
            self.proven(graph, fp32_runner, Answering(fp32_runner, rule, answer), take)

    def test_too_few_minutes_show_no_drift(self, fp32_runner: OnnxRunner, take: Samples) -> None:
        with pytest.raises(ValueError, match=r"minutes: got 2, wanted at least 3"):
            run_long(fp32_runner, take, 2, 1024)

    def test_a_file_is_judged_when_the_longest_memory_has_settled(self) -> None:
        assert settled_round(10, 60.0) == 1
        assert settled_round(10, 6.0) == 5  # a room that is heard for 6 s on end is told in full after 30
        assert settled_round(3, 0.5) == 1

    def test_signal_to_noise(self) -> None:
        ones = np.ones(10, np.float32)
        assert signal_to_noise_db(np.float32(1.1) * ones, ones) == pytest.approx(20, abs=1e-3)
        assert signal_to_noise_db(ones, ones) == np.inf
        assert signal_to_noise_db(ones, 0 * ones) == -np.inf
        assert signal_to_noise_db(np.nan * ones, ones) == -np.inf


class TestLossOfFigures:
    METER = FigureMeter(
        clips=[
            ScenarioClip(name, np.zeros(1, np.float32), np.zeros(1, np.float32)) for name in ("noise", "noise", "codec")
        ],
        channels=1,
        hop=1024,
        latency=1024,
        rate=48000,
        with_visqol=True,
    )

    def test_the_worst_scenario_counts_by_the_mean_of_its_clips(self) -> None:
        before = [Figures(10.0, 3.0), Figures(20.0, 4.0), Figures(5.0, 2.0)]
        after = [Figures(9.5, 3.0), Figures(20.3, 3.9), Figures(5.0, 1.99)]
        loss = self.METER.worst_loss(before, after)
        assert loss.si_sdr_db == pytest.approx(0.1)
        assert loss.visqol == pytest.approx(0.05)

    def test_the_delay_is_taken_off_and_the_edges_left_out(
        self, generator: BandSplitGenerator, fp32_runner: OnnxRunner
    ) -> None:
        (clip, *_) = synthesised_scenarios(1.5, 48000)
        meter = FigureMeter([clip], 1, 1024, LATENCY, 48000, with_visqol=False)
        with torch.no_grad():
            enhanced = generator(torch.from_numpy(clip.recorded)[None, None], torch.ones(1, 3))[0, 0].numpy()
        inner = slice(24000, 48000)
        wanted = si_sdr(enhanced[inner], clip.reference[inner])
        (figures,) = meter.measure(fp32_runner)
        assert figures.si_sdr_db == pytest.approx(wanted, abs=1e-3)
        assert figures.visqol is None

    @pytest.mark.parametrize(
        ("loss", "passes"),
        [
            (LossRecord(0.3, 0.05), True),
            (LossRecord(-1.0, None), True),
            (LossRecord(0.31, 0.0), False),
            (LossRecord(0.0, 0.051), False),
            (LossRecord(float("nan"), None), False),
        ],
    )
    def test_int8_may_lose_a_little(self, loss: LossRecord, passes: bool) -> None:
        record = ParityRecord(1.0, 0.0, 0.0, 0.0, "a runtime", None)
        if passes:
            assert require_int8(record, loss, "mono.int8.onnx").loss == loss
        else:
            with pytest.raises(ParityError, match=r"mono.int8.onnx loses .* wanted at most 0.3 dB and 0.05"):
                require_int8(record, loss, "mono.int8.onnx")

    def test_scenarios_are_read_one_clip_each_or_all(self, tmp_path: Path) -> None:
        (tmp_path / "clips.csv").write_text("clip,seconds,cutoff_hz\na,1,20000\nb,1,20000\n", encoding="utf-8")
        for index, scenario in enumerate(("clean", "noise", "codec")):
            (tmp_path / scenario).mkdir()
            for clip in "ab":
                soundfile.write(tmp_path / scenario / f"{clip}.wav", np.full(480, 0.1 * (index + 1)), 48000)
        chosen = read_scenarios(tmp_path, 48000, every_clip=False)
        assert [clip.scenario for clip in chosen] == ["clean", "codec", "noise"]
        assert [round(float(clip.recorded[0]), 2) for clip in chosen] == [0.1, 0.3, 0.2]
        assert all(round(float(clip.reference[0]), 2) == 0.1 for clip in chosen)
        assert len(read_scenarios(tmp_path, 48000, every_clip=True)) == 6
        with pytest.raises(ValueError, match=r"a.wav has 48000 Hz and 1 channels, wanted 44100 Hz and 1"):
            read_scenarios(tmp_path, 44100, every_clip=False)
        with pytest.raises(ValueError, match=r"is no folder of scenarios: wanted clips.csv"):
            read_scenarios(tmp_path / "clean", 48000, every_clip=False)
