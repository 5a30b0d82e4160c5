"""The equaliser learns what covers do, and nothing else learns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.data.material import Material
from models.data.steps.bandwidth import COVER_HERTZ
from models.generators.band_split import TOLD_OVER_TIME, BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.falls import KINDS
from models.generators.features import NEPERS_PER_DB
from models.head_run import DONE_COLUMNS
from models.learn_colour import UNCOVERED_WEIGHT, ColourRun, CoveredMusic, collate_covers, main
from tests.support.teaching import assert_only_added, assert_only_learnt, randomised, taught

CONFIG = BandSplitConfig(
    window=1024, channels=6, blocks=1, colour_hidden=16, copy_shifts=copy_shifts([4000.0], 48000, 1024)
)


def noise_material() -> Material:
    random = np.random.default_rng(0)
    room = (random.standard_normal(4800) * np.exp(-np.arange(4800) / 500)).astype(np.float32)
    room[0] = 4.0
    clips = [(3000 * random.standard_normal(96000)).astype(np.int16) for _ in range(2)]
    return Material(clean=clips, clean_cutoff_hz=[24000.0] * 2, rooms=[room])


@pytest.fixture
def covered_music() -> CoveredMusic:
    return CoveredMusic(noise_material(), 2.0, seed=0)


@pytest.fixture
def generator() -> BandSplitGenerator:
    torch.manual_seed(0)
    return BandSplitGenerator(CONFIG).eval()


def test_half_of_the_music_is_covered_and_sounds_so(
    covered_music: CoveredMusic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.learn_colour.TONES_SHARE", 0.0)
    monkeypatch.setattr("models.learn_colour.MISTAKEN_SHARE", 0.0)
    random = np.random.default_rng(1)
    examples = [covered_music.example(random) for _ in range(60)]
    covered = np.array([nepers.any() for _, nepers, _ in examples])
    assert 18 <= covered.sum() <= 42
    shares = []
    for heard, nepers, mistaken in examples:
        assert mistaken == 0.0
        assert heard.shape == (96000,)
        assert nepers.shape == COVER_HERTZ.shape
        power = np.abs(np.fft.rfft(heard)) ** 2
        shares.append(power[len(power) // 2 :].sum() / power.sum())
    assert np.median(np.array(shares)[covered]) < 0.3 * np.median(np.array(shares)[~covered])
    shelves_db = np.array([nepers[-1] for _, nepers, _ in examples])[covered] / NEPERS_PER_DB
    assert shelves_db.min() >= -24.01
    assert shelves_db.max() <= -7.0


def test_steady_tones_are_never_covered(covered_music: CoveredMusic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the fixture's music, which is noise, hardly anything lies in few frequencies; of tones all does."""
    monkeypatch.setattr("models.learn_colour.TONES_SHARE", 1.0)
    random = np.random.default_rng(1)
    shares = []
    for _ in range(20):
        heard, nepers, mistaken = covered_music.example(random)
        assert mistaken == 1.0
        assert heard.shape == (96000,)
        assert nepers.shape == COVER_HERTZ.shape
        assert not nepers.any()
        power = np.sort(np.abs(np.fft.rfft(heard)) ** 2)[::-1]
        shares.append(power[: len(power) // 100].sum() / power.sum())
    assert np.median(shares) > 0.9


def test_music_in_rumble_is_never_covered(covered_music: CoveredMusic, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of it lies below 500 Hz than of what is not covered and not in rumble."""
    monkeypatch.setattr("models.learn_colour.TONES_SHARE", 0.0)
    monkeypatch.setattr("models.learn_colour.COVERED_SHARE", 0.0)
    monkeypatch.setattr("models.learn_colour.MISTAKEN_ODDS", (1.0, 0.0))
    lows = []
    for share in (0.0, 1.0):
        monkeypatch.setattr("models.learn_colour.MISTAKEN_SHARE", share)
        random = np.random.default_rng(1)
        examples = [covered_music.example(random) for _ in range(20)]
        assert all(mistaken == share and not nepers.any() for _, nepers, mistaken in examples)
        power = np.abs(np.fft.rfft([heard for heard, *_ in examples])) ** 2
        lows.append(np.median(power[:, : power.shape[1] // 48].sum(axis=1) / power.sum(axis=1)))
    assert lows[1] > 2.0 * lows[0]


def test_what_is_wanted_undoes_the_cover_band_by_band(generator: BandSplitGenerator, tmp_path: Path) -> None:
    run = ColourRun(tmp_path, generator, 1e-3, 1.0)
    nepers = torch.from_numpy(np.interp(COVER_HERTZ, [0, 12000, 24000], [0.5, 0.5, -1.5])).float()
    wanted = run.wanted(nepers.unsqueeze(0))
    assert wanted.shape == (1, 48)
    torch.testing.assert_close(wanted[0, :40], torch.full((40,), -0.5), atol=0.01, rtol=0)
    centres = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(wanted[0, 40:], -0.5 + 2.0 * centres, atol=0.01, rtol=0)
    assert float(run.wanted(-10 * torch.ones(1, len(COVER_HERTZ))).max()) == pytest.approx(np.log(10))


def test_the_equaliser_learns_and_nothing_else_does(
    generator: BandSplitGenerator, covered_music: CoveredMusic, tmp_path: Path
) -> None:
    """One batch over and over: a cover is told from none, and undone to within 2 dB."""
    random = np.random.default_rng(2)
    batch = collate_covers([covered_music.example(random) for _ in range(8)])
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    run = ColourRun(tmp_path, generator, 1e-2, 1.0)
    for step in range(60):
        run.minutes = step / 60
        figures = run.step(batch)
    run.fold()
    assert figures["gains_db"] < 2.0
    assert figures["gate"] < 0.2
    assert_only_learnt(generator, before, "colouring")


def test_units_beside_those_there_are_begin_as_nothing_and_alone_learn(
    generator: BandSplitGenerator, covered_music: CoveredMusic, tmp_path: Path
) -> None:
    before = randomised(generator, generator.colouring)
    told, heard = torch.randn(48 * TOLD_OVER_TIME, 5), torch.full((1, 5), 100.0)
    assert generator.colouring is not None
    said = generator.colouring(told, heard)
    run = ColourRun(tmp_path, generator, 1e-3, 1.0, beside=4)
    run.fold()
    assert run.generator.config.colour_hidden == CONFIG.colour_hidden + 4
    torch.testing.assert_close(run.colouring(told, heard), said)
    random = np.random.default_rng(2)
    heard, nepers, mistaken = collate_covers([covered_music.example(random) for _ in range(4)])
    run.step((heard, nepers, torch.ones_like(mistaken)))
    run.fold()
    assert_only_added(run.generator, before, "colouring", CONFIG.colour_hidden)
    assert run.colouring.widen[-4:].any()
    assert run.colouring.gate[:, -4:].any()
    assert not run.colouring.narrow[:, -4:].any()  # what undoes a cover stays


def test_units_beside_are_held_to_what_was_said_but_of_what_is_mistaken_for_covered(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    """An equaliser whose logit is nought, two recordings, and a tone; all of them are told as much more."""
    run = ColourRun(tmp_path, generator, 1e-3, 1.0, beside=1)
    assert run.before is not None
    told = torch.randn(3, 48 * TOLD_OVER_TIME)
    notes = (told, torch.ones(3, 48), torch.ones(3), torch.tensor([0.0, 0.0, 1.0]))
    run.gate = added = nn.Linear(1, 1)
    nn.init.zeros_(added.weight)
    for logit, moved in ((0.0, 0.0), (0.5, 0.5), (9.0, 4.0)):  # beyond 4 the gate is as open as it can be
        with torch.no_grad():
            added.bias.fill_(logit)
            losses = run.losses(notes)
        of_tone = UNCOVERED_WEIGHT * math.log1p(math.exp(logit))
        assert float(losses["gate"]) == pytest.approx((2 * moved**2 + of_tone) / 3, rel=1e-5)
        assert losses["loss"] is losses["gate"]


def test_bands_that_hold_nothing_say_nothing_of_a_cover(generator: BandSplitGenerator, tmp_path: Path) -> None:
    """As loud as they are against the loudest: 86 dB below it a low-pass or an encoder left a band empty."""
    run = ColourRun(tmp_path, generator, 1e-3, 1.0)
    told = torch.randn(3, 48 * TOLD_OVER_TIME)
    levels = told[:, 48 * KINDS : 48 * (KINDS + 1)]
    levels[:], levels[:, 40:] = 0.0, -86.0 * NEPERS_PER_DB
    undoing, other = torch.zeros(3, 48), torch.zeros(3, 48)
    other[:, 40:] = 1.0
    covered = torch.tensor([1.0, 1.0, 0.0])
    run.hidden.eval()
    with torch.no_grad():
        losses = [run.losses((told, gains, covered, torch.zeros(3))) for gains in (undoing, other)]
    assert float(losses[0]["loss"]) == float(losses[1]["loss"])
    other[:, 39] = 1.0
    with torch.no_grad():
        more = run.losses((told, other, covered, torch.zeros(3)))
    assert abs(float(more["gains_db"]) - float(losses[0]["gains_db"])) > 0.01


def test_a_generator_without_an_equaliser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no equaliser: wanted one of a colour_hidden above 0"):
        ColourRun(tmp_path, BandSplitGenerator(BandSplitConfig(channels=6, blocks=1)), 1e-3, 1.0)


def test_the_command_writes_the_weights_with_their_equaliser(generator: BandSplitGenerator, tmp_path: Path) -> None:
    learnt, facts, rows = taught(main, generator, tmp_path, seconds=2)
    assert facts["seed"] == 3
    assert facts["colour"]["examples"] >= 2
    assert learnt.colouring is not None
    assert learnt.colouring.narrow.any()
    assert tuple(rows[0]) == (*DONE_COLUMNS, *ColourRun.columns)
    assert float(rows[-1]["examples"]) == facts["colour"]["examples"]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
