"""Degradations: parts that add up, levels that are what was asked, and targets that follow from the controls."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data.dataset import DegradedMusic, Material, collate
from models.data.degradations import DegradationOdds, degrade, lowpass_filter, scaled_noise
from models.data.noise import a_weighted_power, clicks, coloured, hum, synthetic_noise
from models.data.recordings import SAMPLE_RATE
from models.data.rooms import DIRECT_SECONDS, reverberate, simulate_room, simulated_rooms

SECOND = SAMPLE_RATE
EVERYTHING = DegradationOdds(clean=0.0, noise=1.0, room=1.0, lowpass=1.0)
NOTHING = DegradationOdds(clean=1.0)


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SECOND)) / SECOND)).astype(np.float32)


def material() -> Material:
    random = np.random.default_rng(0)
    clips = [(3000 * random.standard_normal(2 * SECOND)).astype(np.int16) for _ in range(3)]
    room = (random.standard_normal(SECOND // 4) * np.exp(-np.arange(SECOND // 4) / 2000)).astype(np.float32)
    room[0] = 4.0
    return Material(clean=clips, clean_cutoff_hz=[24000.0, 16000.0, 24000.0], noise=clips[1:], rooms=[room])


def test_parts_add_up_to_the_degraded_clip() -> None:
    random = np.random.default_rng(1)
    room = simulate_room(random)
    clip = degrade(tone(440) + tone(9000), 24000.0, None, room, EVERYTHING, random)
    for part in (clip.noise, clip.reverberation, clip.missing):
        assert np.std(part) > 1e-4
    np.testing.assert_allclose(clip.degraded, clip.clean - clip.missing + clip.noise + clip.reverberation)
    assert 0 < clip.passband_hz < 24000


def test_clean_is_left_clean() -> None:
    clip = degrade(tone(440), 24000.0, None, None, NOTHING, np.random.default_rng(0))
    np.testing.assert_array_equal(clip.degraded, tone(440))
    assert clip.passband_hz == 24000.0


def test_each_degradation_alone_changes_only_its_own_part() -> None:
    room = material().rooms[0]
    none = DegradationOdds(clean=0, noise=0, room=0, lowpass=0, sixteen_bits=0)
    for odds, part in (
        (replace(none, noise=1.0), "noise"),
        (replace(none, room=1.0), "reverberation"),
        (replace(none, lowpass=1.0), "missing"),
    ):
        clip = degrade(tone(440) + tone(9000), 24000.0, None, room, odds, np.random.default_rng(2))
        changed = {p for p in ("noise", "reverberation", "missing") if np.std(getattr(clip, p)) > 0}
        assert changed == {part}, odds


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
    heard = reverberate(impulse, room, least_direct_db=3.0)
    direct = int(DIRECT_SECONDS * SECOND)
    assert np.sum(heard[:direct] ** 2) == pytest.approx(1.0, rel=1e-4)
    assert heard[0] > 0
    assert 10 * np.log10(1.0 / np.sum(heard[direct:] ** 2)) == pytest.approx(3.0, abs=0.05)


def test_rooms_are_simulated_once_and_by_their_seed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rooms = simulated_rooms(2, 7, tmp_path)
    again = simulated_rooms(2, 7, tmp_path)
    for one, other in zip(rooms, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(rooms[0][:1000], rooms[1][:1000])
    assert not list(tmp_path.glob("*.partial"))


def test_examples_follow_their_seed_and_differ_from_each_other() -> None:
    data = DegradedMusic(material(), 0.5, DegradationOdds(), seed=4)
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


def test_no_music_is_refused() -> None:
    with pytest.raises(ValueError, match="no music or voice"):
        DegradedMusic(Material([], [], [], []), 1.0, DegradationOdds(), 0)
