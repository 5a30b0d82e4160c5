"""Peaks that were cut off come back; what was whole stays."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.generators.band_split import BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.declipping import (
    BLOCK,
    FAR_LOUDEST,
    FAR_STEEPNESS,
    LONGEST_CUT,
    MARGIN_BEFORE,
    MOST_RISE,
    NO_EDGE,
    OWN_LOUDEST,
    OWN_STEEPNESS,
    WAITED_FOR,
    Declipping,
    distance_of,
)

RATE = 48000
SAMPLES = 4096
MARGIN = WAITED_FOR + 1
SEEN = MARGIN_BEFORE + SAMPLES + MARGIN


def partials(*hertz: float) -> Tensor:
    """Sines of one amplitude each with some phase, [1, 1, 1, samples with margins], the loudest sample at 0.8."""
    seconds = torch.arange(SEEN, dtype=torch.float64) / RATE
    wave = sum((torch.sin(2 * math.pi * f * seconds + k) for k, f in enumerate(hertz)), torch.zeros(()))
    return (0.8 * wave / wave.abs().amax()).float().reshape(1, 1, 1, -1)


def loudest(audio: Tensor) -> Tensor:
    return audio.abs().amax(dim=(1, 2, 3), keepdim=True)


def inner(audio: Tensor) -> Tensor:
    return audio[..., MARGIN_BEFORE:-MARGIN]


def ratio_db(signal: Tensor, error: Tensor) -> float:
    return float(10 * torch.log10(signal.square().sum() / error.square().sum()))


@pytest.mark.parametrize(
    ("hertz", "cut_to", "least_gain_db"),
    [((700.0,), 0.4, 12.0), ((1000.0,), 0.5, 12.0), ((300.0, 610.0, 1370.0), 0.4, 9.0), ((440.0, 900.0), 0.3, 7.0)],
)
def test_cut_off_peaks_are_drawn_again(hertz: tuple[float, ...], cut_to: float, least_gain_db: float) -> None:
    wave = partials(*hertz)
    clipped = wave.clamp(-cut_to, cut_to)
    missing = inner(wave - clipped)
    added = Declipping(SAMPLES)(clipped, loudest(clipped))
    assert added.shape == (1, 1, 1, SAMPLES)
    gain_db = ratio_db(missing, missing - added)
    assert gain_db > least_gain_db, gain_db
    assert not added[missing == 0].abs().gt(0.09 * cut_to).any()


def test_drawn_peaks_leave_no_corners() -> None:
    """What a cut splatters over the highs is what is heard of it."""
    wave = partials(300.0, 610.0, 1370.0)
    clipped = wave.clamp(-0.4, 0.4)
    mended = inner(clipped) + Declipping(SAMPLES)(clipped, loudest(clipped))
    window = torch.hann_window(SAMPLES)
    before, after = (torch.fft.rfft(x.flatten() * window)[SAMPLES // 6 :].abs() for x in (inner(clipped), mended))
    assert float(20 * torch.log10(before.norm() / after.norm())) > 8.0


def test_whole_sound_stays() -> None:
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(1, 1, 2, SEEN)
    assert torch.equal(Declipping(SAMPLES)(noise, loudest(noise)), torch.zeros(1, 1, 2, SAMPLES))
    for wave in (partials(100.0), partials(700.0), partials(300.0, 610.0, 1370.0)):
        added = Declipping(SAMPLES)(wave, loudest(wave))
        assert ratio_db(inner(wave), added + 1e-9) > 50.0


@pytest.mark.parametrize("place", [0, 1, BLOCK // 2, BLOCK - 1])
@pytest.mark.parametrize("height", [0.996, 0.9975, 1.0])
def test_a_single_sample_at_the_level_stays(place: int, height: float) -> None:
    """Wherever in a block it lies, and however near the level it comes: no hop that `may_be_cut` leaves out would have
    gained anything."""
    audio = 0.25 * partials(300.0, 610.0)
    middle = MARGIN_BEFORE + 20 * BLOCK + place
    audio[..., middle - 3 : middle + 3] = 0.8 * torch.tensor([0.4, 0.7, 0.95, height, 0.9, 0.6])
    level = torch.full((1, 1, 1, 1), 0.8)
    declipping = Declipping(SAMPLES)
    assert not declipping.may_be_cut(audio, level).any()
    assert not declipping(audio, level).any()
    audio[..., middle + 1 : middle + 4] = 0.8 * torch.tensor([1.0, 0.9, 0.6])  # two of them are a cut
    assert declipping.may_be_cut(audio, level).all()
    drawn = declipping(audio, level)[..., middle - MARGIN_BEFORE + 1]
    assert float(drawn) > 0.01


def test_what_stays_below_the_level_is_no_cut() -> None:
    clipped = partials(700.0).clamp(-0.4, 0.4)
    assert not Declipping(SAMPLES)(clipped, torch.full((1, 1, 1, 1), 0.5)).any()


@pytest.mark.parametrize("silence", [0.0, 1e-30, 1e-5])
def test_silence_stays(silence: float) -> None:
    still = torch.full((1, 1, 1, SEEN), silence)
    assert not Declipping(SAMPLES)(still, loudest(still)).any()


@pytest.mark.parametrize("cut", [5, LONGEST_CUT - 1, LONGEST_CUT, LONGEST_CUT + 8, 3 * LONGEST_CUT])
def test_a_cut_that_is_too_long_stays_as_it_is(cut: int) -> None:
    ramp = torch.linspace(-1.0, 0.0, 50)[:-1]
    top = torch.cat([ramp, torch.zeros(cut), ramp.flip(0)])
    x = torch.zeros(1, 1, 1, SEEN)
    x[..., 1000 : 1000 + len(top)] = 0.5 * (1.0 + top)
    added = Declipping(SAMPLES)(x, loudest(x))
    assert bool(added.any()) == (cut < LONGEST_CUT)
    assert torch.isfinite(added).all()


@torch.no_grad()
@pytest.mark.parametrize(
    ("waited_for", "cut"),
    [
        *((WAITED_FOR, cut) for cut in (WAITED_FOR - 20, WAITED_FOR + 20, LONGEST_CUT - 2)),
        *((31, cut) for cut in (25, 60, LONGEST_CUT - 2)),
        (0, 60),
    ],
)
def test_a_peak_is_drawn_on_both_sides_of_the_end_of_a_hop_or_on_neither(waited_for: int, cut: int) -> None:
    """Where its end has not been heard in the hop that it begins in, the next hop must not draw half a peak."""
    ramp = torch.linspace(-1.0, 0.0, 50)[:-1]
    top = 0.5 * (1.0 + torch.cat([ramp, torch.zeros(cut), ramp.flip(0)]))
    samples = 1024
    declipping = Declipping(samples, waited_for)
    seen = declipping.margins + samples
    level = torch.full((1, 1, 1, 1), 0.5)
    found = set()
    for early in range(-10, cut + 10):  # how many of its samples lie in the first hop
        x = torch.zeros(1, 1, 1, seen + samples)
        begin = MARGIN_BEFORE + samples - early - len(ramp)
        x[..., begin : begin + len(top)] = top
        first, second = (declipping(x[..., hop : hop + seen], level) for hop in (0, samples))
        # But for the samples beside the edges, which hardly rise.
        drawn = torch.cat([first, second], dim=3)[..., samples - early + 4 : samples - early + cut - 4] > 0
        assert drawn.all() or not drawn.any(), early
        found.add(bool(drawn.all()))
    assert found == ({True} if cut < waited_for else {True, False})


@pytest.mark.parametrize("samples", [LONGEST_CUT - BLOCK, LONGEST_CUT + 1])
def test_hops_that_it_cannot_hear_are_refused(samples: int) -> None:
    with pytest.raises(ValueError, match=f"got hops of {samples} samples, wanted a multiple of {BLOCK}"):
        Declipping(samples)


@pytest.mark.parametrize(
    ("loudest", "steepness", "furthest"),
    [(OWN_LOUDEST, OWN_STEEPNESS, BLOCK - 1), (FAR_LOUDEST, FAR_STEEPNESS, LONGEST_CUT)],
)
def test_an_edge_s_weight_tells_how_far_it_is(loudest: float, steepness: float, furthest: int) -> None:
    distances = torch.arange(1, furthest + 1, dtype=torch.float64)
    weights = torch.exp(loudest - steepness * distances).float()
    assert torch.isfinite(weights * weights.new_tensor(BLOCK)).all()  # as many may add up
    torch.testing.assert_close(distance_of(weights), distances.float(), rtol=0.0, atol=1e-3)


def test_where_there_is_no_edge_it_is_further_than_any_cut_is_long() -> None:
    assert float(distance_of(torch.tensor(NO_EDGE))) > LONGEST_CUT + 1


@pytest.mark.parametrize("waited_for", [-1, LONGEST_CUT + 1])
def test_waits_that_it_cannot_use_are_refused(waited_for: int) -> None:
    with pytest.raises(ValueError, match=f"got {waited_for} samples to wait for, wanted 0 to {LONGEST_CUT}"):
        Declipping(SAMPLES, waited_for)


@torch.no_grad()
@pytest.mark.parametrize("waited_for", [0, 31, 64])
def test_what_a_hop_holds_is_drawn_however_short_the_wait(waited_for: int) -> None:
    wave = partials(300.0, 610.0, 1370.0)
    clipped = wave.clamp(-0.4, 0.4)
    long, short = Declipping(SAMPLES), Declipping(SAMPLES, waited_for)
    added = short(clipped[..., : short.margins + SAMPLES], loudest(clipped))
    in_time = SAMPLES - LONGEST_CUT  # what begins later may end beyond what is heard
    torch.testing.assert_close(added[..., :in_time], long(clipped, loudest(clipped))[..., :in_time])


def test_no_peak_rises_beyond_bounds() -> None:
    torch.manual_seed(1)
    loud = torch.cumsum(torch.randn(4, 1, 2, SEEN), dim=3).clamp(-0.5, 0.5)
    added = Declipping(SAMPLES)(loud, loudest(loud))
    assert float(added.abs().max()) <= 0.5 * MOST_RISE * 1.0001
    assert (inner(loud) * added >= 0).all()


def test_rows_do_not_touch_each_other() -> None:
    rows = torch.cat([partials(700.0).clamp(-0.4, 0.4), partials(900.0).clamp(-0.2, 0.2), partials(500.0)])
    together = Declipping(SAMPLES)(rows, loudest(rows))
    for row, mended in zip(rows.split(1), together.split(1), strict=True):
        torch.testing.assert_close(Declipping(SAMPLES)(row, loudest(row)), mended)


@pytest.fixture
def generator() -> BandSplitGenerator:
    torch.manual_seed(0)
    shifts = copy_shifts([4000.0], RATE, 1024)
    made = BandSplitGenerator(BandSplitConfig(window=1024, channels=4, blocks=1, declipping=True, copy_shifts=shifts))
    made.decoder.bias.data[:] = -20.0  # nothing is noise, reverberation or missing
    return made.eval()


@torch.no_grad()
def test_the_generator_mends_as_far_as_it_may_extend(generator: BandSplitGenerator) -> None:
    wave = inner(partials(700.0))[0]
    clipped = wave.clamp(-0.4, 0.4)
    nothing, half, all_of_it = (
        generator(clipped, torch.tensor([[1.0, 1.0, extend]])) - clipped for extend in (0.0, 0.5, 1.0)
    )
    assert not nothing.any()
    torch.testing.assert_close(half, 0.5 * all_of_it)
    assert ratio_db(wave - clipped, wave - clipped - all_of_it) > 12.0


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 64, 511, 512, 513, 5000])
def test_any_length_is_mended_in_full(generator: BandSplitGenerator, samples: int) -> None:
    clipped = inner(partials(700.0))[0].clamp(-0.4, 0.4)
    longer = torch.cat([clipped, 0.0 * clipped], dim=2)
    whole = generator(longer, torch.ones(1, 3))
    part = generator(longer[..., :samples], torch.ones(1, 3))
    assert part.shape == (1, 1, samples)
    past = max(0, samples - MARGIN)  # what the end cuts off cannot be known
    torch.testing.assert_close(part[..., :past], whole[..., :past])


@torch.no_grad()
def test_the_level_is_that_of_the_past(generator: BandSplitGenerator) -> None:
    """What comes later, and is louder, does not change what was heard."""
    clipped = inner(partials(700.0))[0].clamp(-0.4, 0.4)
    louder = torch.cat([clipped, 2.0 * clipped], dim=2)
    early, with_more = (generator(x, torch.ones(1, 3))[..., : SAMPLES - MARGIN] for x in (clipped, louder))
    torch.testing.assert_close(early, with_more)
