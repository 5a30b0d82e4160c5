"""Degradations: parts that add up, levels that are what was asked, and targets that follow from the controls."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import butter, find_peaks, sosfilt

from models.data.dataset import DegradedMusic, collate
from models.data.degradations import DegradedClip, Samples
from models.data.material import (
    BABBLE_SHARE,
    BABBLE_VOICES,
    DULL_FROM_HZ,
    DULL_ORDERS,
    LARGEST_NOISE_SPEED,
    LARGEST_SPEED,
    Material,
    dull,
    noise_stretch,
    stretch,
)
from models.data.noise import RUMBLE_CORNER_HZ, a_weighted_power, clicks, coloured, hum, rumble, synthetic_noise
from models.data.recipes import DEFAULT_RECIPE, Recipe
from models.data.recordings import SAMPLE_RATE
from models.data.rooms import (
    DIRECT_SECONDS,
    absorption_for,
    reverberate,
    room_response,
    simulated_rooms,
    with_least_direct,
    with_share,
)
from models.data.steps.bandwidth import lowpass_filter
from models.data.steps.noises import scaled_noise

SECOND = SAMPLE_RATE
NOISES = ["berklee_street_1.ogg", "esc10_rain_1.ogg"]
PARTS = ("noise", "reverberation", "missing")
EVERYTHING = Recipe.parse("room -3..12, noise any -2..24, lowpass 3000..16000")


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SECOND)) / SECOND)).astype(np.float32)


def material() -> Material:
    random = np.random.default_rng(0)
    clips = [(3000 * random.standard_normal(2 * SECOND)).astype(np.int16) for _ in range(3)]
    room = (random.standard_normal(SECOND // 4) * np.exp(-np.arange(SECOND // 4) / 2000)).astype(np.float32)
    room[0] = 4.0
    return Material(
        clean=clips, clean_cutoff_hz=[24000.0, 16000.0, 24000.0], noise=clips[1:], rooms=[room], noise_names=NOISES
    )


def degrade(text: str, clean: Samples, seed: int = 0) -> DegradedClip:
    return Recipe.parse(text).degrade(clean, 24000.0, material(), np.random.default_rng(seed))


def rumble_and_hiss() -> Samples:
    return coloured(SECOND, -3.0, np.random.default_rng(9)) * np.float32(0.05)


def strongest_hertz(samples: Samples) -> list[float]:
    """Of all peaks within 20 dB of the highest."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    found, _ = find_peaks(spectrum, height=0.1 * spectrum.max(), distance=20)
    return [float(hertz) for hertz in found * SAMPLE_RATE / len(samples)]


