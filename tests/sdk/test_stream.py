"""What a stream promises: any block size, any rate, any channels, and never another bit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studiomic import (
    Controls,
    InvalidAudioError,
    RuntimeFailureError,
    Stream,
    StreamBusyError,
    StreamStatistics,
    load_bundle,
)
from studiomic.hop_plan import HopPlan
from studiomic.runtimes.base import Runtime
from tests.support.graphs import GRAPH_LATENCY, GRAPH_RATE, HOP, FakeBundle, FakeRuntime, fake_bundle, graph_over_whole
from tests.support.signals import BLOCK_SIZES, RATES, noise, pieces, streamed, tones

IDENTITY = Controls(0, 0, 0)
MIXED = Controls(denoise=0.75, dereverb=1.0, extend=0.5)
BACKENDS = ["onnx", "tflite"]
Engines = tuple[Runtime, Runtime] | None
every_rate = pytest.mark.parametrize("rate", RATES)


def plan_at(rate: int) -> HopPlan:
    return HopPlan(rate, GRAPH_RATE, HOP, GRAPH_LATENCY)


def length_for(rate: int) -> int:
    """A little more than three hops, and odd."""
    return plan_at(rate).inputs_for(2) + 77 | 1


@pytest.fixture(scope="session")
def all_engines(two_formats: Path) -> dict[str, Engines]:
    """What runs the small graph: numpy, and every runtime that runs on any machine."""
    loaded = load_bundle(two_formats)
    return {"numpy": None} | {name: (loaded.open(1, name), loaded.open(2, name)) for name in BACKENDS}


@pytest.fixture(params=["numpy", *BACKENDS])
def engines(request: pytest.FixtureRequest, all_engines: dict[str, Engines]) -> Engines:
    return all_engines[request.param]


@pytest.fixture
def fake(engines: Engines) -> FakeBundle:
    return fake_bundle(engines)


@functools.cache
def streamed_whole(engines: Engines, rate: int, channels: int) -> NDArray[np.float32]:
    stream = Stream(rate, channels, controls=MIXED, bundle=fake_bundle(engines))
    return streamed(stream, noise(length_for(rate), channels))


class TestChunksAndWhole:
    @every_rate
    @pytest.mark.parametrize("size", BLOCK_SIZES)
    def test_mono(self, rate: int, size: int | str, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        assert np.array_equal(streamed(stream, noise(length_for(rate), 1), size), streamed_whole(fake.engines, rate, 1))

    @every_rate
    @pytest.mark.parametrize("channels", [2, 6])
    @pytest.mark.parametrize("size", [64, 1025, "random"])
    def test_more_channels(self, rate: int, channels: int, size: int | str, fake: FakeBundle) -> None:
        stream = Stream(rate, channels, controls=MIXED, bundle=fake)
        whole = streamed_whole(fake.engines, rate, channels)
        assert np.array_equal(streamed(stream, noise(length_for(rate), channels), size), whole)

    @pytest.mark.parametrize("rate", [44100, 48000])
    def test_minutes(self, rate: int, fake: FakeBundle) -> None:
        samples = noise(70 * rate + 1, 1)
        whole = streamed(Stream(rate, 1, controls=MIXED, bundle=fake), samples)
        assert np.array_equal(streamed(Stream(rate, 1, controls=MIXED, bundle=fake), samples, "random"), whole)

    @every_rate
    @pytest.mark.parametrize("length", [0, 1, HOP - 1, HOP, 2 * HOP + 1])
    def test_short_lengths(self, rate: int, length: int, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=IDENTITY, bundle=fake)
        samples = noise(length, 1)
        output = streamed(stream, samples, 7)
        assert np.array_equal(output, np.concatenate((np.zeros((stream.latency, 1), np.float32), samples)))


class TestWhatComesOut:
    @pytest.mark.parametrize("channels", [1, 2])
    def test_at_the_graphs_rate_it_is_the_graphs_output(self, channels: int, fake: FakeBundle) -> None:
        samples = noise(20 * HOP, channels)
        stream = Stream(GRAPH_RATE, channels, controls=MIXED, bundle=fake)
        output = streamed(stream, samples, "random")[stream.latency - GRAPH_LATENCY :]
        assert np.array_equal(output[: len(samples)], graph_over_whole(samples, MIXED, fake.runtimes[channels]))

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("channels", [1, 2])
    def test_a_bundle_agrees_with_the_graph_in_numpy(self, channels: int, backend: str, two_formats: Path) -> None:
        samples = noise(20 * HOP, channels)
        stream = Stream(GRAPH_RATE, channels, controls=MIXED, bundle=two_formats, backend=backend)
        output = streamed(stream, samples)[stream.latency - GRAPH_LATENCY :]
        assert np.abs(output[: len(samples)] - graph_over_whole(samples, MIXED, FakeRuntime(channels))).max() < 1e-6

    @every_rate
    def test_at_other_rates_what_the_graph_does_within_the_band_arrives_in_time(
        self, rate: int, fake: FakeBundle
    ) -> None:
        samples = tones(length_for(rate) * 3, rate, highest=0.35 * min(rate, GRAPH_RATE))
        stream = Stream(rate, 1, controls=Controls(denoise=1, dereverb=0, extend=0), bundle=fake)
        output = streamed(stream, samples)[stream.latency :]
        assert np.abs(output - 0.5 * samples).max() < 1e-5

    @every_rate
    def test_nothing_above_the_graphs_band_is_lost(self, rate: int, fake: FakeBundle) -> None:
        # Above 24 kHz the graph hears nothing and so changes nothing.
        if rate <= GRAPH_RATE:
            assert Stream(rate, 1, bundle=fake).extend_limit_hz == rate / 2
            return
        time = np.arange(length_for(rate)) / rate
        samples = (0.3 * np.sin(2 * np.pi * 30000 * time) * np.hanning(len(time))).astype(np.float32)
        stream = Stream(rate, 1, controls=Controls(denoise=1, dereverb=0, extend=0), bundle=fake)
        assert stream.extend_limit_hz == 24000
        assert np.abs(streamed(stream, samples)[stream.latency :] - samples).max() < 1e-5


class TestIdentity:
    @every_rate
    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int32])
    def test_at_zero_controls_the_delayed_input_comes_out_bit_for_bit(
        self, rate: int, kind: type, fake: FakeBundle
    ) -> None:
        generator = np.random.default_rng(rate)
        samples: NDArray[Any]
        if np.dtype(kind).kind == "i":
            limits = np.iinfo(kind)
            samples = generator.integers(limits.min, limits.max, (length_for(rate), 2), endpoint=True).astype(kind)
            samples[5], samples[6] = limits.min, limits.max
        else:
            samples = (2.0 * generator.standard_normal((length_for(rate), 2))).astype(kind)
            samples[100:105] = 3e4
            samples[200:300] *= 1e-41
        stream = Stream(rate, 2, controls=IDENTITY, bundle=fake)
        output = streamed(stream, samples, 480)
        assert output.dtype == kind
        assert not output[: stream.latency].any()
        assert np.array_equal(output[stream.latency :], samples)
        assert stream.statistics.saturated == 0

    @every_rate
    def test_a_click_comes_out_exactly_latency_later(self, rate: int, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=IDENTITY, bundle=fake)
        for position in (0, 1, 500):
            click = np.zeros(length_for(rate), np.float32)
            click[position] = 1.0
            assert np.flatnonzero(streamed(stream, click, 64)).tolist() == [position + stream.latency]

    def test_latency_is_2047_at_48_khz(self, fake: FakeBundle) -> None:
        assert Stream(48000, 1, bundle=fake).latency == 2047


class TestFlushAndReset:
    @every_rate
    def test_flush_gives_latency_samples_and_starts_anew(self, rate: int, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        samples = noise(length_for(rate), 1)
        stream.process(samples[:1500])
        assert len(stream.flush()) == stream.latency
        assert np.array_equal(streamed(stream, samples), streamed_whole(fake.engines, rate, 1))

    @every_rate
    @pytest.mark.parametrize("before", [1, 1000, 5000])
    def test_reset_is_fresh(self, rate: int, before: int, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        stream.process(noise(before, 1, seed=9))
        stream.reset()
        assert stream.statistics == StreamStatistics(0, 0, 0, 0)
        assert np.array_equal(streamed(stream, noise(length_for(rate), 1)), streamed_whole(fake.engines, rate, 1))

    def test_flush_of_nothing_is_silence(self, fake: FakeBundle) -> None:
        stream = Stream(44100, 2, bundle=fake)
        tail = stream.flush()
        assert tail.shape == (stream.latency, 2)
        assert not tail.any()

    def test_flush_keeps_the_last_blocks_shape_and_type(self, fake: FakeBundle) -> None:
        stream = Stream(48000, 1, bundle=fake)
        stream.process(np.zeros(5, np.int16))
        assert (stream.flush().ndim, stream.flush().dtype) == (1, np.int16)
        stream.process(np.zeros((5, 1), np.float64))
        assert (stream.flush().shape, stream.flush().dtype) == ((stream.latency, 1), np.float64)

    def test_statistics_count_and_outlive_a_flush(self, fake: FakeBundle) -> None:
        stream = Stream(48000, 2, bundle=fake)
        stream.process(noise(100, 2))
        stream.process(noise(50, 2))
        assert stream.statistics == StreamStatistics(samples_in=150, samples_out=150, non_finite=0, saturated=0)
        stream.flush()
        assert stream.statistics.samples_out == 150 + stream.latency


class TestControls:
    @every_rate
    def test_those_at_a_hops_last_sample_rule_it(self, rate: int, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, bundle=fake)
        seen = fake.runtimes[1].controls_seen
        samples = noise(plan_at(rate).inputs_for(3), 1)
        fed = 0
        for job in range(4):
            last = plan_at(rate).inputs_for(job) - 1
            stream.controls = Controls(0.1, 0.2, 0.3)
            stream.process(samples[fed:last])
            assert len(seen) == job
            wanted = Controls(0.25 * job, 0.5, 1.0)
            stream.controls = wanted
            stream.process(samples[last : last + 1])
            fed = last + 1
            assert len(seen) == job + 1
            assert seen[job] == tuple(asdict(wanted).values())

    def test_moved_mid_stream_they_change_exactly_their_hops(self, fake: FakeBundle) -> None:
        stream = Stream(GRAPH_RATE, 1, controls=Controls(1, 0, 0), bundle=fake)
        samples = noise(8 * HOP, 1)
        outputs = [stream.process(samples[: 3 * HOP - 1])]
        stream.controls = Controls(0, 0, 0)
        outputs.append(stream.process(samples[3 * HOP - 1 :]))
        gain = np.concatenate([*outputs, stream.flush()])[stream.latency :] / samples
        # Hops 0 and 1 were complete before the move; the delay of one hop puts their gain on the hop before.
        assert np.allclose(gain[:HOP], 0.5)
        assert np.array_equal(gain[HOP:], np.ones_like(gain[HOP:]))

    @every_rate
    def test_moving_controls_do_not_depend_on_the_cut(self, rate: int, engines: Engines) -> None:
        samples = noise(length_for(rate), 1)

        def moved(cut: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]) -> NDArray[np.float32]:
            stream = Stream(rate, 1, bundle=fake_bundle(engines))
            outputs = []
            for index, part in enumerate(np.array_split(samples, 9)):
                stream.controls = Controls(denoise=index / 9, dereverb=1 - index / 9, extend=0.5)
                outputs += [stream.process(block) for block in cut(part)]
            return np.concatenate([*outputs, stream.flush()])

        assert np.array_equal(moved(lambda part: [part]), moved(lambda part: list(pieces(part, 31))))


class TestLayouts:
    @pytest.mark.parametrize("rate", [44100, 48000])
    @pytest.mark.parametrize(
        ("groups", "wanted"),
        [
            ("auto", [(0,), (1,), (2,), (3,), (4,), (5,)]),
            ("singles", [(0,), (1,), (2,), (3,), (4,), (5,)]),
            ("pairs", [(0, 1), (2, 3), (4, 5)]),
            ([(5, 0), (1,), [2, 3], (4,)], [(5, 0), (1,), (2, 3), (4,)]),
        ],
    )
    def test_six_channels_are_as_many_streams(
        self, rate: int, groups: Any, wanted: list[tuple[int, ...]], fake: FakeBundle
    ) -> None:
        samples = noise(5 * HOP, 6) * np.linspace(0.1, 1.5, 6, dtype=np.float32)
        together = streamed(Stream(rate, 6, controls=MIXED, channel_groups=groups, bundle=fake), samples)
        for group in wanted:
            alone = streamed(Stream(rate, len(group), controls=MIXED, bundle=fake), samples[:, list(group)])
            assert np.array_equal(together[:, list(group)], alone)

    def test_two_channels_are_one_pair_unless_asked_otherwise(self, fake: FakeBundle) -> None:
        samples = noise(3 * HOP, 2) * np.array([1.0, 0.1], np.float32)
        pair = streamed(Stream(48000, 2, controls=MIXED, bundle=fake), samples)
        singles = streamed(Stream(48000, 2, controls=MIXED, channel_groups="singles", bundle=fake), samples)
        assert not np.array_equal(pair, singles)
        assert np.array_equal(singles[:, :1], streamed(Stream(48000, 1, controls=MIXED, bundle=fake), samples[:, :1]))

    @pytest.mark.parametrize("rate", [44100, 48000])
    def test_64_channels(self, rate: int, fake: FakeBundle) -> None:
        samples = noise(2000, 64)
        stream = Stream(rate, 64, controls=IDENTITY, bundle=fake)
        assert np.array_equal(streamed(stream, samples)[stream.latency :], samples)

    def test_one_channel_may_be_flat(self, fake: FakeBundle) -> None:
        samples = noise(5000, 1)
        flat = streamed(Stream(44100, 1, controls=MIXED, bundle=fake), samples[:, 0])
        assert flat.ndim == 1
        assert np.array_equal(flat[:, np.newaxis], streamed(Stream(44100, 1, controls=MIXED, bundle=fake), samples))

    def test_memory_of_any_layout_is_read_rightly_and_left_alone(self, fake: FakeBundle) -> None:
        samples = noise(4000, 2)
        for spoilt in (np.asfortranarray(samples), np.repeat(samples, 2, axis=0)[::2], samples[::-1].copy()[::-1]):
            kept = spoilt.copy()
            spoilt.flags.writeable = False
            output = streamed(Stream(44100, 2, controls=MIXED, bundle=fake), spoilt)
            assert np.array_equal(output, streamed(Stream(44100, 2, controls=MIXED, bundle=fake), samples))
            assert np.array_equal(spoilt, kept)

    @pytest.mark.parametrize("rate", [44100, 48000])
    def test_a_caller_may_reuse_its_block_and_the_output(self, rate: int, fake: FakeBundle) -> None:
        samples = noise(length_for(rate), 1)
        stream, block, outputs = Stream(rate, 1, controls=MIXED, bundle=fake), np.empty((480, 1), np.float32), []
        for piece in pieces(samples, 480):
            block[: len(piece)] = piece
            output = stream.process(block[: len(piece)])
            outputs.append(output.copy())
            output[:] = block[:] = 7.0
        assert np.array_equal(np.concatenate([*outputs, stream.flush()]), streamed_whole(fake.engines, rate, 1))


class TestSampleTypes:
    @every_rate
    @pytest.mark.parametrize(("kind", "scale"), [(np.int16, 2**15), (np.int32, 2**31)])
    def test_integers_saturate_and_are_counted(self, rate: int, kind: type, scale: int, fake: FakeBundle) -> None:
        loud = 2.0 * scale * tones(length_for(rate), rate, 0.2 * rate).astype(np.float64)
        samples: NDArray[Any] = loud.clip(-scale, scale - 1).astype(kind)
        louder = Controls(denoise=0, dereverb=0, extend=1)
        stream = Stream(rate, 1, controls=louder, bundle=fake)
        output = streamed(stream, samples)
        floats = streamed(Stream(rate, 1, controls=louder, bundle=fake), samples.astype(np.float64) / scale)
        beyond = int(np.count_nonzero(np.rint(floats * scale) != np.rint(floats * scale).clip(-scale, scale - 1)))
        assert beyond > 0
        assert stream.statistics.saturated == beyond
        assert np.array_equal(output, np.rint(floats * scale).clip(-scale, scale - 1).astype(kind))

    @every_rate
    def test_floats_are_never_clipped(self, rate: int, fake: FakeBundle) -> None:
        samples = 100 * tones(length_for(rate), rate, 0.2 * min(rate, GRAPH_RATE))
        stream = Stream(rate, 1, controls=Controls(0, 0, 1), bundle=fake)
        output = streamed(stream, samples)[stream.latency :]
        assert np.abs(output - 1.25 * samples).max() < 1e-5 * 100
        assert np.abs(output).max() > 30

    @pytest.mark.parametrize("rate", [44100, 48000])
    def test_double_precision_is_kept(self, rate: int, fake: FakeBundle) -> None:
        samples = noise(5000, 1).astype(np.float64) + 1e-12
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        output = streamed(stream, samples)
        assert output.dtype == np.float64
        single = streamed(Stream(rate, 1, controls=MIXED, bundle=fake), samples.astype(np.float32))
        assert np.abs(output - single).max() < 1e-6

    def test_the_type_may_change_from_block_to_block(self, fake: FakeBundle) -> None:
        stream = Stream(48000, 1, controls=IDENTITY, bundle=fake)
        stream.process(np.full(2047, 0.5, np.float64))
        output = stream.process(np.zeros(100, np.int16))
        assert output.dtype == np.int16
        assert np.array_equal(output, np.full(100, 2**14))


class TestBadSamples:
    @pytest.mark.parametrize("rate", [16000, 48000])
    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
    def test_they_count_as_zero_and_poison_nothing(self, rate: int, kind: type, bad: float, fake: FakeBundle) -> None:
        samples: NDArray[Any] = noise(length_for(rate), 2).astype(kind)
        silenced = samples.copy()
        silenced[50:53, 1] = 0
        samples[50:53, 1] = bad
        stream = Stream(rate, 2, controls=MIXED, bundle=fake)
        wanted = streamed(Stream(rate, 2, controls=MIXED, bundle=fake), silenced)
        assert np.array_equal(streamed(stream, samples, 64), wanted)
        assert stream.statistics.non_finite == 3

    def test_a_refused_block_leaves_no_trace(self, fake: FakeBundle) -> None:
        stream = Stream(44100, 1, controls=MIXED, bundle=fake)
        samples = noise(length_for(44100), 1)
        head = stream.process(samples[:1000])
        for refused in (np.zeros((10, 2), np.float32), np.zeros(10, np.uint8), np.zeros((1, 1, 1), np.float32)):
            with pytest.raises(InvalidAudioError):
                stream.process(refused)
        rest = [stream.process(samples[1000:]), stream.flush()]
        assert np.array_equal(np.concatenate([head, *rest]), streamed_whole(fake.engines, 44100, 1))


class TestFailures:
    @pytest.mark.parametrize("rate", [44100, 48000])
    @pytest.mark.parametrize("failure", [RuntimeFailureError("broke"), KeyboardInterrupt()])
    def test_after_a_failure_the_stream_is_as_new(self, rate: int, failure: BaseException, fake: FakeBundle) -> None:
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        stream.process(noise(3000, 1, seed=5))
        fake.runtimes[1].failure = failure
        with pytest.raises(type(failure)):
            stream.process(noise(5000, 1, seed=6))
        fake.runtimes[1].failure = None
        assert np.array_equal(streamed(stream, noise(length_for(rate), 1)), streamed_whole(fake.engines, rate, 1))

    def test_a_graph_that_gives_nan_is_reported_and_its_states_forgotten(self, fake: FakeBundle) -> None:
        stream = Stream(48000, 1, controls=MIXED, bundle=fake)
        fake.runtimes[1].poison = True
        with pytest.raises(RuntimeFailureError, match=r"not finite.*peak is 0\.5, wanted finite"):
            stream.process(np.full(5000, 0.5, np.float32))
        fake.runtimes[1].poison = False
        assert np.array_equal(streamed(stream, noise(length_for(48000), 1)), streamed_whole(fake.engines, 48000, 1))

    def test_a_second_thread_is_refused_and_disturbs_nothing(
        self, fake: FakeBundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = Stream(48000, 1, controls=MIXED, bundle=fake)
        inside, leave = threading.Event(), threading.Event()
        run = fake.runtimes[1].run

        def slow(*arguments: Any) -> Any:
            inside.set()
            assert leave.wait(30)
            return run(*arguments)

        monkeypatch.setattr(fake.runtimes[1], "run", slow)
        samples = noise(length_for(48000), 1)
        outputs: list[NDArray[np.float32]] = []
        worker = threading.Thread(target=lambda: outputs.append(stream.process(samples)))
        worker.start()
        try:
            assert inside.wait(30)
            calls: list[Callable[[], object]] = [lambda: stream.process(samples), stream.flush, stream.reset]
            for call in calls:
                with pytest.raises(StreamBusyError, match=r"another thread is inside, wanted one thread at a time"):
                    call()
            stream.controls = MIXED
            assert stream.latency == 2047
        finally:
            leave.set()
            worker.join()
        assert np.array_equal(np.concatenate([*outputs, stream.flush()]), streamed_whole(fake.engines, 48000, 1))
