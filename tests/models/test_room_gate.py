"""What a strong room adds is told by how fast sound falls, and undone; what is taken frame by frame is learnt where
there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.data.dataset import DegradedMusic, collate
from models.data.material import Material
from models.data.recipes import Recipe
from models.generators.band_split import LARGEST_MASK, BandSplitConfig, BandSplitGenerator, Gains, copy_shifts
from models.generators.falls import KINDS
from models.generators.features import NEPERS_PER_DB
from models.generators.room_gate import EARLY_DOUBT_DB, LARGEST_ADDED, STRONG_ROOM_DB, WEAK_ROOM_DB
from models.head_run import DONE_COLUMNS
from models.learn_room import FRAMES_NOTED, MusicInRooms, RoomClips, RoomRun, collate_rooms, main
from models.restoring import inputs
from tests.support.generators import mask_columns
from tests.support.teaching import assert_only_added, assert_only_learnt, randomised, taught

CONFIG = BandSplitConfig(
    window=1024, channels=6, blocks=1, room_hidden=6, copy_shifts=copy_shifts([4000.0], 48000, 1024)
)
RATE = 48000


@pytest.fixture
def generator() -> BandSplitGenerator:
    torch.manual_seed(0)
    return BandSplitGenerator(CONFIG).eval()


def beats(decay_seconds: float, clips: int, seed: int) -> Tensor:
    """Bursts of noise every 0.4 s that fall by 60 dB in so many seconds: [clips, 1, samples], 4 s."""
    random = np.random.default_rng(seed)
    times = np.arange(4 * RATE) / RATE % 0.4
    envelope = np.minimum(1.0, times / 0.01) * 10 ** (-3 * np.maximum(0.0, times - 0.05) / decay_seconds)
    return torch.from_numpy(0.1 * random.standard_normal((clips, 1, 4 * RATE)) * envelope).float()


def in_rooms(music: Tensor, reverberation: Tensor) -> RoomClips:
    return RoomClips(music + reverberation, music, reverberation, torch.zeros(len(music), 1))


def test_slow_decays_fall_less_and_steep_falls_vanish_first(generator: BandSplitGenerator, tmp_path: Path) -> None:
    run = RoomRun(tmp_path, generator, 1e-3, 1.0)
    falls = generator.layout.bands * KINDS
    dry, wet = (
        run.told(beats(seconds, 2, 1))[:falls].mean(dim=(1, 2)).unflatten(0, (-1, KINDS)) for seconds in (0.1, 1.2)
    )
    slower = (wet / dry)[20:].mean(dim=0)
    assert slower[0] < 0.9
    assert slower[1] < slower[0]
    assert slower[2] < slower[1]


def test_the_gate_learns_and_nothing_else_does(generator: BandSplitGenerator, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    run = RoomRun(tmp_path, generator, 1e-2, 1.0)
    music = beats(0.1, 6, 1)
    hall = 2.0 * beats(1.2, 6, 2)
    hall[:3] = 0.0
    for step in range(60):
        run.minutes = step / 60
        run.step(in_rooms(music, hall))
    run.checkpoint([{"loss": 0.0, "added_db": 0.0, "error_db": 0.0, "learning_rate": 0.0}], {})
    assert_only_learnt(generator, before, "room_gate")
    dry, wet = beats(0.1, 2, 3), 2.0 * beats(1.2, 2, 4)
    opening, share = gate(generator, dry + wet)
    assert opening.min() == 1.0
    powers = run.band_powers(dry) / run.band_powers(dry + wet)
    assert float((1.0 - share).log().mean()) == pytest.approx(0.5 * float(powers.log().mean()), rel=0.2)
    opening, share = gate(generator, beats(0.1, 2, 5))
    assert opening.max() == 0.0
    assert not share.any()


def test_units_beside_those_there_are_begin_as_nothing_and_alone_learn(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    before = randomised(generator, generator.room_gate)
    audio = beats(0.1, 2, 3)
    said = RoomRun(tmp_path, generator, 1e-3, 1.0).gate.estimate(generator.told_by(audio).of_rooms)
    run = RoomRun(tmp_path, generator, 1e-3, 1.0, beside=4)
    run.fold()
    assert run.generator.config.room_hidden == CONFIG.room_hidden + 4
    torch.testing.assert_close(run.gate.estimate(generator.told_by(audio).of_rooms), said)
    run.step(in_rooms(beats(0.1, 4, 1), beats(1.2, 4, 2))._replace(of_tones=torch.ones(4, 1)))
    run.fold()
    assert_only_added(run.generator, before, "room_gate", CONFIG.room_hidden)
    assert run.gate.widen[CONFIG.room_hidden :].any()
    assert run.gate.narrow[:, CONFIG.room_hidden :].any()


def test_units_beside_are_held_to_what_was_said_of_recordings_and_learn_that_tones_are_in_no_room(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    """A gate that tells half a neper of everything; what is known of the recording, the first of two, says nothing."""
    assert generator.room_gate is not None
    generator.room_gate.narrow_bias.fill_(-0.5)
    run = RoomRun(tmp_path, generator, 1e-3, 1.0, beside=4)
    bands = generator.layout.bands
    told = torch.randn(2, bands * (KINDS + 1))
    notes = (told, -torch.ones(2, bands), torch.zeros(2, bands), torch.tensor([[0.0], [1.0]]))
    losses = run.losses(notes)
    assert float(losses["loss"].detach()) == pytest.approx(0.5 * 0.5**2)
    assert float(losses["added_db"].detach()) == pytest.approx(0.25 / NEPERS_PER_DB)


def test_steady_tones_are_in_no_room_which_is_known_of_silent_bands_too(
    generator: BandSplitGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    song = (3000 * random.standard_normal(96000)).astype(np.int16)
    material = Material(clean=[song], clean_cutoff_hz=[24000.0], rooms=[np.eye(1, 4800, dtype=np.float32)[0]])
    music = MusicInRooms(material, 4.0, Recipe.parse("noise any 0..30 @0.5"), seed=0)
    run = RoomRun(tmp_path, generator, 1e-3, 1.0)
    for share in (0.0, 1.0):
        monkeypatch.setattr("models.learn_room.TONES_SHARE", share)
        batch = collate_rooms([music.example(random) for _ in range(4)])
        assert torch.equal(batch.of_tones, torch.full((4, 1), share))
        assert not batch.reverberation.any()
        notes = run.noted(batch)
        assert float(notes.undoing.abs().max()) < 1e-6
        assert bool((notes.weights == 1.0).all()) == (share == 1.0)


@torch.no_grad()
def gate(generator: BandSplitGenerator, audio: Tensor) -> tuple[Tensor, Tensor]:
    """The gate [frames, clips] over the last second, and the room's share of each band then, [bands, frames, clips]."""
    observed, states = generator.observed(audio)
    heads, opening, _ = generator.by_long_term(observed, states.falls)
    assert opening is not None
    last = slice(-RATE // CONFIG.hop, -1)
    return opening.reshape(-1, len(audio))[last], heads["room"].unflatten(1, (-1, len(audio)))[:, last]


@torch.no_grad()
def adding(generator: BandSplitGenerator, room_db: float) -> BandSplitGenerator:
    """The generator, to which everything sounds as if a room had made it so much louder."""
    assert generator.room_gate is not None
    generator.room_gate.narrow_bias.fill_(-room_db * NEPERS_PER_DB)
    return generator


@torch.no_grad()
def test_what_is_taken_as_reverberation_is_what_the_gate_lets_through(generator: BandSplitGenerator) -> None:
    of_masks = generator.decoder.bias[..., mask_columns(generator)]
    of_masks[:] = torch.tensor([-20.0, 20.0])  # nothing is noise, all is reverberation
    audio = beats(0.3, 1, 5)
    wanted = [audio - generator(audio, torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([room])) for room in (0.0, 1.0)]
    assert not wanted[0].any()
    assert float(wanted[1].std() / audio.std()) > 0.5
    weak = adding(generator, WEAK_ROOM_DB - 0.1)(audio, torch.ones(1, 3))
    assert torch.equal(weak, audio)
    room_db = STRONG_ROOM_DB + 0.1
    taken = audio - adding(generator, room_db)(audio, torch.tensor([[1.0, 1.0, 0.0]]))
    both = LARGEST_MASK + (1.0 - LARGEST_MASK) * (1.0 - 10 ** (-room_db / 20))
    torch.testing.assert_close(taken[..., -RATE:], both / LARGEST_MASK * wanted[1][..., -RATE:])


@torch.no_grad()
def test_what_a_room_added_is_taken_once_it_is_certain(generator: BandSplitGenerator) -> None:
    generator.decoder.bias[..., mask_columns(generator)] = -20.0  # nothing is noise, nothing reverberation
    audio = beats(0.3, 1, 6)

    def louder_db(room_db: float, start: float, end: float, dereverb: float = 1.0) -> float:
        """Of what comes out, over some of its seconds."""
        within = slice(int(start * RATE), int(end * RATE))
        enhanced = adding(generator, room_db)(audio, torch.tensor([[1.0, dereverb, 1.0]]))
        return 20 * float(torch.log10(enhanced[..., within].std() / audio[..., within].std()))

    assert louder_db(WEAK_ROOM_DB, 0.0, 4.0) == 0.0
    assert louder_db(STRONG_ROOM_DB, 2.4, 4.0) == pytest.approx(-STRONG_ROOM_DB, abs=0.05)
    assert -4.0 < louder_db((WEAK_ROOM_DB + STRONG_ROOM_DB) / 2, 2.4, 4.0) < -1.0
    assert louder_db(STRONG_ROOM_DB, 2.4, 4.0, dereverb=0.0) == 0.0
    # So much less is certain in the first second as the long mean lacks.
    assert louder_db(WEAK_ROOM_DB + EARLY_DOUBT_DB / 2, 0.0, 0.4) == 0.0
    assert louder_db(WEAK_ROOM_DB + EARLY_DOUBT_DB / 2, 2.4, 4.0) < -0.5
    sure_db = STRONG_ROOM_DB + 2.0 * EARLY_DOUBT_DB
    assert louder_db(sure_db, 0.0, 4.0) == pytest.approx(-sure_db, abs=0.05)
    assert louder_db(90.0, 2.4, 4.0) == pytest.approx(-LARGEST_ADDED / NEPERS_PER_DB, abs=0.5)


@torch.no_grad()
def test_the_room_takes_its_share_of_what_masks_leave_of_a_bin(generator: BandSplitGenerator) -> None:
    bins = CONFIG.bins
    nothing = torch.zeros(1, 1, bins)
    masks = torch.cat([torch.full((1, 1, bins), 0.2), torch.zeros(1, 1, bins)])
    masks[1, :, bins // 2 :] = 0.7
    room = torch.full((1, 1, bins), 0.5)
    spectrum = torch.randn(2, 1, 1, bins)
    for dereverb, lower, upper in ((1.0, -0.2 - 0.4, -0.9 - 0.05), (0.5, -0.2 - 0.2, -0.2 - 0.375), (0.0, -0.2, -0.2)):
        change = generator.change(
            Gains(masks, nothing, nothing, nothing, room=room),
            spectrum,
            torch.tensor([1.0, dereverb, 1.0]).reshape(3, 1, 1),
        )
        gains = (change / spectrum)[0, 0, 0]
        torch.testing.assert_close(gains[: bins // 2], torch.full((bins // 2,), lower))
        torch.testing.assert_close(gains[bins // 2 :], torch.full((bins // 2,), upper))


def test_training_knows_where_there_is_a_room(generator: BandSplitGenerator) -> None:
    random = np.random.default_rng(0)
    room = (random.standard_normal(4800) * np.exp(-np.arange(4800) / 500)).astype(np.float32)
    music = (3000 * random.standard_normal(96000)).astype(np.int16)
    material = Material(clean=[music], clean_cutoff_hz=[24000.0], rooms=[room])
    examples = DegradedMusic(material, 1.0, Recipe.parse("room -4..4 @0.5"), seed=0)
    made = [examples.example(random) for _ in range(30)]
    batch = collate(made)
    assert batch.in_room is not None
    assert batch.in_room.tolist() == [float(parts[2].any()) for parts in made]
    assert 5 < batch.in_room.sum() < 25
    assert torch.equal(inputs(generator, batch)[2], batch.in_room)
    assert len(inputs(BandSplitGenerator(replace(CONFIG, room_hidden=0)), batch)) == 2
    assert len(inputs(generator, replace(batch, in_room=None))) == 2


def test_notes_say_how_much_louder_a_room_made_each_band_that_is_heard(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    run = RoomRun(tmp_path, generator, 1e-3, 1.0)
    music, reverberation = 0.1 * torch.randn(2, 1, 4 * RATE), 0.2 * torch.randn(2, 1, 4 * RATE)
    reverberation[0] = 0.0
    spectrum = torch.fft.rfft(music)
    spectrum[..., spectrum.shape[-1] // 2 :] *= 1e-4  # nothing above 12 kHz
    music = torch.fft.irfft(spectrum)
    notes = run.noted(in_rooms(music, reverberation))
    assert [len(part) for part in notes] == [2 * FRAMES_NOTED] * 4
    dry, wet = notes.undoing.unflatten(0, (2, FRAMES_NOTED))
    assert not dry.any()
    assert torch.equal(wet, wet[:1].expand_as(wet))
    torch.testing.assert_close(wet[0, :40], torch.full((40,), -0.5 * float(np.log(5.0))), atol=0.1, rtol=0.0)
    assert (wet[0, 40:] == -LARGEST_ADDED).all()
    assert notes.weights[:, :40].min() == 1.0
    assert not notes.weights[:, 42:].any()
    assert not torch.equal(notes.told[0], notes.told[FRAMES_NOTED - 1])


def test_a_generator_without_a_gate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no gate of rooms: wanted one of a room_hidden above 0"):
        RoomRun(tmp_path, BandSplitGenerator(replace(CONFIG, room_hidden=0)), 1e-3, 1.0)


def test_the_command_writes_the_weights_with_their_gate(generator: BandSplitGenerator, tmp_path: Path) -> None:
    learnt, facts, rows = taught(main, generator, tmp_path, seconds=3)
    assert facts["seed"] == 3
    assert facts["room"]["examples"] >= 2
    assert learnt.room_gate is not None
    assert learnt.room_gate.widen.any()
    assert tuple(rows[0]) == (*DONE_COLUMNS, *RoomRun.columns)
