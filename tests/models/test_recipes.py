"""Recipes: texts that read as they are written, errors that name what came, and steps that do what they say."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.batches import batches
from models.checkpoint import load_band_split
from models.data.dataset import DegradedMusic
from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.noise import a_weighted_power, coloured
from models.data.recipes import DEFAULT_RECIPE, KINDS, Recipe
from models.data.recordings import SAMPLE_RATE
from models.data.steps.bandwidth import cover_gain_db
from models.data.steps.coding import SOUNDFILE_NAMES, coded, known_hz
from models.data.steps.dynamics import automatic_gain
from models.data.steps.step import Range
from models.train import main

SECOND = SAMPLE_RATE
DRAWS = 600
SIGMAS = 4.5
HIGHEST_LOWPASS_HZ = 16000.0  # covers leave the passband as it was


def music(seconds: float = 1.0, seed: int = 0) -> Samples:
    return np.float32(0.05) * coloured(int(seconds * SECOND), -3.0, np.random.default_rng(seed))


def tone(hertz: float, seconds: float = 1.0) -> Samples:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SECOND)) / SECOND)).astype(np.float32)


def material() -> Material:
    """Rooms of one late echo; two noises that a spectrum tells apart."""
    room = np.zeros(480, np.float32)
    room[[0, 400]] = 1.0, 0.9
    noises = [(32767 * tone(hertz, 2.0)).astype(np.int16) for hertz in (1000, 3000)]
    clean = [(32767 * music(2.0, seed)).astype(np.int16) for seed in range(2)]
    return Material(clean, [24000.0] * 2, noises, [room], ["berklee_street_1.ogg", "home/esc10_rain_2.ogg"])


def degrade(text: str, clean: Samples, seed: int = 0) -> DegradedClip:
    return Recipe.parse(text).degrade(clean, 24000.0, material(), np.random.default_rng(seed))


def spectrum(samples: Samples) -> tuple[Samples, Samples]:
    return np.fft.rfftfreq(len(samples), 1 / SECOND), np.abs(np.fft.rfft(samples))


@pytest.mark.parametrize(
    "text",
    [
        DEFAULT_RECIPE,
        "resample 5000",
        "white 0.002",
        "reverb 0.5, lowpass 8000, noise street 12",
        "noise any -2..24 @0.72",
        "clean @0.08, covered -24..-12 @0.25, codec any 0..0.4, agc 6.5..18, clip 1e-05..12, bits 8..16, pink 1e-06",
        "brown 0.001, tpdf 0.0001..0.01, room -3, resample 8000..44100 @0, codec mp3 1, noise home/esc10_rain-2.ogg 3",
        "clean",
    ],
)
def test_a_recipe_reads_as_it_is_written(text: str) -> None:
    recipe = Recipe.parse(text)
    assert str(recipe) == text
    assert Recipe.parse(str(recipe)) == recipe
    assert Recipe.parse("\n" + text.replace(" ", "  ").replace(",", " ,")) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"the step '' has the name ''; wanted one of clean, room, reverb"),
        ("lowpass 8000,", r"the step '' has the name ''"),
        ("lopass 8000", r"the step 'lopass 8000' has the name 'lopass'; wanted one of .*lowpass"),
        ("white 0.1, lowpass", r"the step 'lowpass' has 0 arguments; wanted 1: 'lowpass <frequency in hertz>'"),
        ("lowpass 8000 9000", r"has 2 arguments; wanted 1"),
        (
            "noise 12",
            r"has 1 arguments; wanted 2: 'noise <kind of noise: any, synthetic, rumble, recorded, .*> <decibels>'",
        ),
        ("lowpass 8kHz", r"has '8kHz' as frequency in hertz; wanted a number from 20 to 23000, or a range LOW..HIGH"),
        ("lowpass 8000..", r"has '8000..' as frequency"),
        ("lowpass ..8000", r"has '..8000' as frequency"),
        ("lowpass nan", r"has 'nan' as frequency"),
        ("lowpass 10", r"has '10' as frequency in hertz; wanted it within 20 to 23000"),
        ("lowpass 9000..8000", r"has '9000..8000' .*wanted it within 20 to 23000, the lower end first"),
        ("reverb 1.2", r"has '1.2' as share of reverberation; wanted it within 0 to 0.99"),
        ("white 0", r"has '0' as variance; wanted it within 1e-12 to 1"),
        ("bits 7.5", r"has '7.5' as number of bits; wanted a whole number from 2 to 24"),
        ("covered 18", r"has '18' as gain of the shelf in decibels; wanted it within -60 to 0"),
        ("codec flac 1", r"has 'flac' as codec; wanted one of any, mp3, opus, vorbis"),
        ("noise 3 12", r"has '3' as kind of noise: .*; wanted a word that starts with a letter"),
        ("white 0.1 @", r"has the probability ''; wanted a number from 0 to 1 after the @"),
        ("white 0.1 @40%", r"has the probability '40%'"),
        ("white 0.1 @1.5", r"has the probability '1.5'"),
        ("white 0.1 @0.2 @0.3", r"has the probability '0.2 @0.3'"),
        ("white 0.1, clean @0.1", r"has the step 'clean' after another; wanted it first or not at all"),
    ],
)
def test_what_is_no_recipe_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Recipe.parse(text)


@pytest.mark.parametrize(
    ("text", "material", "complaint"),
    [
        ("noise tram 3", material(), r"'noise tram 3' cannot be made: .*none of the 2 recordings of noise has it"),
        ("bits 8, noise recorded 3 @0.1", Material(), r"'noise recorded 3 @0.1' .*there are no recordings of noise"),
    ],
)
def test_noise_that_is_not_there_is_refused_before_training(text: str, material: Material, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Recipe.parse(text).check(material)
    with pytest.raises(ValueError, match=complaint):
        DegradedMusic(replace(material, clean=[np.ones(9, np.int16)]), 0.1, Recipe.parse(text), 0)


def test_every_step_is_explained_where_recipes_are_written() -> None:
    from models.data import recipes

    assert recipes.__doc__ is not None
    for name in KINDS:
        assert name in recipes.__doc__.split("KIND is")[0].replace(",", "").split(), name


def test_steps_happen_as_often_as_they_say_and_in_their_order() -> None:
    random = np.random.default_rng(0)
    often = Recipe.parse("clean @0.25, white 0.001 @0.4")
    clips = [often.degrade(music(0.01), 24000.0, Material(), random) for _ in range(DRAWS)]
    share = np.mean([clip.noise.any() for clip in clips])
    assert share == pytest.approx(0.75 * 0.4, abs=SIGMAS * np.sqrt(0.3 * 0.7 / DRAWS))
    hertz, before = spectrum(degrade("white 0.001, lowpass 4000", music()).noise)
    _, after = spectrum(degrade("lowpass 4000, white 0.001", music()).noise)
    highs = hertz > 8000
    assert np.mean(before[highs] ** 2) < 1e-4 * np.mean(after[highs] ** 2)


@pytest.mark.parametrize(("text", "logarithmic"), [("lowpass 3000..16000", True), ("noise any -2..24", False)])
def test_ranges_are_drawn_evenly_on_their_scale(text: str, logarithmic: bool) -> None:
    chosen = Recipe.parse(text).steps[0].arguments[-1]
    assert isinstance(chosen, Range)
    random = np.random.default_rng(0)
    draws = np.array([chosen.draw(random) for _ in range(DRAWS)])
    ends = np.array([chosen.low, chosen.high])
    assert ends[0] <= draws.min() < draws.max() <= ends[1]
    if logarithmic:
        draws, ends = np.log(draws), np.log(ends)
    quarters = np.histogram(draws, np.linspace(float(ends[0]), float(ends[1]), 5))[0] / DRAWS
    np.testing.assert_allclose(quarters, 0.25, atol=SIGMAS * np.sqrt(0.25 * 0.75 / DRAWS))


def test_whole_numbers_are_drawn_with_both_ends() -> None:
    chosen = Recipe.parse("bits 6..8").steps[0].arguments[0]
    assert isinstance(chosen, Range)
    random = np.random.default_rng(0)
    assert {chosen.draw(random) for _ in range(100)} == {6.0, 7.0, 8.0}


def test_the_default_degrades_as_often_as_it_says() -> None:
    """Its shares and ranges, read from what came out. Half of all noise is synthetic: neither of the two tones."""
    recipe, clean, source = Recipe.parse(DEFAULT_RECIPE), music(0.1), material()
    random = np.random.default_rng(7)
    clips = [recipe.degrade(clean, 24000.0, source, random) for _ in range(DRAWS)]
    hertz, _ = spectrum(clean)
    seen: dict[str, list[bool]] = {name: [] for name in ("untouched", "noise", "recorded", "room", "limited", "bits")}
    snr_db, direct_db, passband_hz = [], [], []
    for clip in clips:
        ratio_db = 10 * np.log10(a_weighted_power(clip.music) / max(a_weighted_power(clip.noise), 1e-20))
        noisy = ratio_db < 45  # rounding alone lies far below
        limited = clip.missing.any()
        _, levels = spectrum(clip.noise)
        peaks = np.sum(levels[(hertz > 700) & (hertz < 4000)] ** 2 > 0.1 * np.sum(levels**2))
        seen["untouched"].append(not clip.noise.any() and not clip.reverberation.any() and not limited)
        seen["noise"].append(bool(noisy))
        seen["recorded"].append(bool(noisy and peaks >= 1))
        seen["room"].append(bool(clip.reverberation.any()))
        seen["limited"].append(bool(limited))  # by a cover, a clip, a low-pass or a codec
        grid = clip.degraded.astype(float) * 2**15
        seen["bits"].append(bool(np.abs(grid - np.round(grid)).max() < 0.02))
        if noisy and not limited:
            snr_db.append(ratio_db)
        if clip.reverberation.any() and not limited:
            direct_db.append(-10 * np.log10(np.mean(clip.reverberation**2) / np.mean(clip.clean**2)))
        if limited and clip.passband_hz < HIGHEST_LOWPASS_HZ:
            passband_hz.append(clip.passband_hz)
    dirty, quiet, whole = 0.86, 0.25 * 0.9, 0.9 * 0.94 * 0.73 * 0.97
    wanted = {
        "untouched": 0.14 + dirty * 0.78 * quiet * whole * 0.5,
        "noise": dirty * (1 - quiet),
        "recorded": dirty * (1 - (1 - 0.375) * (1 - 0.05)),
        "room": dirty * 0.22,
        "limited": dirty * (1 - whole),
        "bits": dirty * 0.5,
    }
    for name, share in wanted.items():
        assert np.mean(seen[name]) == pytest.approx(share, abs=SIGMAS * np.sqrt(share * (1 - share) / DRAWS)), name
    loudest_db = -10 * np.log10(10**0.2 + 1)  # both noises, each at its loudest
    low_passed_hz = [hz for hz in passband_hz if 0.95 * 3000 <= hz <= 0.95 * 16000]
    assert len(low_passed_hz) > 0.8 * len(passband_hz)  # a codec may leave less, or more
    for draws, low, high in ((snr_db, loudest_db, 26), (low_passed_hz, 0.95 * 3000, 0.95 * 16000)):
        assert low - 0.5 < min(draws) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(draws) < high + 0.5
    # The echo is 0.9 of the direct sound, 0.9 dB below it: rooms drier than what was drawn stay as they are.
    assert 0.3 < min(direct_db) < 1.5
    assert 7 < max(direct_db) < 9  # the driest that rooms are made


def test_noise_is_chosen_by_a_part_of_its_name() -> None:
    for part, hertz in (("street", 1000), ("rain", 3000), ("home/", 3000), ("berklee", 1000)):
        found, levels = spectrum(degrade(f"noise {part} 0", music(), seed=1).noise)
        strongest = found[int(levels.argmax())]
        assert hertz / 1.3 < strongest < hertz * 1.3, part


def test_any_noise_is_synthetic_where_there_are_no_recordings() -> None:
    clip = Recipe.parse("noise any 6").degrade(music(), 24000.0, Material(), np.random.default_rng(0))
    ratio = a_weighted_power(clip.clean) / a_weighted_power(clip.noise)
    assert 10 * np.log10(ratio) == pytest.approx(6.0, abs=0.05)


def test_noise_is_measured_against_the_music_that_is_left() -> None:
    clip = degrade("lowpass 1000, noise street 6", tone(440) + tone(9000))
    ratio = a_weighted_power(clip.music) / a_weighted_power(clip.noise)
    assert 10 * np.log10(ratio) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("name", ["white", "pink", "brown", "tpdf"])
def test_noise_has_the_variance_asked_for(name: str) -> None:
    noise = degrade(f"{name} 0.002", np.zeros(4 * SECOND, np.float32)).noise
    assert np.var(noise) == pytest.approx(0.002, rel=0.25 if name == "brown" else 0.05)


def test_triangular_noise_is_bounded_and_triangular() -> None:
    noise = degrade("tpdf 0.002", np.zeros(4 * SECOND, np.float32)).noise
    widest = np.sqrt(6 * 0.002)
    assert 0.97 * widest < np.abs(noise).max() <= widest
    counts = np.histogram(np.abs(noise), 4, (0, widest))[0] / len(noise)
    np.testing.assert_allclose(counts, np.array([7, 5, 3, 1]) / 16, atol=0.01)


def test_resampling_keeps_what_the_lower_rate_can_hold() -> None:
    clip = degrade("resample 5000", music(2.0))
    hertz, before = spectrum(clip.clean)
    _, after = spectrum(clip.degraded)
    _, error = spectrum(clip.missing)
    kept, lost = hertz < clip.passband_hz, hertz > 2500
    assert np.sum(error[kept] ** 2) < 1e-3 * np.sum(before[kept] ** 2)
    assert np.sum(after[lost] ** 2) < 1e-3 * np.sum(before[lost] ** 2)


def test_a_cover_is_a_shelf_with_a_resonance_below() -> None:
    frequencies = np.linspace(0, 24000, 4801)
    for seed in range(20):
        resonance, gain_db = (cover_gain_db(frequencies, db, np.random.default_rng(seed)) for db in (0.0, -18.0))
        assert 600 <= frequencies[int(resonance.argmax())] <= 1200
        assert 2.9 < resonance.max() < 9
        assert abs(gain_db[0]) < 0.1
        assert (np.diff(gain_db[frequencies > 4000]) < 0).all()
        assert gain_db[-1] == pytest.approx(-18, abs=0.1)
    covered = degrade("covered -18", music(4.0))
    _, before = spectrum(covered.clean)
    hertz, after = spectrum(covered.degraded)
    highs = (hertz > 12000) & (hertz < 20000)
    assert 10 * np.log10(np.mean(after[highs] ** 2) / np.mean(before[highs] ** 2)) == pytest.approx(-18, abs=1.0)


def test_clipping_cuts_the_peaks_and_nothing_else() -> None:
    clip = degrade("clip 12", tone(440))
    ceiling = 0.1 * 10 ** (-12 / 20)
    assert np.abs(clip.degraded).max() == pytest.approx(ceiling, rel=1e-3)
    below = np.abs(clip.clean) < 0.99 * ceiling
    np.testing.assert_allclose(clip.degraded[below], clip.clean[below], atol=1e-7)


def test_automatic_gain_evens_out_levels_within_its_limit() -> None:
    loudness = np.repeat([1.0, 0.1, 1.0], 4 * SECOND).astype(np.float32)
    swelling = loudness * music(12.0)
    gain_db = 20 * np.log10(automatic_gain(swelling, 12.0))
    loud, quiet = gain_db[3 * SECOND : 4 * SECOND].mean(), gain_db[7 * SECOND : 8 * SECOND].mean()
    assert 8 < quiet - loud < 24
    assert gain_db.max() - gain_db.min() < 24
    # It falls fast and rises slowly.
    rising, falling = gain_db[int(4.3 * SECOND)] - loud, quiet - gain_db[int(8.3 * SECOND)]
    assert 0 < rising < 0.5 * (quiet - loud) < falling
    assert np.mean((10 ** (gain_db / 20) * swelling) ** 2) == pytest.approx(np.mean(swelling**2), rel=1e-3)
    np.testing.assert_allclose(automatic_gain(np.zeros(1000, np.float32), 12.0), 1.0)


def test_automatic_gain_swells_the_noise_with_the_music() -> None:
    loudness = np.repeat([1.0, 0.05], 2 * SECOND).astype(np.float32)
    text = "noise rain 20"
    before, after = (degrade(recipe, loudness * music(4.0), seed=5) for recipe in (text, f"{text}, agc 20"))
    last = slice(3 * SECOND, None)
    assert np.std(after.noise[last]) > 2 * np.std(before.noise[last])


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_bits_round_to_their_grid(bits: int) -> None:
    grid = degrade(f"bits {bits}", music()).degraded.astype(float) * 2 ** (bits - 1)
    assert np.abs(grid - np.round(grid)).max() < 0.02


@pytest.mark.parametrize("name", list(SOUNDFILE_NAMES))
def test_a_codec_comes_back_aligned_and_better_with_quality(name: str) -> None:
    before, middle, lags = music(1.5), slice(SECOND // 4, SECOND), range(-5, 6)
    errors = []
    for quality in (0.0, 0.2, 1.0):
        decoded = coded(before, name, quality)
        assert decoded.shape == before.shape
        agreement = [float(np.dot(before[middle], np.roll(decoded, -lag)[middle])) for lag in lags]
        assert abs(lags[int(np.argmax(agreement))]) <= 2  # Opus delays lows and highs differently
        errors.append(np.mean((decoded - before)[middle] ** 2) / np.mean(before[middle] ** 2))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1


def test_a_codec_keeps_peaks_beyond_full_scale() -> None:
    loud = (25 * tone(440)).astype(np.float32)
    assert np.abs(coded(loud, "mp3", 1.0)[SECOND // 4 : SECOND // 2]).max() == pytest.approx(2.5, rel=0.05)


def test_a_codec_lowers_the_passband_to_what_can_be_known() -> None:
    coarse, fine = (degrade(f"codec mp3 {quality}", music(2.0)).passband_hz for quality in ("0", "1"))
    assert 500 <= coarse < 10000
    assert fine > 15000
    assert known_hz(music(), music()) == 24000
    assert known_hz(music(), music(seed=1)) == 0
    cut = degrade("lowpass 6000", music(2.0))
    echo = 1e-6 * tone(15000, 2.0)  # true, yet nothing beside what was lost around it
    assert known_hz(cut.clean + echo, cut.degraded + echo) == pytest.approx(6000, abs=500)
    empty = degrade("lowpass 12000", music(2.0)).degraded  # as a recording that an encoder had cut before
    leftover = degrade("lowpass 6000", empty).degraded + 1e-9 * music(2.0, seed=1)
    assert known_hz(empty, leftover) == pytest.approx(6000, abs=500)
    assert known_hz(np.zeros(SECOND, np.float32), np.zeros(SECOND, np.float32)) == 24000


def test_any_codec_is_one_of_them() -> None:
    recipe = Recipe.parse("codec any 0")
    ends = {
        round(recipe.degrade(music(0.3), 24000.0, Material(), np.random.default_rng(seed)).passband_hz)
        for seed in range(6)
    }
    assert len(ends) > 1


def test_batches_are_degraded_by_their_recipe() -> None:
    batch = next(batches(material(), "bits 4", seconds=0.2, batch=2, seed=1))
    grid = batch.degraded.double() * 8
    assert float((grid - grid.round()).abs().max()) < 0.02
    with pytest.raises(ValueError, match="cannot be made"):
        batches(material(), "noise tram 3", seconds=0.2, batch=2, seed=1)


def test_a_run_records_its_recipe_and_refuses_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", music(), SECOND)
    folders = ["--audio", tmp_path / "songs", "--out", tmp_path / "run", "--cache", tmp_path / "cache"]
    small = ["--batch", 1, "--seconds", 0.2, "--rooms", 1, "--workers", 0, "--channels", 8, "--blocks", 1]
    command = [*map(str, folders + small), "--minutes", "0.005", "--degradations"]
    with pytest.raises(ValueError, match="the step 'louder 3' has the name 'louder'"):
        main([*command, "louder 3"])
    assert not (tmp_path / "run").exists()
    main([*command, " resample  5000 , bits 8 @0.5"])
    _, facts = load_band_split(tmp_path / "run" / "generator.safetensors")
    assert facts["options"]["degradations"] == "resample 5000, bits 8 @0.5"
