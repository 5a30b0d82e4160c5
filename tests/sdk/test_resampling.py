"""The resampler: what it holds back, that it is aligned, and that no way of cutting the input changes a bit."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import samplerate
from numpy.typing import NDArray

from studiomic.errors import RuntimeFailureError
from studiomic.resampling import BEST, MEDIUM, ResamplingPlan, SincQuality, StreamingResampler
from tests.support.signals import RATES, noise, pieces, tones

GRAPH_RATE = 48000
ODD_RATES = (8001, 44101, 191999)
PAIRS = [
    pair for rate in (*RATES, *ODD_RATES) if rate != GRAPH_RATE for pair in ((rate, GRAPH_RATE), (GRAPH_RATE, rate))
]
PLANS = [ResamplingPlan(first, second, quality) for first, second in PAIRS for quality in (MEDIUM, BEST)]
every_plan = pytest.mark.parametrize(
    "plan", PLANS, ids=lambda plan: f"{plan.input_rate}-{plan.output_rate}-{plan.quality.name}"
)


def converted(plan: ResamplingPlan, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return StreamingResampler(plan, samples.shape[1]).convert(samples)


@every_plan
def test_the_margin_formula_is_what_the_library_does(plan: ResamplingPlan) -> None:
    # The library itself, sample by sample, without this package's bookkeeping.
    converter = samplerate.Resampler(plan.quality.name, 1)
    samples = noise(2 * plan.half_width + 300, 1)
    given = np.cumsum([len(converter.process(samples[index : index + 1], plan.ratio)) for index in range(len(samples))])
    inputs_at_output = np.searchsorted(given, np.arange(given[-1]), side="right") + 1
    position = np.arange(given[-1]) * plan.input_rate // plan.output_rate
    excess = inputs_at_output - (position + plan.half_width + 1)
    # 0 by the formula; -1 where double precision puts a whole position just below itself.
    assert excess.max() == 0
    assert excess.min() >= -1


@every_plan
def test_needed_and_available_are_inverse(plan: ResamplingPlan) -> None:
    for outputs in range(500):
        inputs = plan.needed(outputs)
        assert plan.available(inputs) >= outputs
        assert outputs == 0 or plan.available(inputs - 1) < outputs


@every_plan
def test_no_cut_changes_a_bit(plan: ResamplingPlan) -> None:
    samples = noise(12 * plan.half_width + 2000, 1)
    whole = converted(plan, samples)
    assert len(whole) == plan.available(len(samples))
    for size in (1, 7, 1023, "random"):
        resampler = StreamingResampler(plan, 1)
        assert np.array_equal(np.concatenate([resampler.convert(block) for block in pieces(samples, size)]), whole)


def test_exact_counts_can_be_asked_for_and_the_rest_comes_later() -> None:
    plan = ResamplingPlan(8000, GRAPH_RATE, MEDIUM)
    samples = noise(3000, 1)
    whole = converted(plan, samples)
    resampler = StreamingResampler(plan, 1)
    parts = [resampler.convert(samples[:1000], 5), resampler.convert(samples[1000:2000], 0)]
    parts += [resampler.convert(samples[2000:2500], 4000), resampler.convert(samples[2500:])]
    assert [len(part) for part in parts[:3]] == [5, 0, 4000]
    assert np.array_equal(np.concatenate(parts), whole)


@every_plan
def test_output_lies_at_its_time_without_delay(plan: ResamplingPlan) -> None:
    length = 8 * plan.half_width + 2000
    highest = 0.35 * min(plan.input_rate, plan.output_rate)
    output = converted(plan, tones(length, plan.input_rate, highest)[:, np.newaxis])[:, 0]
    time = np.arange(len(output)) / plan.output_rate
    mixed = sum(np.sin(2 * np.pi * share * highest * time + share) for share in (0.11, 0.53, 1.0))
    fade = 0.5 - 0.5 * np.cos(2 * np.pi * time * plan.input_rate / (length - 1))
    assert np.abs(output - 0.2 * mixed * fade).max() < 1e-5


@every_plan
def test_the_start_is_as_if_silence_had_come_before(plan: ResamplingPlan) -> None:
    samples = noise(3 * plan.half_width, 1)
    period = plan.input_rate // np.gcd(plan.input_rate, plan.output_rate)
    silence = period * -(-2 * plan.half_width // period)
    later = converted(plan, np.concatenate((np.zeros((silence, 1), np.float32), samples)))
    begun = silence * plan.output_rate // plan.input_rate
    output = converted(plan, samples)
    assert np.abs(later[begun : begun + len(output)] - output).max() < 1e-6


@every_plan
def test_zeros_bring_the_tail_out(plan: ResamplingPlan) -> None:
    samples = noise(2 * plan.half_width, 1)
    wanted = len(samples) * plan.output_rate // plan.input_rate
    resampler = StreamingResampler(plan, 1)
    early = resampler.convert(samples)
    assert len(early) < wanted
    zeros = np.zeros((plan.needed(wanted) - len(samples), 1), np.float32)
    output = np.concatenate((early, resampler.convert(zeros, wanted - len(early))))
    silence = np.zeros((5 * plan.half_width, 1), np.float32)
    assert np.array_equal(output, converted(plan, np.concatenate((samples, silence)))[:wanted])


@pytest.mark.parametrize("channels", [2, 4, 6, 7])
def test_channels_do_not_touch_each_other(channels: int) -> None:
    plan = ResamplingPlan(44100, GRAPH_RATE, MEDIUM)
    samples = noise(4000, channels)
    together = converted(plan, samples)
    for channel in range(channels):
        alone = converted(plan, np.ascontiguousarray(samples[:, channel : channel + 1]))
        assert np.array_equal(together[:, channel : channel + 1], alone)


def test_asking_for_more_than_is_certain_raises() -> None:
    plan = ResamplingPlan(44100, GRAPH_RATE, MEDIUM)
    resampler = StreamingResampler(plan, 1)
    certain = plan.available(1000)
    with pytest.raises(RuntimeFailureError, match=f"got {certain} samples, wanted {certain + 1}"):
        resampler.convert(np.zeros((1000, 1), np.float32), certain + 1)


def test_a_converter_that_breaks_the_promise_raises_instead_of_giving_other_samples() -> None:
    # A table longer than the formula believes: the converter then holds back more than was promised.
    liar = SincQuality(BEST.name, MEDIUM.coefficient_half_length, MEDIUM.index_increment)
    with pytest.raises(RuntimeFailureError, match="ran out of input"):
        StreamingResampler(ResamplingPlan(44100, GRAPH_RATE, liar), 1).convert(np.zeros((1000, 1), np.float32))


def test_a_resampler_is_freed_with_its_last_reference() -> None:
    gc.disable()
    try:
        resampler = StreamingResampler(ResamplingPlan(44100, GRAPH_RATE, MEDIUM), 1)
        resampler.convert(np.zeros((1000, 1), np.float32))
        inbox = weakref.ref(resampler._inbox)
        del resampler
        assert inbox() is None
    finally:
        gc.enable()
