"""The envelope of missing highs learns what copies lack, and nothing else learns."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.dataset import Batch
from models.data.material import Material
from models.generators.band_split import BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.features import NEPERS_PER_DB
from models.head_run import DONE_COLUMNS
from models.learn_envelope import HIDDEN, RECIPE, EnvelopeRun, main, music
from models.run_arguments import Lessons
from tests.support.generators import mask_columns
from tests.support.teaching import assert_only_learnt, taught

CONFIG = BandSplitConfig(window=1024, channels=6, blocks=1, copy_shifts=copy_shifts([4000.0], 48000, 1024))
CUTOFF_HZ = 6000.0
SECONDS = 3


@pytest.fixture
def generator() -> BandSplitGenerator:
    torch.manual_seed(0)
    return BandSplitGenerator(CONFIG).eval()


def low_passed(tilts_db: list[float], cutoff_hz: float = 24000.0) -> Batch:
    """Noise whose spectrum goes down by so many dB an octave from 500 Hz on, and ends at CUTOFF_HZ."""
    random = torch.Generator().manual_seed(1)
    hertz = torch.fft.rfftfreq(SECONDS * 48000, 1 / 48000)
    octaves = torch.log2(hertz.clamp_min(500.0) / 500.0)
    spectra = [
        torch.fft.rfft(torch.randn(SECONDS * 48000, generator=random)) * 10 ** (-tilt * octaves / 20)
        for tilt in tilts_db
    ]
    whole = torch.stack([torch.fft.irfft(spectrum) for spectrum in spectra]).unsqueeze(1)
    dull = torch.stack([torch.fft.irfft(spectrum * (hertz < CUTOFF_HZ)) for spectrum in spectra]).unsqueeze(1)
    level = 0.05 / whole.std(dim=-1, keepdim=True)
    limits = [torch.full((len(tilts_db),), hertz) for hertz in (CUTOFF_HZ, cutoff_hz)]
    return Batch(level * dull, level * whole, torch.zeros(len(tilts_db), 3), limits[0], limits[1])


def test_what_lacks_is_the_distance_to_the_truth_in_bands_above_the_passband(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    run = EnvelopeRun(tmp_path, generator, 1e-3, 1.0)
    notes = run.noted(low_passed([0.0, 6.0], cutoff_hz=12000.0))
    assert notes.levels.shape == notes.lacked.shape == notes.filled.shape == (2, 48)
    for clip in notes.filled:
        assert set(clip.tolist()) == {0.0, 1.0}
        bands = torch.nonzero(clip)[:, 0]
        assert float(run.lowest[bands].min()) > CUTOFF_HZ
        assert float(run.highest[bands].max()) < 12000.0
    # No copies: all that lies above the passband is silent, 86 dB below the level.
    generator.decoder.bias.data[..., : mask_columns(generator).start] = -20.0
    bare = EnvelopeRun(tmp_path, generator, 1e-3, 1.0).noted(low_passed([0.0]))
    lacked_db = bare.lacked[bare.filled > 0][1:] / NEPERS_PER_DB  # beside the passband a little leaks
    # A bin of noise has an RMS so much below its own, half of which is heard, and a mean logarithm 2.5 dB lower.
    window = generator.window
    bin_db = 20 * math.log10(2.0 * float(window.square().sum().sqrt() / window.sum())) - 2.5
    torch.testing.assert_close(lacked_db, torch.full_like(lacked_db, 86.0 + bin_db), atol=1.0, rtol=0)


def test_the_envelope_learns_and_nothing_else_does(generator: BandSplitGenerator, tmp_path: Path) -> None:
    """One batch over and over: dull and bright noise, whose copies lack unlike amounts, to within 2 dB."""
    batch = low_passed([0.0, 3.0, 6.0, 9.0])
    run = EnvelopeRun(tmp_path, generator, 1e-2, 1.0)
    made = run.generator
    assert made.config.envelope_hidden == HIDDEN
    before = {name: value.clone() for name, value in made.state_dict().items()}
    for step in range(30):
        run.minutes = step / 30
        figures = run.step(batch)
    assert figures["lacked_db"] > 5.0
    assert figures["left_db"] < 2.0
    assert_only_learnt(made, before, "envelope")
    assert run.examples == 30 * 4


def test_music_is_to_be_restored_wholly(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    room = np.concatenate([[4.0], 0.1 * random.standard_normal(4000)]).astype(np.float32)
    clip = (3000 * random.standard_normal(96000)).astype(np.int16)
    material = Material(clean=[clip], clean_cutoff_hz=[24000.0], rooms=[room])
    given = argparse.Namespace(seconds=1.0, batch=2, seed=1, workers=0)
    batch = next(iter(music(Lessons([], material, material, RECIPE, given, None), given)))
    assert torch.equal(batch.controls, torch.ones(2, 3))
    assert float(batch.passband_hz.max()) < 12000.0


def test_the_command_writes_the_weights_with_an_envelope(generator: BandSplitGenerator, tmp_path: Path) -> None:
    learnt, facts, rows = taught(main, generator, tmp_path, seconds=SECONDS)
    assert facts["seed"] == 3
    assert facts["envelope"]["examples"] >= 2
    assert learnt.envelope is not None
    assert learnt.envelope.narrow.any()
    assert tuple(rows[0]) == (*DONE_COLUMNS, *EnvelopeRun.columns)
    assert all(math.isfinite(float(row["loss"])) for row in rows)