def test_babble_is_several_voices_and_any_noise_is_babble_in_some_cases() -> None:
    """Voices: 40 sines; the noise: one sine below them all."""
    times = np.arange(2 * SECOND) / SECOND
    voices, noise = (
        [(8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16) for hertz in some]
        for some in (range(2000, 10000, 200), [100])
    )
    given = Material(noise=noise, noise_names=["hum"], voices=voices)
    random = np.random.default_rng(0)
    for _ in range(20):
        heard = len(strongest_hertz(given.babble(SECOND, random)))
        assert heard >= BABBLE_VOICES[0] - 1  # the same voice may be drawn twice
        assert heard <= BABBLE_VOICES[1]
    draws = 300
    babble = sum(max(strongest_hertz(given.recorded_noise("any", SECOND // 4, random))) > 1000 for _ in range(draws))
    assert babble == pytest.approx(BABBLE_SHARE * draws, abs=3 * np.sqrt(BABBLE_SHARE * draws))
    assert max(max(strongest_hertz(given.recorded_noise("hum", SECOND // 4, random))) for _ in range(50)) < 1000


def test_noise_is_heard_at_many_speeds() -> None:
    noise = (8000 * np.sin(2 * np.pi * 1000 * np.arange(4 * SECOND) / SECOND)).astype(np.int16)
    random = np.random.default_rng(0)
    found = np.array([strongest_hertz(noise_stretch(noise, SECOND, random))[0] for _ in range(60)])
    assert found.min() > 999 / LARGEST_NOISE_SPEED
    assert found.max() < 1001 * LARGEST_NOISE_SPEED
    assert found.min() < 750
    assert found.max() > 1300
    assert 10 < np.sum(np.abs(found - 1000) < 2) < 40


@pytest.mark.parametrize("speed", [0.8, 0.93, 1.0, 1.07, 1.25])
def test_another_speed_moves_highs_and_leaves_them_as_loud_and_as_pure(speed: float) -> None:
    """Where samples are joined by lines, 15 kHz lose some 5 dB and come with images as loud as -15 dB."""
    hertz = 15000.0
    sine = (8000 * np.sin(2 * np.pi * hertz * np.arange(2 * SECOND) / SECOND)).astype(np.int16)
    heard = stretch(sine, SECOND, np.random.default_rng(0), speed)
    assert heard.shape == (SECOND,)
    power = np.abs(np.fft.rfft(heard * np.hanning(SECOND))) ** 2
    own = np.abs(np.arange(len(power)) - speed * hertz) < 50
    assert 10 * np.log10(power[own].sum() / power[~own].sum()) > 60
    inner = heard[SECOND // 10 : -SECOND // 10]
    assert 20 * np.log10(np.std(inner) / np.std(sine / 32767)) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("cutoff_hz", [16000.0, 24000.0])
def test_what_an_encoder_left_of_music_ends_where_it_is_said_to_at_any_speed(cutoff_hz: float) -> None:
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(3000 * random.standard_normal(4 * SECOND))
    spectrum[np.fft.rfftfreq(4 * SECOND, 1 / SECOND) > cutoff_hz] = 0
    music = np.fft.irfft(spectrum).astype(np.int16)
    examples = DegradedMusic(Material(clean=[music], clean_cutoff_hz=[cutoff_hz]), 1.0, Recipe.parse("clean"), seed=0)
    ends = []
    hertz = np.fft.rfftfreq(SECOND, 1 / SECOND)
    for _ in range(60):
        clean, end = examples.excerpt(random)
        power = np.abs(np.fft.rfft(clean * np.hanning(SECOND))) ** 2
        below, above = power[(hertz > end - 1500) & (hertz < end - 1000)].mean(), power[hertz > end + 50]
        assert not above.size or 10 * np.log10(below / above.mean()) > 30
        assert below > 0.1 * power[(hertz > 2000) & (hertz < 3000)].mean()
        ends.append(end)
    assert min(ends) == pytest.approx(cutoff_hz / LARGEST_SPEED, rel=0.1)
    assert max(ends) == pytest.approx(min(24000.0, cutoff_hz * LARGEST_SPEED), rel=0.1)
    assert sum(end == cutoff_hz for end in ends) >= 20


def test_parts_add_up_to_the_degraded_clip() -> None:
    clip = EVERYTHING.degrade(tone(440) + tone(9000), 24000.0, material(), np.random.default_rng(1))
    for part in PARTS:
        assert np.std(getattr(clip, part)) > 1e-4, part
    np.testing.assert_allclose(clip.degraded, clip.clean - clip.missing + clip.noise + clip.reverberation)
    assert 0 < clip.passband_hz < 24000


def test_clean_is_left_clean() -> None:
    clip = degrade("clean, noise any 0, clip 20", tone(440))
    np.testing.assert_array_equal(clip.degraded, tone(440))
    assert clip.passband_hz == 24000.0


@pytest.mark.parametrize(
    ("recipe", "part"),
    [
        ("noise synthetic 10", "noise"),
        ("noise rumble 10", "noise"),
        ("noise recorded 10", "noise"),
        ("noise street 10", "noise"),
        ("white 0.001", "noise"),
        ("pink 0.001", "noise"),
        ("brown 0.001", "noise"),
        ("tpdf 0.001", "noise"),
        ("bits 6", "noise"),
        ("room 0", "reverberation"),
        ("reverb 0.5", "reverberation"),
        ("lowpass 4000", "missing"),
        ("resample 5000", "missing"),
        ("covered -18", "missing"),
        ("clip 12", "missing"),
        ("agc 12", "missing"),
        ("codec vorbis 0", "missing"),
    ],
)
def test_each_step_alone_changes_only_its_own_part(recipe: str, part: str) -> None:
    swelling = np.linspace(0.1, 1, SECOND, dtype=np.float32)
    clip = degrade(recipe, swelling * (tone(440) + tone(9000)), seed=2)
    assert {name for name in PARTS if np.std(getattr(clip, name)) > 1e-6} == {part}


@pytest.mark.parametrize("recipe", ["lowpass 4000", "resample 5000", "covered -18", "room 0", "agc 12"])
def test_a_linear_step_acts_on_every_part(recipe: str) -> None:
    """What happens to a clip and its parts one by one is what happens to their sum."""
    before = degrade("reverb 0.4, noise street 5, lowpass 9000", rumble_and_hiss(), seed=3)
    step = Recipe.parse(recipe).steps[0]

    def after(clip: DegradedClip) -> DegradedClip:
        return step.kind.apply(clip, material(), np.random.default_rng(4), *step.values(np.random.default_rng(5)))

    whole = after(DegradedClip.whole(before.degraded, 24000.0)).degraded
    np.testing.assert_allclose(after(before).degraded, whole, atol=2e-6)
    assert np.std(whole - before.degraded) > 1e-3
    assert not np.array_equal(after(before).noise, before.noise)


@pytest.mark.parametrize("recipe", ["clip 12", "codec vorbis 0.3"])
def test_what_a_nonlinear_step_does_to_the_sum_is_missing(recipe: str) -> None:
    before = "noise street 5, room 0"
    clip, heard = (degrade(text, rumble_and_hiss(), seed=3) for text in (f"{before}, {recipe}", before))
    np.testing.assert_array_equal(clip.noise, heard.noise)
    np.testing.assert_array_equal(clip.reverberation, heard.reverberation)
    undone = clip.degraded - clip.noise - clip.reverberation + clip.missing
    np.testing.assert_allclose(undone, clip.clean, atol=1e-6)
    assert np.std(clip.missing) > 1e-3


@pytest.mark.parametrize(
    ("recipe", "lowest", "highest"),
    [
        ("lowpass 8000", 7600, 7600),
        ("resample 5000", 2325, 2325),
        ("resample 5000, lowpass 8000", 2325, 2325),
        ("noise any 3, room 0, covered -18, clip 6, agc 6, bits 8", 24000, 24000),
    ],
)
def test_the_passband_is_what_can_still_be_known(recipe: str, lowest: float, highest: float) -> None:
    assert lowest <= degrade(recipe, rumble_and_hiss()).passband_hz <= highest


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_comes_at_the_a_weighted_ratio_asked_for(snr_db: float) -> None:
    clean, noise = tone(1000), coloured(SECOND, -3.0, np.random.default_rng(0))
    scaled = scaled_noise(clean, noise, snr_db)
    ratio = 10 * np.log10(a_weighted_power(clean) / a_weighted_power(scaled))
    assert ratio == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("hertz", "gain_db"), [(100, -19.1), (1000, 0.0), (4000, 1.0), (10000, -2.5)])
def test_a_weighting_reads_as_the_standard_tabulates(hertz: float, gain_db: float) -> None:
    assert 10 * np.log10(a_weighted_power(tone(hertz)) / a_weighted_power(tone(1000))) == pytest.approx(
        gain_db, abs=0.1
    )


@pytest.mark.parametrize("slope", [0.0, -3.0, -6.0])
def test_coloured_noise_falls_by_its_slope(slope: float) -> None:
    power = np.abs(np.fft.rfft(coloured(8 * SECOND, slope, np.random.default_rng(0)))) ** 2
    hertz = np.fft.rfftfreq(8 * SECOND, 1 / SECOND)
    octaves = [10 * np.log10(power[(hertz >= f) & (hertz < 2 * f)].mean()) for f in (250, 500, 1000, 2000, 4000)]
    np.testing.assert_allclose(np.diff(octaves), slope, atol=0.4)


def test_hum_lives_on_harmonics_of_the_mains() -> None:
    power = np.abs(np.fft.rfft(hum(2 * SECOND, np.random.default_rng(0)))) ** 2
    peak = np.fft.rfftfreq(2 * SECOND, 1 / SECOND)[int(power.argmax())]
    base = min((50.0, 60.0), key=lambda mains: abs(peak / mains - round(peak / mains)))
    assert abs(peak / base - round(peak / base)) < 0.02


def test_rumble_lies_low_and_half_of_it_swells() -> None:
    """Its level in tenths of a second moves by more than that of a steady noise does, in about half."""
    swelling = 0
    for seed in range(40):
        noise = rumble(4 * SECOND, np.random.default_rng(seed))
        assert noise.shape == (4 * SECOND,)
        power = np.abs(np.fft.rfft(np.hanning(len(noise)) * noise)) ** 2
        assert power[: _bins(2 * RUMBLE_CORNER_HZ[1], len(noise)).start].sum() > 0.9 * power.sum()
        upper, octave_above = (power[_bins(hertz, len(noise))].mean() / power.max() for hertz in (3000.0, 6000.0))
        assert octave_above < 0.2 * upper or upper < 1e-10  # or below what single precision holds
        tenths_db = 10 * np.log10(np.square(noise).reshape(40, -1).mean(axis=1))
        swelling += np.ptp(tenths_db) > 8.0
    assert 12 <= swelling <= 28


def test_synthetic_noise_is_finite_and_sounds() -> None:
    for seed in range(12):
        noise = synthetic_noise(SECOND // 2, np.random.default_rng(seed))
        assert noise.shape == (SECOND // 2,)
        assert noise.dtype == np.float32
        assert np.isfinite(noise).all()
        assert np.std(noise) > 1e-3
    assert np.std(clicks(SECOND, np.random.default_rng(0))) > 0


def test_a_low_pass_takes_the_highs_and_leaves_the_lows() -> None:
    taps = lowpass_filter(8000.0, np.random.default_rng(0))
    response = np.abs(np.fft.rfft(taps, 8192))
    hertz = np.fft.rfftfreq(8192, 1 / SECOND)
    np.testing.assert_allclose(response[hertz < 6500], 1.0, atol=0.02)
    assert response[hertz > 9500].max() < 0.02


def test_a_room_keeps_the_direct_sound_and_holds_the_ratio_asked_for() -> None:
    impulse = np.zeros(SECOND, np.float32)
    impulse[0] = 1.0
    room = np.concatenate([np.zeros(50), [-0.5], np.full(SECOND // 4, 0.05)]).astype(np.float32)
    heard = reverberate(impulse, with_least_direct(room, 3.0))
    direct = int(DIRECT_SECONDS * SECOND)
    assert np.sum(heard[:direct] ** 2) == pytest.approx(1.0, rel=1e-4)
    assert heard[0] > 0
    assert 10 * np.log10(1.0 / np.sum(heard[direct:] ** 2)) == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_room_holds_the_share_of_reverberation_asked_for(share: float) -> None:
    response = with_share(material().rooms[0], share)
    direct = int(DIRECT_SECONDS * SECOND)
    assert np.sum(response[:direct] ** 2) == pytest.approx(1.0, rel=1e-4)
    assert np.sum(response[direct:] ** 2) / np.sum(response**2) == pytest.approx(share, abs=1e-4)


def test_without_rooms_one_is_simulated() -> None:
    clip = Recipe.parse("room 0").degrade(tone(440), 24000.0, Material(), np.random.default_rng(0))
    assert np.std(clip.reverberation) > 1e-4


def reverberation_seconds(response: np.ndarray) -> float:
    """How long it takes to fall by 60 dB between 700 and 1400 Hz, by the 20 dB from -5 dB on (ISO 3382-2)."""
    band = sosfilt(butter(3, (700, 1400), "bandpass", fs=SAMPLE_RATE, output="sos"), response)
    left = np.cumsum(band[::-1] ** 2)[::-1]
    below = 10 * np.log10(left / left[0] + 1e-12)
    return 3 * float(np.argmax(below < -25) - np.argmax(below < -5)) / SAMPLE_RATE


@pytest.mark.parametrize("seconds", [0.2, 0.8])
def test_a_simulated_room_falls_silent_as_slowly_as_it_is_meant_to(seconds: float) -> None:
    size = np.array([5.0, 4.0, 2.8])
    found = [reverberation_seconds(room_response(size, seconds, np.random.default_rng(seed))) for seed in range(5)]
    assert 0.75 * seconds < np.median(found) < 1.5 * seconds
    assert min(found) > 0.5 * seconds
    assert max(found) < 2 * seconds


def test_a_larger_room_takes_more_for_the_same_seconds_and_any_room_for_fewer() -> None:
    small = absorption_for(np.array([2.0, 2.0, 2.0]), 0.5)
    assert small == pytest.approx(1 - np.exp(-0.161 * 8 / (24 * 0.5)))
    assert small < absorption_for(np.array([6.0, 6.0, 6.0]), 0.5) < absorption_for(np.array([6.0, 6.0, 6.0]), 0.2) < 1


def test_rooms_are_simulated_once_and_by_their_seed(tmp_path: Path) -> None:
    rooms = simulated_rooms(2, 7, tmp_path)
    again = simulated_rooms(2, 7, tmp_path)
    for one, other in zip(rooms, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(rooms[0][:1000], rooms[1][:1000])
    assert not list(tmp_path.glob("*.partial"))


def test_examples_follow_their_seed_and_differ_from_each_other() -> None:
    data = DegradedMusic(material(), 0.5, Recipe.parse(DEFAULT_RECIPE), seed=4)
    first, second = iter(data), iter(data)
    ones, others = next(first), next(second)
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(ones[0], next(first)[0])


def test_the_target_is_what_the_controls_ask_for() -> None:
    data = iter(DegradedMusic(material(), 0.5, EVERYTHING, seed=4))
    examples = [next(data) for _ in range(3)]
    batch = collate(examples)
    assert batch.degraded.shape == batch.target.shape == (3, 1, SECOND // 2)
    for i, (clean, noise, reverberation, missing, controls, *_) in enumerate(examples):
        denoise, dereverb, extend = controls
        left = (1 - denoise) * noise + (1 - dereverb) * reverberation - (1 - extend) * missing
        torch.testing.assert_close(batch.target[i, 0], torch.from_numpy(clean + left), atol=1e-6, rtol=1e-5)


def test_dull_music_falls_off_no_steeper_than_an_instrument_does() -> None:
    white = np.random.default_rng(5).standard_normal(4 * SAMPLE_RATE).astype(np.float32)
    for seed in range(8):
        fallen = dull(white, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(fallen)) ** 2
        octaves_db = [
            10 * np.log10(np.mean(power[_bins(hertz, len(white))])) for hertz in (DULL_FROM_HZ[0] / 4, 6000.0, 12000.0)
        ]
        assert abs(octaves_db[0] - 10 * np.log10(len(white))) < 2.0  # below the corner all stays
        fall_db = octaves_db[1] - octaves_db[2]
        assert 0.5 < fall_db < 6.02 * max(DULL_ORDERS) + 5.0  # the bilinear transform is a little steeper up there


def _bins(hertz: float, samples: int) -> slice:
    """The bins of a tenth of an octave around `hertz`."""
    return slice(int(hertz * 0.966 * samples / SAMPLE_RATE), int(hertz * 1.035 * samples / SAMPLE_RATE))


def test_no_music_is_refused() -> None:
    with pytest.raises(ValueError, match="no music or voice"):
        DegradedMusic(Material(), 1.0, EVERYTHING, 0)
