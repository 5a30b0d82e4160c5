"""The autoencoder trained on identity, and the feature loss at its bottleneck."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.autoencoder import Autoencoder, BottleneckLoss, load_autoencoder
from models.checkpoint import load_generator
from models.data.dataset import Batch
from models.generators.unet import UNet, UNetConfig
from models.learn_identity import AUTOENCODER_NAME, IdentityRun
from models.learn_identity import main as learn_identity
from models.reconstruction import ReconstructionWeights
from models.train import main as train
from models.trainer import Trainer, TrainingOptions

NARROW = UNetConfig(sample_rate=10000, window=512, channels=(4, 6), filters=(9, 5), dropout=0.0)


def noisy() -> Batch:
    random = torch.Generator().manual_seed(0)
    target = 0.2 * torch.sin(torch.arange(1030) / 20).repeat(2, 1, 1)
    nyquist = torch.full((2,), 5000.0)
    return Batch(target + 0.1 * torch.randn(target.shape, generator=random), target, torch.ones(2, 3), nyquist, nyquist)


def test_all_that_comes_out_went_through_the_bottleneck() -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(NARROW)
    audio = torch.randn(2, 1, 64)
    assert autoencoder.encode(audio).shape == (2, 6, 8)
    assert autoencoder(audio).shape == audio.shape
    with torch.no_grad():
        for parameter in autoencoder.bottleneck.parameters():
            parameter.zero_()
    assert torch.equal(autoencoder(audio), autoencoder(2 * audio))


def test_it_learns_the_identity_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def run() -> IdentityRun:
        torch.manual_seed(0)
        return IdentityRun(tmp_path, Autoencoder(NARROW), 1e-2, planned=1)

    first = run()
    first.minutes = 0.1
    rows = [first.step(noisy()) for _ in range(60)]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    first.checkpoint(rows)
    again = run()
    assert again.resume()
    assert (again.minutes, again.examples, again.audio_hours) == (0.1, 120, first.audio_hours)
    assert first.step(noisy()) == again.step(noisy())
    loaded = load_autoencoder(tmp_path / AUTOENCODER_NAME)
    assert loaded.config == NARROW
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    other = IdentityRun(tmp_path, Autoencoder(replace(NARROW, channels=(4, 4))), 1e-2, planned=1)
    with pytest.raises(ValueError, match=r"holds an autoencoder of .*channels=\(4, 6\).*, wanted .*channels=\(4, 4\)"):
        other.resume()


def test_the_feature_loss_is_the_relative_distance_of_bottlenecks() -> None:
    torch.manual_seed(0)
    batch, autoencoder = noisy(), Autoencoder(NARROW).requires_grad_(False)
    loss = BottleneckLoss(autoencoder, 10000, 0.5)
    assert float(loss(batch.target, batch)[0]) == 0.0
    ours, wanted = autoencoder.encode(batch.degraded), autoencoder.encode(batch.target)
    distance = float((ours - wanted).square().sum() / wanted.square().sum())
    value, parts = loss(batch.degraded, batch)
    assert float(value) == pytest.approx(0.5 * distance, rel=1e-4)
    assert float(parts["bottleneck"]) == pytest.approx(distance, rel=1e-4)
    estimate = batch.degraded.clone().requires_grad_()
    loss(estimate, batch)[0].backward()
    assert estimate.grad is not None
    assert bool(estimate.grad.any())
    with pytest.raises(ValueError, match="learnt audio at 10000 Hz, wanted 48000 Hz"):
        BottleneckLoss(autoencoder, 48000, 1.0)
    with pytest.raises(ValueError, match="got a weight of 0, wanted more than 0"):
        BottleneckLoss(autoencoder, 10000, 0)


def test_weights_without_an_autoencoder_are_refused(tmp_path: Path) -> None:
    options = TrainingOptions(minutes=1, reconstruction=ReconstructionWeights("l2", 0.0))
    Trainer(tmp_path, UNet(NARROW), options).save({})
    with pytest.raises(ValueError, match=r'holds no autoencoder but \{"generator": "unet"\}; wanted one'):
        load_autoencoder(tmp_path / "generator.safetensors")


def test_a_generator_is_trained_with_the_feature_loss_by_one_command_each(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", 0.1 * random.standard_normal(96000), 48000)
    common = ["--audio", str(tmp_path / "songs"), "--cache", str(tmp_path / "cache"), "--batch", "1"]
    common += ["--seconds", "0.5", "--rooms", "0", "--workers", "0", "--minutes", "0.01"]
    common += ["--sample-rate", "10000", "--depth", "2", "--width", "4"]
    learn_identity([*common, "--out", str(tmp_path / "identity")])
    features = ["--autoencoder", str(tmp_path / "identity" / AUTOENCODER_NAME), "--autoencoder-weight", "0.1"]
    unet = ["--generator", "unet", "--window", "512", "--degradations", "resample 5000"]
    train([*common, *unet, *features, "--out", str(tmp_path / "run")])
    _, facts = load_generator(tmp_path / "run" / "generator.safetensors")
    assert facts["autoencoder_features"]
    header, row = (line.split(",") for line in (tmp_path / "run" / "curve.csv").read_text().splitlines()[:2])
    assert float(row[header.index("bottleneck")]) > 0
