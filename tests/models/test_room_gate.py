"""Whether there is a room is told by how fast sound falls; what is taken then is learnt where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.data.dataset import NOTHING_DB, Batch, DegradedMusic, collate
from models.data.material import Material
from models.data.recipes import Recipe
from models.generators.band_split import BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.room_gate import KINDS, ROOM_CERTAIN, ROOM_DEAD_ZONE
from models.head_run import DONE_COLUMNS
from models.learn_room import NOISY_DB, STRONG_DB, STRONG_UNDER_NOISE_DB, RoomRun, main
from models.restoring import inputs
from tests.support.teaching import assert_only_learnt, taught

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


def told(audio: Tensor, reverberation_db: float, noise_db: float = NOTHING_DB) -> Batch:
    nyquist, noise, louder = (torch.full((len(audio),), value) for value in (24000.0, noise_db, reverberation_db))
    return Batch(audio, audio, torch.ones(len(audio), 3), nyquist, nyquist, noise_db=noise, reverberation_db=louder)


def joined(first: Batch, second: Batch) -> Batch:
    assert first.noise_db is not None
    assert first.reverberation_db is not None
    assert second.noise_db is not None
    assert second.reverberation_db is not None
    return replace(
        first,
        degraded=torch.cat([first.degraded, second.degraded]),
        noise_db=torch.cat([first.noise_db, second.noise_db]),
        reverberation_db=torch.cat([first.reverberation_db, second.reverberation_db]),
    )


def test_slow_decays_fall_less_and_steep_falls_vanish_first(generator: BandSplitGenerator, tmp_path: Path) -> None:
    run = RoomRun(tmp_path, generator, 1e-3, 1.0)
    dry, wet = (run.falls(beats(seconds, 2, 1)).mean(dim=(1, 2)).unflatten(0, (-1, KINDS)) for seconds in (0.1, 1.2))
    slower = (wet / dry)[20:].mean(dim=0)
    assert slower[0] < 0.9
    assert slower[1] < slower[0]
    assert slower[2] < slower[1]


def test_the_gate_learns_and_nothing_else_does(generator: BandSplitGenerator, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    run = RoomRun(tmp_path, generator, 1e-2, 1.0)
    batch = joined(told(beats(0.1, 3, 1), NOTHING_DB), told(beats(1.2, 3, 2), STRONG_DB + 1.0))
    for step in range(120):
        run.minutes = step / 120
        run.step(batch)
    run.checkpoint([{"loss": 0.0, "told": 0.0, "learning_rate": 0.0}], {})
    assert_only_learnt(generator, before, "room_gate")
    assert gate(generator, beats(1.2, 2, 3)).min() == 1.0
    assert gate(generator, beats(0.1, 2, 4)).max() == 0.0


@torch.no_grad()
def gate(generator: BandSplitGenerator, audio: Tensor) -> Tensor:
    """The gate [frames, clips] over the last second."""
    observed, states = generator.observed(audio)
    opening, _ = generator.room(observed, states.room)
    assert opening is not None
    return opening.reshape(-1, len(audio))[-RATE // CONFIG.hop : -1]


@torch.no_grad()
def test_what_is_taken_as_reverberation_is_what_the_gate_lets_through(generator: BandSplitGenerator) -> None:
    assert generator.room_gate is not None
    generator.decoder.bias[0], generator.decoder.bias[1] = -20.0, 20.0  # nothing is noise, all is reverberation
    audio = beats(0.3, 1, 5)
    taken = [audio - generator(audio, torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([room])) for room in (0.0, 1.0)]
    assert not taken[0].any()
    assert float(taken[1].std() / audio.std()) > 0.5
    for share, wanted in ((ROOM_DEAD_ZONE - 0.01, 0), (ROOM_CERTAIN + 0.01, 1)):
        generator.room_gate.narrow_bias.fill_(float(torch.logit(torch.tensor(share))))
        found = audio - generator(audio, torch.tensor([[1.0, 1.0, 0.0]]))
        assert torch.equal(found[..., -RATE:], taken[wanted][..., -RATE:])
        assert not found[..., :RATE].any()  # as yet there is nothing to go by


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
    assert batch.reverberation_db is not None
    for louder_db, (clean, _, reverberation, missing, *_) in zip(batch.reverberation_db.tolist(), made, strict=True):
        if reverberation.any():
            wanted = 20 * np.log10(float(reverberation.std()) / float((clean - missing).std()))
            assert louder_db == pytest.approx(wanted, abs=0.05)
        else:
            assert louder_db == NOTHING_DB
    assert torch.equal(inputs(generator, batch)[2], batch.in_room)
    assert len(inputs(BandSplitGenerator(replace(CONFIG, room_hidden=0)), batch)) == 2
    assert len(inputs(generator, replace(batch, reverberation_db=None))) == 2


def test_a_room_louder_than_the_music_is_strong_and_under_noise_sooner(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    run = RoomRun(tmp_path, generator, 1e-3, 1.0)
    noted = [
        run.noted(told(beats(1.0, 1, 1), louder, noise))
        for louder, noise in (
            (STRONG_DB - 1.0, NOISY_DB - 1.0),
            (STRONG_DB + 1.0, NOISY_DB - 1.0),
            (STRONG_UNDER_NOISE_DB - 1.0, NOISY_DB + 1.0),
            (STRONG_UNDER_NOISE_DB + 1.0, NOISY_DB + 1.0),
        )
    ]
    assert [set(notes.strong.tolist()) for notes in noted] == [{0.0}, {1.0}, {0.0}, {1.0}]
    assert torch.equal(noted[0].falls, noted[1].falls)
    assert not torch.equal(noted[0].falls[0], noted[0].falls[-1])
    with pytest.raises(ValueError, match="nobody knows whether they were recorded in a room"):
        run.noted(replace(told(beats(1.0, 1, 1), 0.0), reverberation_db=None))


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
