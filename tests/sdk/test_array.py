"""Whole recordings: as long as they were, where they were, and the same however they were cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studiomic import Controls, InvalidAudioError, Stream, enhance
from studiomic.resampling import BEST, ResamplingPlan
from studiomic.whole import WholeEnhancer, default_output_rate
from tests.support.graphs import FakeBundle, fake_bundle
from tests.support.signals import RATES, noise, pieces, streamed, tones

IDENTITY = Controls(0, 0, 0)
MIXED = Controls(denoise=0.75, dereverb=1.0, extend=0.5)
every_rate = pytest.mark.parametrize("rate", RATES)
CHANGES = [
    (8000, 48000),
    (11025, 44100),
    (16000, 192000),
    (44100, 48000),
    (48000, 44100),
    (96000, 16000),
    (192000, 8000),
]
every_change = pytest.mark.parametrize(("rate", "output_rate"), CHANGES)


def by_blocks(enhancer: WholeEnhancer, samples: NDArray[Any], size: int | str) -> NDArray[Any]:
    return np.concatenate([*[enhancer.push(block) for block in pieces(samples, size)], enhancer.finish()])


class TestSameRate:
    @every_rate
    @pytest.mark.parametrize("length", [0, 1, 1023, 20001])
    @pytest.mark.parametrize("channels", [1, 2, 6])
    def test_length_shape_and_type_stay(self, rate: int, length: int, channels: int, fake: FakeBundle) -> None:
        samples = noise(length, channels)
        enhanced = enhance(samples, rate, output_rate=rate, bundle=fake)
        assert enhanced.rate == rate
        assert enhanced.samples.shape == samples.shape
        assert enhanced.samples.dtype == np.float32

    @every_rate
    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int32])
    def test_at_zero_controls_nothing_changes(self, rate: int, kind: type, fake: FakeBundle) -> None:
        scale = 1 if np.dtype(kind).kind == "f" else np.iinfo(kind).max
        samples: NDArray[Any] = (noise(9001, 2).astype(np.float64) * scale).astype(kind)
        enhanced = enhance(samples, rate, output_rate=rate, controls=IDENTITY, bundle=fake)
        assert enhanced.samples.dtype == kind
        assert np.array_equal(enhanced.samples, samples)

    @every_rate
    def test_it_is_the_stream_with_the_delay_taken_off(self, rate: int, fake: FakeBundle) -> None:
        samples = noise(70001, 1)
        stream = Stream(rate, 1, controls=MIXED, bundle=fake)
        enhanced = enhance(samples, rate, output_rate=rate, controls=MIXED, bundle=fake)
        assert np.array_equal(enhanced.samples, streamed(stream, samples, 999)[stream.latency :])

    def test_flat_stays_flat(self, fake: FakeBundle) -> None:
        samples = noise(5000, 1)
        flat = enhance(samples[:, 0], 48000, bundle=fake).samples
        assert np.array_equal(flat, enhance(samples, 48000, bundle=fake).samples[:, 0])

    def test_integers_saturate(self, fake: FakeBundle) -> None:
        loud = np.full(9000, 30000, np.int16)
        enhanced = enhance(loud, 48000, controls=Controls(0, 0, 1), bundle=fake)
        assert enhanced.samples.dtype == np.int16
        assert (enhanced.samples == 32767).all()


class TestOtherRate:
    def test_below_44100_the_output_is_at_48000_by_default(self, fake: FakeBundle) -> None:
        rates = [default_output_rate(rate) for rate in (8000, 32000, 44099, 44100, 96000)]
        assert rates == [48000, 48000, 48000, 44100, 96000]
        enhanced = enhance(noise(16000, 1), 16000, bundle=fake)
        assert (enhanced.rate, enhanced.samples.shape) == (48000, (48000, 1))
        assert enhance(noise(100, 1), 44100, bundle=fake).rate == 44100

    @every_change
    @pytest.mark.parametrize("length", [0, 1, 2, 1023, 7777])
    def test_length_is_rounded(self, rate: int, output_rate: int, length: int, fake: FakeBundle) -> None:
        enhanced = enhance(noise(length, 2), rate, output_rate=output_rate, bundle=fake)
        assert enhanced.samples.shape == (round(length * output_rate / rate), 2)
        assert enhanced.rate == output_rate

    @every_change
    def test_what_was_at_a_time_stays_there(self, rate: int, output_rate: int, fake: FakeBundle) -> None:
        # 7500 is whole at every pair of rates here but one, and right within a sample there.
        click = np.zeros(15000, np.float32)
        click[7500] = 1.0
        enhanced = enhance(click, rate, output_rate=output_rate, controls=Controls(0.5, 0, 0), bundle=fake).samples
        assert abs(int(np.argmax(np.abs(enhanced))) - 7500 * output_rate / rate) <= 1

    @every_change
    def test_what_is_in_the_band_keeps_its_shape(self, rate: int, output_rate: int, fake: FakeBundle) -> None:
        highest, length = 0.35 * min(rate, output_rate, 48000), 24000
        samples = tones(length, rate, highest)
        enhanced = enhance(samples, rate, output_rate=output_rate, controls=Controls(1, 0, 0), bundle=fake).samples
        time = np.arange(len(enhanced)) / output_rate
        mixed = sum(np.sin(2 * np.pi * share * highest * time + share) for share in (0.11, 0.53, 1.0))
        fade = 0.5 - 0.5 * np.cos(2 * np.pi * time * rate / (length - 1))
        assert np.abs(enhanced - 0.5 * 0.2 * mixed * fade).max() < 2e-5

    @every_change
    @pytest.mark.parametrize("size", [1, 480, "random"])
    def test_no_cut_changes_a_bit(self, rate: int, output_rate: int, size: int | str, fake: FakeBundle) -> None:
        samples = noise(6001, 2)
        enhancer = WholeEnhancer(rate, 2, output_rate=output_rate, controls=MIXED, bundle=fake)
        whole = enhance(samples, rate, output_rate=output_rate, controls=MIXED, bundle=fake)
        assert np.array_equal(by_blocks(enhancer, samples, size), whole.samples)

    @pytest.mark.parametrize("kind", [np.float64, np.int16])
    def test_the_type_stays(self, kind: type, fake: FakeBundle) -> None:
        samples: NDArray[Any] = np.zeros((3000, 1), kind)
        for rate, output_rate in CHANGES:
            assert enhance(samples, rate, output_rate=output_rate, bundle=fake).samples.dtype == kind


class TestBlockByBlock:
    @pytest.mark.parametrize(("rate", "output_rate"), [*CHANGES, (44100, 44100), (48000, 48000)])
    def test_what_is_held_back_is_bounded(self, rate: int, output_rate: int) -> None:
        enhancer = WholeEnhancer(rate, 1, output_rate=output_rate, bundle=fake_bundle())
        latency = Stream(max(rate, output_rate), 1, bundle=fake_bundle()).latency / max(rate, output_rate)
        margin = 0 if rate == output_rate else (ResamplingPlan(rate, output_rate, BEST).margin + 2) / rate
        taken = given = 0
        for _ in range(40):
            given += len(enhancer.push(np.zeros((500, 1), np.float32)))
            taken += 500
            assert taken / rate - given / output_rate <= latency + margin + 1 / min(rate, output_rate)

    def test_after_the_end_it_is_as_new(self, fake: FakeBundle) -> None:
        for rate, output_rate in [*CHANGES, (48000, 48000)]:
            enhancer = WholeEnhancer(rate, 1, output_rate=output_rate, bundle=fake)
            samples = noise(5000, 1)
            first = by_blocks(enhancer, samples, 480)
            assert np.array_equal(by_blocks(enhancer, samples, 480), first)

    @pytest.mark.parametrize(("rate", "output_rate"), [*CHANGES, (44100, 44100), (48000, 48000)])
    def test_a_caller_may_reuse_its_block(self, rate: int, output_rate: int, fake: FakeBundle) -> None:
        samples = noise(9000, 1)
        enhancer = WholeEnhancer(rate, 1, output_rate=output_rate, controls=MIXED, bundle=fake)
        block, outputs = np.empty((480, 1), np.float32), []
        for piece in pieces(samples, 480):
            block[: len(piece)] = piece
            outputs.append(enhancer.push(block[: len(piece)]))
            block[:] = 7.0
        outputs.append(enhancer.finish())
        whole = enhance(samples, rate, output_rate=output_rate, controls=MIXED, bundle=fake).samples
        assert np.array_equal(np.concatenate(outputs), whole)

    def test_saturation_is_counted(self, fake: FakeBundle) -> None:
        enhancer = WholeEnhancer(48000, 1, controls=Controls(0, 0, 1), bundle=fake)
        enhancer.push(np.full((5000, 1), 32767, np.int16))
        enhancer.finish()
        assert enhancer.saturated == 5000

    def test_the_first_bad_sample_is_named_by_its_place_in_the_recording(self, fake: FakeBundle) -> None:
        enhancer = WholeEnhancer(48000, 2, bundle=fake)
        enhancer.push(noise(1000, 2))
        block = noise(1000, 2)
        block[300:, 1] = np.nan
        with pytest.raises(InvalidAudioError, match="sample 1300 of channel 1 is nan"):
            enhancer.push(block)
