"""Losses, figures, checkpoints, and a few seconds of training."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.checkpoint import load_band_split, load_generator, read_tensors, save_generator, write_tensors
from models.curve import CURVE_COLUMNS, append_row
from models.data.dataset import Batch
from models.generators.band_split import COPY_HERTZ, BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.unet import UNet, UNetConfig
from models.losses import (
    ADDED_WEIGHT,
    EAR_RANGE_HZ,
    EAR_RESOLUTION,
    HEARINGS,
    EnhancementLoss,
    ear_bands,
    missing_weights,
)
from models.metrics import si_sdr
from models.schedule import learning_rate_at
from models.train import initial_generator, main
from models.trainer import Trainer, TrainingOptions

SMALL = BandSplitConfig(channels=8, blocks=1, band_hidden=8, channel_hidden=8)
SECOND = 48000


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def noisy_batch(seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(SECOND) / SECOND
    target = (0.2 * torch.sin(2 * torch.pi * 440 * time)).repeat(2, 1, 1)
    degraded = target + 0.05 * torch.randn(target.shape, generator=random)
    return Batch(degraded, target, torch.ones(2, 3), torch.full((2,), 24000.0), torch.full((2,), 24000.0))


def test_the_loss_orders_estimates_as_the_ear_would() -> None:
    loss, batch = EnhancementLoss(SECOND), noisy_batch()
    noise = batch.degraded - batch.target
    values = [float(loss(batch.target + share * noise, batch)[0]) for share in (0.0, 0.1, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[0] < 0.1 < values[1]


def test_the_bands_of_the_ear_share_out_every_bin_and_widen_upwards() -> None:
    hertz = torch.linspace(0, SECOND / 2, 1025)
    bands = ear_bands(hertz)
    heard = (hertz > EAR_RANGE_HZ[0]) & (hertz < EAR_RANGE_HZ[1])
    torch.testing.assert_close(bands.sum(dim=0)[heard], torch.ones(int(heard.sum())))
    widths = (bands > 0).sum(dim=1)[:-1]
    assert (widths[1:] >= widths[:-1] - 1).all()
    assert int(widths[-1]) > 20 * int(widths[0])


def test_the_level_distance_is_in_decibels_and_worse_for_what_is_missing() -> None:
    loss, batch = EnhancementLoss(SECOND), noisy_batch()
    every_band = replace(batch, target=0.1 * torch.randn(batch.target.shape))
    every_band = replace(every_band, degraded=2 * every_band.target)  # as noise would lift it
    quieter, louder = (loss(10 ** (decibels / 20) * every_band.target, every_band)[1] for decibels in (-3, 3))
    assert float(louder["bands_db"]) == pytest.approx(3.0, abs=0.05)
    untouched = replace(every_band, degraded=every_band.target)
    added = loss(10 ** (3 / 20) * every_band.target, untouched)[1]
    assert float(added["bands_db"]) == pytest.approx(3.0 * ADDED_WEIGHT, abs=0.1)
    hertz = torch.linspace(0, SECOND / 2, EAR_RESOLUTION // 2 + 1)
    bands = ear_bands(hertz)
    fear = float(missing_weights((bands @ hertz) / bands.sum(dim=1)).mean())
    feared = sum(hearing.fear for hearing in HEARINGS) / len(HEARINGS)
    assert 0 < feared < 1
    assert float(quieter["bands_db"]) == pytest.approx(3.0 * (feared * fear + 1.0 - feared), abs=0.1)
    dull = replace(every_band, passband_hz=torch.zeros(2))  # nothing was recorded, all of it is guessed
    guessed_quieter = loss(10 ** (-3 / 20) * every_band.target, dull)[1]
    assert float(guessed_quieter["bands_db"]) == pytest.approx(3.0, abs=0.05)


def test_a_level_is_heard_as_far_down_as_the_deepest_hearing_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, batch = EnhancementLoss(SECOND), noisy_batch()
    noise = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(1)) * batch.target.std()
    heard = [float(loss(batch.target + 10 ** (down / 20) * noise, batch)[1]["bands_db"]) for down in (-120, -80, -40)]
    assert heard[0] < 0.05
    assert heard[0] + 0.2 < heard[1] < heard[2] - 2.0
    monkeypatch.setattr("models.losses.HEARINGS", HEARINGS[:1])  # what is masked is not heard beside louder bands
    assert float(loss(batch.target + 10 ** (-80 / 20) * noise, batch)[1]["bands_db"]) < 0.05


def test_missing_highs_are_feared_most() -> None:
    weights = missing_weights(torch.tensor([100.0, 4000.0, 6000.0, 8000.0, 16000.0]))
    assert weights.tolist() == pytest.approx([2.0, 2.0, 2.5, 3.0, 3.0])


def test_the_loss_hears_nothing_above_the_cutoff() -> None:
    loss, batch = EnhancementLoss(SECOND), noisy_batch()
    whistle = 0.1 * torch.sin(2 * torch.pi * 18000 * torch.arange(SECOND) / SECOND)
    target = batch.degraded  # noise in every band covers the side lobes of the windows
    full = Batch(target, target, batch.controls, batch.passband_hz, batch.cutoff_hz)
    cut = Batch(target, target, batch.controls, torch.full((2,), 12000.0), torch.full((2,), 12000.0))
    perfect, unheard, heard = (
        float(loss(estimate, limits)[0])
        for estimate, limits in ((target, cut), (target + whistle, cut), (target + whistle, full))
    )
    assert abs(unheard - perfect) < 0.01
    assert heard > perfect + 0.5


def test_the_loss_of_silence_is_finite_and_so_are_its_gradients() -> None:
    silence = torch.zeros(1, 1, SECOND)
    batch = Batch(silence, silence, torch.ones(1, 3), torch.tensor([24000.0]), torch.tensor([24000.0]))
    estimate = silence.clone().requires_grad_()
    value, _ = EnhancementLoss(SECOND)(estimate, batch)
    value.backward()
    assert torch.isfinite(value)
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()


def test_si_sdr_of_a_known_mixture() -> None:
    time = torch.arange(SECOND) / SECOND
    reference, other = torch.sin(2 * torch.pi * 100 * time), torch.sin(2 * torch.pi * 300 * time)
    assert float(si_sdr(3 * (reference + 0.1 * other) + 5, reference)) == pytest.approx(20.0, abs=0.01)


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate_at(progress, 1.0) for progress in (0.0, 0.01, 0.02, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] > 0
    assert rates[2] == pytest.approx(1.0, abs=1e-3)


def test_a_tiny_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trainer = Trainer(tmp_path, BandSplitGenerator(SMALL), TrainingOptions(minutes=1, learning_rate=1e-2))
    trainer.minutes = 0.1  # past the warm-up
    batch = noisy_batch()
    before = float(si_sdr(batch.degraded, batch.target).mean())
    losses = [trainer.step(batch)["loss"] for _ in range(25)]
    enhanced = trainer.generator(batch.degraded, batch.controls).detach()
    assert losses[-1] < 0.8 * losses[0]
    assert float(si_sdr(enhanced, batch.target).mean()) > before + 2


def test_weights_and_facts_come_back(tmp_path: Path) -> None:
    generator = BandSplitGenerator(SMALL)
    save_generator(tmp_path / "w.safetensors", generator, generator.state_dict(), {"seed": 3})
    loaded, facts = load_band_split(tmp_path / "w.safetensors")
    assert facts == {"seed": 3}
    assert loaded.config == SMALL
    for name, value in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_run_may_begin_with_trained_weights(tmp_path: Path) -> None:
    trained = BandSplitGenerator(SMALL)
    save_generator(tmp_path / "w.safetensors", trained, trained.state_dict(), {})
    begun = initial_generator(SMALL, tmp_path / "w.safetensors")
    assert begun.training
    assert same_weights(begun, trained)
    assert not same_weights(initial_generator(SMALL, None), trained)
    with pytest.raises(ValueError, match=r"a generator of .*channels=8.*, wanted .*channels=32"):
        initial_generator(BandSplitConfig(), tmp_path / "w.safetensors")
    longer = replace(SMALL, window=4096, copy_shifts=copy_shifts(COPY_HERTZ, SMALL.sample_rate, 4096))
    assert initial_generator(longer, tmp_path / "w.safetensors").config == longer


def test_a_run_of_weights_in_the_first_layout_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its optimizer's moments belong to other matrices."""
    trainer = Trainer(tmp_path, BandSplitGenerator(SMALL), TrainingOptions(minutes=1))
    trainer.save({})
    path = tmp_path / "training.safetensors"
    tensors, metadata = read_tensors(path)
    del metadata["layout"]
    write_tensors(path, tensors, metadata)
    with pytest.raises(ValueError, match=r"weights in layout 1, wanted 6: .* with --initial-weights .*generator\.safe"):
        trainer.resume()


