"""What the generator promises by its structure, whatever its weights."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import firwin

from models.generators.band_split import (
    COPY_DEAD_ZONE,
    COPY_HERTZ,
    DEAD_ZONE_GRADIENT,
    DROWNED_SHARE,
    FIRST_LOGIT,
    LARGEST_COPY_GAIN,
    LARGEST_EVENING,
    LARGEST_MASK,
    LOGIT_WIDTH,
    MASK_DEAD_ZONE,
    MASKS_PER_BIN,
    WHOLLY_DROWNED_SHARE,
    BandSplitConfig,
    BandSplitGenerator,
    BinMixing,
    Gains,
    copy_shifts,
    mask_of,
)
from models.generators.bands import BandGroup, BandLayout, layout_for
from models.generators.envelope import LARGEST_CUT
from models.generators.features import (
    EMPTY_DB,
    FEATURES_PER_BIN,
    FILLING_DB,
    LONG_SECONDS,
    NEIGHBOURHOOD_BINS,
    NEPERS_PER_DB,
    StationarityFeatures,
    cut_off,
    magnitude,
    standing_out,
)
from tests.support.generators import mask_columns

HOP = 1024
NYQUIST = 24000.0


@pytest.fixture(scope="module")
def generator() -> BandSplitGenerator:
    torch.manual_seed(3)
    sizes = BandSplitConfig(channels=8, blocks=2, time_hidden=11, band_hidden=12, channel_hidden=10, evening=True)
    made = BandSplitGenerator(sizes)
    for parameter in made.parameters():  # far from the bystander that it starts as
        parameter.data += 0.2 * torch.randn_like(parameter)
    return made.eval()


def music(channels: int = 1, hops: int = 12, seed: int = 0) -> torch.Tensor:
    """Noise in every band."""
    return 0.1 * torch.randn(1, channels, hops * HOP, generator=torch.Generator().manual_seed(seed))


def dull_music(hops: int = 12) -> torch.Tensor:
    """Noise below 8 kHz, nothing above: something for every control to do."""
    lows = firwin(513, 8000, fs=48000, window=("kaiser", 10))
    return torch.from_numpy(np.convolve(music(hops=hops)[0, 0].numpy(), lows, "same")).float().reshape(1, 1, -1)


def controls(*values: float) -> torch.Tensor:
    return torch.tensor([values])


@torch.no_grad()
def test_controls_at_zero_leave_every_sample(generator: BandSplitGenerator) -> None:
    audio = music(2)
    assert torch.equal(generator(audio, controls(0, 0, 0)), audio)
    assert not torch.equal(generator(audio, controls(1, 1, 1)), audio)


@torch.no_grad()
@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_control_scales_what_it_changes_exactly(generator: BandSplitGenerator, index: int) -> None:
    audio = dull_music()
    whole, part = torch.zeros(1, 3), torch.zeros(1, 3)
    whole[0, index], part[0, index] = 1.0, 0.3
    change = generator(audio, whole) - audio
    assert change.abs().max() > 1e-3
    torch.testing.assert_close(generator(audio, part) - audio, 0.3 * change, atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_changes_of_the_controls_add_up(generator: BandSplitGenerator) -> None:
    audio = dull_music()
    changes = [generator(audio, controls(*row)) - audio for row in torch.eye(3).tolist()]
    torch.testing.assert_close(generator(audio, controls(1, 1, 1)) - audio, sum(changes), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_future_does_not_reach_back(generator: BandSplitGenerator) -> None:
    audio = music()
    changed = audio.clone()
    changed[..., 8 * HOP :] = music(seed=9)[..., 8 * HOP :]
    first, second = generator(audio, controls(1, 1, 1)), generator(changed, controls(1, 1, 1))
    assert torch.equal(first[..., : 7 * HOP], second[..., : 7 * HOP])
    assert not torch.equal(first[..., 8 * HOP :], second[..., 8 * HOP :])


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_frame_by_frame_equals_all_at_once(generator: BandSplitGenerator, batch: int) -> None:
    hops = 9
    random = torch.Generator().manual_seed(1)
    spectrum = torch.randn(2, 1, hops * batch, generator.config.bins, generator=random)
    track = torch.rand(3, hops * batch, 1, generator=random)
    whole, last_states = generator.step(spectrum, track, generator.initial_states(batch))
    states = generator.initial_states(batch)
    for t in range(hops):
        now = slice(t * batch, (t + 1) * batch)
        part, states = generator.step(spectrum[:, :, now], track[:, now], states)
        torch.testing.assert_close(part, whole[:, :, now], atol=1e-5, rtol=1e-4)
    assert [tuple(state.shape) for state in states] == generator.state_shapes(batch)
    for state, last in zip(states, last_states, strict=True):
        torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_clips_of_a_batch_do_not_touch_each_other(generator: BandSplitGenerator) -> None:
    one, other = music(seed=1), music(seed=2)
    both = generator(torch.cat([one, other]), controls(1, 1, 1).repeat(2, 1))
    torch.testing.assert_close(both[:1], generator(one, controls(1, 1, 1)), atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_any_length_comes_back_in_full(generator: BandSplitGenerator) -> None:
    for samples in (1, HOP - 1, HOP, 3 * HOP + 7):
        assert generator(music(hops=4)[..., :samples], controls(1, 1, 1)).shape[-1] == samples


@torch.no_grad()
def test_equal_channels_come_out_as_mono_does(generator: BandSplitGenerator) -> None:
    audio = music()
    stereo = generator(audio.repeat(1, 2, 1), controls(1, 1, 1))
    mono = generator(audio, controls(1, 1, 1))
    torch.testing.assert_close(stereo, mono.repeat(1, 2, 1), atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_the_stereo_image_stays_on_panned_noisy_music(generator: BandSplitGenerator) -> None:
    """One source, louder and earlier on the left, in noise panned the same way: level and phase differences survive."""
    source = music(hops=16)
    delayed = torch.nn.functional.pad(source, (7, 0))[..., : source.shape[-1]]
    panned = torch.cat([source, 0.4 * delayed], dim=1)
    out = generator(panned, controls(1, 1, 0))
    left, right = out[0, 0], out[0, 1]
    level = 20 * torch.log10(right.norm() / left.norm())
    assert abs(float(level) - 20 * torch.log10(torch.tensor(0.4))) < 0.1
    spectra = [torch.fft.rfft(channel) for channel in (left, right)]
    correlation = torch.fft.irfft(spectra[1] * spectra[0].conj())
    assert int(correlation.argmax()) == 7


def test_the_magnitude_needs_no_squares_of_small_numbers() -> None:
    numbers = torch.tensor([[3.0, -3e-4, 0.0, 0.0], [-4.0, 4e-4, 0.0, 2.0]])
    torch.testing.assert_close(magnitude(numbers), torch.tensor([[5.0, 5e-4, 0.0, 2.0]]), rtol=1e-2, atol=1e-7)


def silence_before(features: StationarityFeatures) -> list[torch.Tensor]:
    return [torch.zeros(shape) for shape in features.state_shapes(1)]


LOG, LOG_ABOVE_MINIMUM, SHORT_ABOVE_MINIMUM, LOG_ABOVE_MEAN, LOG_ABOVE_SLOW_MINIMUM = range(5)


def test_features_of_steady_sound_settle_at_zero_distance_and_do_not_depend_on_level() -> None:
    bins = 16
    features = StationarityFeatures(bins, NYQUIST / bins, 46.875, torch.full((bins,), 1 / bins))
    steady = torch.linspace(-3, -1, bins).repeat(1, 80, 1, 1)
    (found, *_), _ = features(steady, silence_before(features))
    assert found.shape == (FEATURES_PER_BIN, 80, 1, bins)
    assert found[LOG_ABOVE_MINIMUM, -1].abs().max() < 0.05
    assert found[SHORT_ABOVE_MINIMUM, -1].abs().max() < 0.05
    assert found[LOG_ABOVE_MEAN, -1].abs().max() < 0.05
    torch.testing.assert_close(found[LOG, -1], steady[0, -1] + 2.0, atol=0.05, rtol=0)  # the level is the mean of bins
    (louder, *_), _ = features(steady + 1.5, silence_before(features))
    torch.testing.assert_close(louder, found, atol=1e-4, rtol=1e-4)


def test_a_held_note_stands_above_the_slow_minimum_long_after_the_fast_one_gave_in() -> None:
    frames_per_second = 46.875
    features = StationarityFeatures(1, NYQUIST, frames_per_second, torch.ones(1))
    quiet, note = round(frames_per_second), round(4 * frames_per_second)
    logs = torch.cat([torch.full((1, quiet, 1, 1), -4.0), torch.zeros(1, note, 1, 1)], dim=1)  # up by 35 dB for 4 s
    (found, *_), _ = features(logs, silence_before(features))
    decibels = 20 / np.log(10)
    above_fast, above_slow = (found[row, -1, 0, 0] for row in (LOG_ABOVE_MINIMUM, LOG_ABOVE_SLOW_MINIMUM))
    assert float(above_fast) * decibels == pytest.approx(35 - 4 * 6, abs=1)
    assert float(above_slow) * decibels == pytest.approx(35 - 4 * 1.5, abs=1)


def test_only_what_differs_from_its_neighbours_stands_out() -> None:
    """[..., 64]: a level floor, and one bin 3 nepers above it."""
    logs = torch.full((2, 1, 64), -2.0)
    assert standing_out(logs).abs().max() < 1e-5
    logs[..., 30] += 3.0
    found = standing_out(logs)
    assert float(found[0, 0, 30]) == pytest.approx(3.0 * (1 - 1 / NEIGHBOURHOOD_BINS), abs=1e-5)
    assert float(found[0, 0, 0].abs()) < 1e-5  # too far away to notice, and the edge counts no padding


def test_bins_of_a_band_share_their_network_and_bands_do_not() -> None:
    torch.manual_seed(0)
    layout = BandLayout((BandGroup(2, 4), BandGroup(1, 8)))
    mixing = BinMixing(layout, hidden=5, outputs=2)
    with torch.no_grad():
        mixing.out.normal_()
    told = torch.randn(layout.bands, 3, 2 + 5)
    features = torch.randn(FEATURES_PER_BIN, 1, 1, 1).expand(FEATURES_PER_BIN, 3, 1, layout.bins)
    found, _ = mixing(features, told, [])
    assert found.shape == (2, 3, layout.bins)
    for band in (slice(0, 4), slice(4, 8), slice(8, 16)):  # the same features, hence the same answer within a band
        torch.testing.assert_close(found[..., band], found[..., band.start, None].expand_as(found[..., band]))
    assert not torch.allclose(found[..., 0], found[..., 4])
    changed = features.clone()
    changed[..., 9] += 1.0
    moved = (mixing(changed, told, [])[0] - found).abs().amax(dim=(0, 1)) > 0
    assert moved.nonzero().flatten().tolist() == [9]


@pytest.mark.parametrize("widths", [(4, 8), (2, 3)])  # in cells of four bins, and without
def test_a_bin_hears_its_own_features_and_its_band(widths: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layout = BandLayout((BandGroup(2, widths[0]), BandGroup(1, widths[1])))
    mixing = BinMixing(layout, hidden=5, outputs=2)
    with torch.no_grad():
        mixing.out.normal_()
    told, features = torch.randn(layout.bands, 3, 2 + 5), torch.randn(FEATURES_PER_BIN, 3, 1, layout.bins)
    colours = torch.randn(layout.bands, 3, 2)
    found, (of_its_bins, doubled) = mixing(features, told, [colours, 2.0 * colours[..., :1]])
    assert torch.equal(doubled, 2.0 * of_its_bins[:1])
    band_of_bin = torch.arange(layout.bands).repeat_interleave(torch.tensor([widths[0], widths[0], widths[1]]))
    for place, band in enumerate(band_of_bin.tolist()):
        added, context = told[band].split([2, 5], dim=-1)
        hidden = torch.nn.functional.silu(features[:, :, 0, place].T @ mixing.own.T + context)
        torch.testing.assert_close(found[..., place], mixing.out @ hidden.T + added.T, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(of_its_bins[..., place], colours[band].T)


def test_emptiness_tells_a_band_that_was_never_recorded_from_a_quiet_one() -> None:
    """Music-like noise at -30 dBFS, low-passed at 8 kHz; and the same with highs of -70 dBFS above."""
    random = np.random.default_rng(0)
    lows = firwin(513, 8000, fs=48000, window=("kaiser", 10))
    loud = np.convolve(0.03 * random.standard_normal(40 * HOP), lows, "same")
    quiet_highs = loud + 10 ** (-70 / 20) * random.standard_normal(40 * HOP)
    generator = BandSplitGenerator(BandSplitConfig(channels=8, blocks=1))
    above = slice(400, 1000)  # 9.4 to 23.4 kHz
    for audio, wanted in ((loud, 1.0), (quiet_highs, 0.0)):
        spectrum = generator.analysed(torch.from_numpy(audio).float().reshape(1, 1, -1))
        observed, _ = generator.features(generator.logs(spectrum, batch=1), silence_before(generator.features))
        empty = observed.empty
        assert float((empty[0, 10:-1, :, above] - wanted).abs().mean()) < 0.02
        assert float(empty[0, 10:-1, :, 50:300].max()) == 0.0  # where the music is
        assert float(empty[0, :2].max()) == 0.0  # before anything is known


@pytest.mark.parametrize(("empty_db", "least", "most"), [(EMPTY_DB, 0.0, 0.6), (EMPTY_DB + 12, 0.98, 1.0)])
def test_a_window_of_half_the_length_leaks_12_db_more(empty_db: float, least: float, most: float) -> None:
    """Music-like noise at -23 dBFS, low-passed at 4 kHz."""
    random = np.random.default_rng(0)
    lows = firwin(1025, 4000, fs=48000, window=("kaiser", 10))
    loud = np.convolve(0.07 * random.standard_normal(40 * HOP), lows / np.linalg.norm(lows), "same")
    shifts = copy_shifts([4000.0], 48000, 1024)
    generator = BandSplitGenerator(
        BandSplitConfig(window=1024, channels=8, blocks=1, copy_shifts=shifts, empty_db=empty_db)
    )
    spectrum = generator.analysed(torch.from_numpy(loud).float().reshape(1, 1, -1))
    observed, _ = generator.features(generator.logs(spectrum, batch=1), silence_before(generator.features))
    above = observed.empty[0, 20:-1, :, 110:160]  # 5 to 7.5 kHz
    assert least <= float(above.mean()) <= most


@pytest.mark.parametrize(
    ("decibels_by_kilohertz", "wanted"),
    [
        ({0: -40, 8: -60, 8.3: -130, 24: -130}, 1.0),  # cut off at 8 kHz
        ({0: -40, 11: -80, 11.5: -130, 24: -130}, 1.0),
        ({0: -40, 4: -60, 12: -106, 16: -130, 24: -130}, 0.0),  # slopes down to its end
        ({0: -40, 24: -60}, 0.0),  # goes on to the end
        ({0: -40, 8: -60, 8.3: -100, 24: -100}, 0.0),  # falls, yet onto something
        ({0: -130, 0.98: -130, 1: 0, 1.02: -130, 24: -130}, 0.0),  # a sine
        ({0: -40, 12: -60, 12.3: -130, 24: -130}, 1.0),  # a sampling rate of 24 kHz
        ({0: -40, 14.5: -60, 14.8: -130, 24: -130}, 0.0),  # too high to matter
    ],
)
def test_only_a_cliff_tells_that_something_was_cut_off(
    decibels_by_kilohertz: dict[float, float], wanted: float
) -> None:
    bins = 1024
    hertz = np.arange(bins) * NYQUIST / bins
    levels = np.interp(hertz, 1000 * np.array(list(decibels_by_kilohertz)), list(decibels_by_kilohertz.values()))
    emptiness = np.clip((EMPTY_DB + FILLING_DB - levels) / FILLING_DB, 0, 1)
    peaks = torch.from_numpy(levels * NEPERS_PER_DB)
    found = cut_off(peaks[None], torch.from_numpy(emptiness)[None], NYQUIST / bins)
    assert float(found) == wanted


@torch.no_grad()
@pytest.mark.parametrize(("window", "hop_eighths", "empty_db"), [(4096, 4, -118.0), (1024, 6, -106.0)])
@pytest.mark.parametrize("hertz", [1500, 3000, 5000, 10000])
def test_a_sine_leaks_on_both_sides_and_is_no_cliff(window: int, hop_eighths: int, empty_db: float, hertz: int) -> None:
    """What a window leaks of a tone falls away above it as steeply as what was cut off, but rises as steeply below."""
    shifts = copy_shifts([4000.0], 48000, window, hop_eighths)
    config = BandSplitConfig(
        window=window, hop_eighths=hop_eighths, channels=8, blocks=1, copy_shifts=shifts, empty_db=empty_db
    )
    generator = BandSplitGenerator(config)
    tone = torch.sin(2 * np.pi * hertz / 48000 * torch.arange(96000, dtype=torch.float64)).float()
    observed, _ = generator.observed(0.1 * tone.reshape(1, 1, -1))
    assert float(observed.empty[0, 10:-1].max()) < 0.01


@torch.no_grad()
def test_extension_leaves_bands_that_are_not_empty_exactly(generator: BandSplitGenerator) -> None:
    audio = music(hops=8)
    assert torch.equal(generator(audio, controls(0, 0, 1)), audio)


@torch.no_grad()
@pytest.mark.parametrize(
    ("share", "mask", "drowned"),
    [
        (0.5, (0.5 - MASK_DEAD_ZONE) / (1.0 - MASK_DEAD_ZONE), 0.0),
        (DROWNED_SHARE, LARGEST_MASK, 0.0),
        ((DROWNED_SHARE + WHOLLY_DROWNED_SHARE) / 2, (LARGEST_MASK + 1.0) / 2, 0.5),
        (0.99, 1.0, 1.0),
    ],
)
def test_bins_that_noise_has_drowned_are_emptied_and_filled_with_copies(
    share: float, mask: float, drowned: float
) -> None:
    window, shift, edge, edge_band = 1024, 4000.0, 256, 40
    shifts = copy_shifts([shift], 48000, window)
    noisy = BandSplitGenerator(BandSplitConfig(window=window, channels=8, blocks=1, copy_shifts=shifts)).eval()
    noisy.decoder.weight.zero_()
    noise = mask_columns(noisy).start
    noisy.decoder.bias[..., mask_columns(noisy)] = -20.0
    noisy.decoder.bias[edge_band:, :, noise] = math.log(share / (1.0 - share))
    noisy.decoder.bias[..., 0] = 20.0
    spectrum = torch.randn(2, 1, 3, window // 2)
    wanted = torch.zeros_like(spectrum)
    wanted[..., edge:] = -mask * spectrum[..., edge:]
    copied = drowned * LARGEST_COPY_GAIN * (1.0 - COPY_DEAD_ZONE) * spectrum[..., edge - shifts[0] : edge]
    wanted[..., edge : edge + shifts[0]] += copied
    for denoise, extend in ((1.0, 0.0), (0.4, 1.0), (0.0, 1.0)):
        of_frames = torch.tensor([denoise, 0.0, extend]).reshape(3, 1, 1).expand(3, 3, 1)
        change, _ = noisy.step(spectrum, of_frames, noisy.initial_states(1))
        known = slice(0, edge + shifts[0])  # beyond, copies come from bins that were emptied as well
        torch.testing.assert_close(change[..., known], denoise * wanted[..., known], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_what_is_copied_is_evened_out_bin_by_bin_and_what_is_kept_is_not(generator: BandSplitGenerator) -> None:
    frames, bins, shifts = 3, generator.config.bins, generator.config.copy_shifts
    spectrum, evening = torch.randn(2, 1, frames, bins), torch.rand(1, frames, bins)
    empty = torch.zeros(1, frames, bins)
    empty[..., bins // 2 :] = 1.0
    copies = torch.zeros(len(shifts), frames, bins)
    copies[1] = 0.25
    plain = Gains(torch.zeros(2, frames, bins), copies, empty, torch.zeros(1, frames, bins))
    extend = torch.tensor([1.0, 1.0, 0.5]).reshape(3, 1, 1).expand(3, frames, 1)
    found = generator.change(replace(plain, evening=evening), spectrum, extend)
    torch.testing.assert_close(found, generator.change(plain, evening * spectrum, extend))
    assert bool(found[..., bins // 2 :].any())
    assert not found[..., : bins // 2].any()


@torch.no_grad()
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_evening_has_its_limits(generator: BandSplitGenerator, sign: float) -> None:
    made = deepcopy(generator)
    made.decoder.bias[..., -made.config.bin_hidden :] = 100.0
    made.bin_mixing.out[MASKS_PER_BIN:] = sign
    gains, _ = made.gains(torch.zeros(1, 2, 1, made.config.bins), made.initial_states(1))
    assert gains.evening is not None
    torch.testing.assert_close(gains.evening, torch.full_like(gains.evening, math.exp(sign * LARGEST_EVENING)))


def test_a_layout_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="covers 1024 bins, the window gives 512"):
        BandSplitGenerator(BandSplitConfig(window=1024), layout_for(1024))
    with pytest.raises(ValueError, match="a multiple of 256 bins, got 384"):
        layout_for(384)


@pytest.mark.parametrize(("bins", "most_units"), [(512, 64), (1024, 64), (2048, 64), (2048, 16), (1024, 1)])
def test_bands_of_many_bins_share_weights_among_neighbours(bins: int, most_units: int) -> None:
    layout = layout_for(bins, most_units)
    assert max(group.units for group in layout.groups) == min(most_units, bins // 16)
    assert all(group.units * group.together == group.width for group in layout.groups)
    assert layout.bins == bins
    cells = layout.band_of_cell.repeat_interleave(layout.cell, dim=1)
    widths = [group.width for group in layout.groups for _ in range(group.count)]
    assert torch.equal(cells, torch.eye(layout.bands).repeat_interleave(torch.tensor(widths), dim=1))


@pytest.mark.parametrize("most_units", [0, 3])
def test_weights_are_shared_in_powers_of_two(most_units: int) -> None:
    with pytest.raises(ValueError, match=f"a power of two of weights at most, got {most_units}"):
        layout_for(1024, most_units)


@torch.no_grad()
def test_bins_that_share_weights_are_heard_as_their_mean() -> None:
    torch.manual_seed(0)
    together = 8
    layout = BandLayout((BandGroup(2, 8), BandGroup(1, 16, together)))
    random = BandSplitGenerator(BandSplitConfig(window=64, channels=6, blocks=1, copy_shifts=()), layout).eval()
    logs = torch.randn(1, 5, 1, layout.bins)
    (features, *_), _ = random.features(logs, silence_before(random.features))
    swapped = features.clone()
    swapped[..., 20], swapped[..., 21] = features[..., 21], features[..., 20]  # neighbours that share
    assert torch.allclose(random.encoder(swapped), random.encoder(features), atol=1e-5)
    swapped[..., 20], swapped[..., 25] = features[..., 25], features[..., 20]  # others
    assert not torch.allclose(random.encoder(swapped), random.encoder(features), atol=1e-3)


@pytest.fixture(scope="module")
def telling() -> BandSplitGenerator:
    """A generator that asks what bands tell over time."""
    torch.manual_seed(4)
    return BandSplitGenerator(BandSplitConfig(channels=8, blocks=1, colour_hidden=6)).eval()


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_bands_tell_frame_by_frame_what_they_tell_at_once(telling: BandSplitGenerator, batch: int) -> None:
    hops = 7
    logs = torch.randn(1, hops, batch, telling.config.bins)
    start = telling.parted(telling.initial_states(batch))
    observed, _ = telling.features(logs, start.features)
    at_once, last = telling.over_time(observed, start.falls)
    statistics, falls = start.features, start.falls
    for t in range(hops):
        observed, statistics = telling.features(logs[:, t : t + 1], statistics)
        told, falls = telling.over_time(observed, falls)
        for now, whole in zip(told, at_once, strict=True):
            torch.testing.assert_close(now, whole[:, t * batch : (t + 1) * batch], atol=1e-5, rtol=1e-4)
    for state, after in zip(falls, last, strict=True):
        torch.testing.assert_close(state, after, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_bands_that_never_rest_stand_on_their_floors(telling: BandSplitGenerator) -> None:
    """Noise in all bands, that of the upper half with a pause every half second: 1 neper of a bin's fading apart, the
    former stands on both its floors, the latter high above the leaky one and higher above the slow one."""
    bands, hops, bins = telling.layout.bands, 240, telling.config.bins
    magnitudes = torch.randn(2, hops, bins, generator=torch.Generator().manual_seed(0)).square().sum(dim=0).sqrt()
    magnitudes[:, bins // 2 :] *= 0.01 + 0.99 * (torch.arange(hops) % 24 < 12).unsqueeze(1)
    start = telling.parted(telling.initial_states(1))
    observed, _ = telling.features(magnitudes.log().reshape(1, hops, 1, bins), start.features)
    over_time, _ = telling.over_time(observed, start.falls)
    leaky, slow = over_time.above_floors[:, hops // 2 :].mean(dim=1).split(bands)
    upper = slice(bands - 6, bands)
    assert leaky[:40].abs().max() < 1.0
    assert slow[:40].abs().max() < 1.0
    assert leaky[upper].min() > 1.0
    assert (slow[upper] > leaky[upper] + 0.1).all()
    assert over_time.falls.unflatten(0, (bands, -1))[upper, 2, -1].min() > 2.0 * float(
        over_time.falls.unflatten(0, (bands, -1))[:40, 2, -1].max()
    )


def test_nothing_is_told_over_time_where_nothing_asks(generator: BandSplitGenerator) -> None:
    observed, states = generator.observed(music())
    with pytest.raises(ValueError, match="nothing is told over time: wanted an equaliser, a gate of rooms or an env"):
        generator.over_time(observed, states.falls)


@torch.no_grad()
@pytest.mark.parametrize("window", [1024, 4096])  # without cells, and with them
def test_an_equaliser_acts_on_whole_bands_if_its_gate_is_open_and_only_as_extension(window: int) -> None:
    shifts = copy_shifts(COPY_HERTZ, 48000, window)
    generator = BandSplitGenerator(
        BandSplitConfig(window=window, channels=8, blocks=1, colour_hidden=6, copy_shifts=shifts)
    ).eval()
    colouring = generator.colouring
    assert colouring is not None
    wanted_db = torch.linspace(-6, 12, generator.layout.bands)
    colouring.narrow_bias.copy_((wanted_db * NEPERS_PER_DB).unsqueeze(1))
    generator.decoder.bias[..., mask_columns(generator)] = -20.0  # nothing is noise or reverberation
    early = round(LONG_SECONDS * 48000)
    audio = 0.1 * torch.randn(1, 1, early + 12 * window)
    for logit, share in ((20.0, 1.0), (0.4, 0.0), (-20.0, 0.0), (FIRST_LOGIT + LOGIT_WIDTH / 2, 0.5)):
        colouring.gate_bias.fill_(logit)
        settled = (generator(audio, controls(*c))[..., early:] for c in ((0, 0, 0), (0, 0, 1)))
        before, after = map(generator.analysed, settled)
        levels = [x.square().sum(dim=(0, 1, 2)).log().mul(0.5) for x in (before, after)]
        widths = [group.width for group in generator.layout.groups for _ in range(group.count)]
        rise = [part[len(part) // 2] for part in (levels[1] - levels[0]).split(widths)]
        wanted = torch.log(1 + share * (10 ** (wanted_db / 20) - 1))
        torch.testing.assert_close(torch.stack(rise)[-8:], wanted[-8:], atol=0.03, rtol=0)
        assert torch.equal(generator(audio, controls(1, 1, 0)), audio)
        soon = generator(audio, controls(0, 0, 1))[..., : early // 3]  # a second to go, which costs 1 of the logit
        assert torch.equal(soon, audio[..., : early // 3]) == (share < 1.0)
        if share == 0:
            assert torch.equal(generator(audio, controls(1, 1, 1)), audio)


@torch.no_grad()
@pytest.mark.parametrize(("window", "empty_db"), [(1024, -90.0), (4096, EMPTY_DB)])  # without cells, and with them
def test_an_envelope_lowers_copies_in_empty_bands_and_nothing_else(window: int, empty_db: float) -> None:
    shifts = copy_shifts(COPY_HERTZ, 48000, window)
    config = BandSplitConfig(
        window=window, channels=8, blocks=1, envelope_hidden=6, empty_db=empty_db, copy_shifts=shifts
    )
    generator = BandSplitGenerator(config).eval()
    envelope = generator.envelope
    assert envelope is not None
    generator.decoder.bias[..., mask_columns(generator)] = -20.0  # nothing is noise or reverberation
    audio = 0.1 * torch.randn(1, 1, 48000)
    spectrum = torch.fft.rfft(audio)
    spectrum[..., 7000:] = 0.0
    dull = torch.fft.irfft(spectrum, 48000)
    hertz = torch.fft.rfftfreq(48000, 1 / 48000)

    def added(nepers: float, extend: float = 1.0) -> torch.Tensor:
        envelope.narrow_bias.fill_(nepers)
        change: torch.Tensor = torch.fft.rfft(generator(dull, controls(1, 1, extend)) - dull)[0, 0].abs()
        return change

    as_they_are = added(0.0)
    assert float(as_they_are[9000:12000].square().mean()) > 0
    for nepers, gain in ((0.5, 0.0), (-0.5, -0.5), (-5.0, -LARGEST_CUT)):
        torch.testing.assert_close(added(nepers), math.exp(gain) * as_they_are, atol=1e-3, rtol=1e-3)
    assert float(as_they_are[hertz < 5000].max()) < 1e-3 * float(as_they_are.max())
    assert not added(0.5, extend=0.0).any()


@pytest.mark.parametrize("bins", [512, 1024, 2048])
def test_bands_lie_where_they_lie_at_any_number_of_bins(bins: int) -> None:
    edges = np.cumsum([group.width for group in layout_for(bins).groups for _ in range(group.count)]) / bins
    assert len(edges) == 48
    assert edges[[15, 23, 31, 39, 47]] == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1])


def test_copies_are_shifted_by_bins_that_keep_their_phase_from_hop_to_hop() -> None:
    assert copy_shifts(COPY_HERTZ, 48000, 2048) == (86, 170, 256, 342, 426, 512)
    assert copy_shifts([1250, 2500], 10000, 2048) == (256, 512)
    for eighths in range(4, 8):
        config = BandSplitConfig(window=1024, hop_eighths=eighths)
        shifts = copy_shifts(COPY_HERTZ, 48000, config.window, eighths)
        assert all(shift * config.hop % config.window == 0 for shift in shifts)
        assert shifts == pytest.approx([hertz * config.window / 48000 for hertz in COPY_HERTZ], abs=4)
    with pytest.raises(ValueError, match="shifted by 6000 Hz: got 1228 of 1024 bins at 10000 Hz, wanted 2 to 1023"):
        copy_shifts(COPY_HERTZ[2:], 10000, 2048)


@pytest.mark.parametrize("eighths", [3, 8])
def test_frames_that_overlap_with_more_than_their_neighbours_are_refused(eighths: int) -> None:
    with pytest.raises(ValueError, match=f"4 to 7 eighths of a window apart, got {eighths}"):
        BandSplitConfig(hop_eighths=eighths)


def test_a_mask_in_its_dead_zone_is_zero_and_can_still_be_trained() -> None:
    asleep = torch.full((4,), 0.5 * MASK_DEAD_ZONE, requires_grad=True)
    mask = mask_of(asleep, training=True)
    assert torch.equal(mask, mask_of(asleep, training=False))
    assert not mask.any()
    mask.sum().backward()
    assert asleep.grad is not None
    assert torch.allclose(asleep.grad, torch.full((4,), DEAD_ZONE_GRADIENT / (1.0 - MASK_DEAD_ZONE)))
    awake = torch.full((4,), 0.5, requires_grad=True)
    mask_of(awake, training=True).sum().backward()
    assert awake.grad is not None
    assert torch.allclose(awake.grad, torch.full((4,), 1.0 / (1.0 - MASK_DEAD_ZONE)))