def test_a_u_net_comes_back_where_either_kind_will_do(tmp_path: Path) -> None:
    path = tmp_path / "unet.safetensors"
    config = UNetConfig(sample_rate=10000, window=64, channels=(4, 6), filters=(5, 3), dropout=0.1)
    generator = UNet(config)
    save_generator(path, generator, generator.state_dict(), {"minutes": 2})
    loaded, facts = load_generator(path)
    assert isinstance(loaded, UNet)
    assert (loaded.config, loaded.training, facts) == (config, False, {"minutes": 2})
    assert same_weights(loaded, generator)
    with pytest.raises(ValueError, match="holds a generator of kind 'unet', wanted 'band_split'"):
        load_band_split(path)
    write_tensors(path, {}, {"generator": "diffusion"})
    with pytest.raises(ValueError, match="of kind 'diffusion', wanted one of band_split, unet"):
        load_generator(path)


def test_a_curve_keeps_the_columns_it_began_with(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("loss,minutes\n")
    append_row(tmp_path / "old.csv", {"minutes": 1.5, "loss": 0.25, "waveform": 3.0})
    assert (tmp_path / "old.csv").read_text().split() == ["loss,minutes", "0.25,1.5"]
    append_row(tmp_path / "new.csv", {"minutes": 1.5})
    with open(tmp_path / "new.csv", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert row["minutes"] == "1.5"
    assert row["loss"] == ""


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no weights at .*; wanted a .safetensors file"):
        load_band_split(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not a tensor")
    with pytest.raises(ValueError, match="no readable safetensors file"):
        load_band_split(tmp_path / "text.safetensors")


def test_a_run_stops_in_time_and_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", 0.1 * random.standard_normal(2 * SECOND), SECOND)
    common = [
        "--audio",
        str(tmp_path / "songs"),
        "--out",
        str(tmp_path / "run"),
        "--cache",
        str(tmp_path / "cache"),
        "--batch",
        "1",
        "--seconds",
        "0.5",
        "--rooms",
        "1",
        "--workers",
        "0",
        "--channels",
        "8",
        "--blocks",
        "1",
    ]
    main([*common, "--minutes", "0.02"])
    first = read_tensors(tmp_path / "run" / "training.safetensors")[1]["progress"]
    minutes = json.loads(first)["minutes"] + 0.02  # on a busy machine a single step may take longer
    main([*common, "--minutes", str(minutes)])
    second = read_tensors(tmp_path / "run" / "training.safetensors")[1]["progress"]
    assert "resumed" in capsys.readouterr().out
    assert first != second
    with open(tmp_path / "run" / "curve.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == CURVE_COLUMNS
    reached = [float(row["minutes"]) for row in rows]
    examples = [int(float(row["examples"])) for row in rows]
    assert reached == sorted(reached)
    assert examples == sorted(set(examples))
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    generator, facts = load_band_split(tmp_path / "run" / "generator.safetensors")
    assert generator.config.channels == 8
    assert facts["recordings"] == 1
    with pytest.raises(ValueError, match="belongs to a generator of configuration"):
        main([*common[:-1], "2", "--minutes", "1"])
