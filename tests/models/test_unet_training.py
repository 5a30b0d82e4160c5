"""The U-Net's windows, its losses, examples at its own rate, and a few seconds of training."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.batches import batches
from models.checkpoint import load_generator
from models.data.dataset import Batch
from models.data.material import Material
from models.generators.band_split import BandSplitConfig
from models.generators.unet import PAPER_CHANNELS, PAPER_FILTERS, UNet, UNetConfig, layer_sizes
from models.metrics import log_spectral_distance, si_sdr
from models.reconstruction import ReconstructionLoss, ReconstructionWeights, waveform_distance
from models.restoring import cut_windows, enhance_clips
from models.train import main
from models.trainer import Trainer, TrainingOptions

RATE = 10000
NARROW = UNetConfig(sample_rate=RATE, window=512, channels=(8, 12), filters=(17, 9), dropout=0.0)


@pytest.fixture
def batch() -> Batch:
    """Chords whose upper half is missing, as resampling leaves them."""
    time = torch.arange(4 * 512) / RATE
    low = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (300.0, 500.0)]).unsqueeze(1)
    high = torch.stack([torch.sin(2 * torch.pi * 9 * hertz * time) for hertz in (300.0, 500.0)]).unsqueeze(1)
    nyquist = torch.full((2,), RATE / 2)
    return Batch(0.2 * low, 0.2 * low + 0.1 * high, torch.ones(2, 3), nyquist / 2, nyquist)


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """Where a run of the command finds one recording, and what it makes of it."""
    random = np.random.default_rng(0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", 0.1 * random.standard_normal(96000), 48000)
    return ["--audio", str(tmp_path / "songs"), "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]


def test_sizes_are_the_papers_at_its_width() -> None:
    assert layer_sizes(4, 128) == (PAPER_CHANNELS, PAPER_FILTERS)
    assert layer_sizes(6, 16) == ((16, 32, 64, 64, 64, 64), (65, 33, 17, 9, 9, 9))
    with pytest.raises(ValueError, match="got 0 and 16, wanted at least 1 each"):
        layer_sizes(0, 16)


def test_windows_lie_side_by_side(batch: Batch) -> None:
    windows = cut_windows(batch, 500)
    assert windows.degraded.shape == windows.target.shape == (8, 1, 500)
    assert torch.equal(windows.target[5, 0], batch.target[1, 0, 500:1000])
    assert windows.controls.shape == (8, 3)
    assert windows.cutoff_hz.shape == windows.passband_hz.shape == (8,)
    with pytest.raises(ValueError, match="clips of 2048 samples hold no window of 4096"):
        cut_windows(batch, 4096)


def test_windows_are_judged_as_parts_of_their_clip() -> None:
    """A silent window among loud ones has an error that the clip hardly notices, not one that is infinitely large."""
    random = torch.Generator().manual_seed(2)
    target = 0.1 * torch.randn(2, 1, 4 * 4096, generator=random)
    target[:, :, 4096:8192] = 0.0
    enhanced = target + 1e-4 * torch.randn(target.shape, generator=random)
    nyquist = torch.full((2,), RATE / 2)
    clips = Batch(target, target, torch.ones(2, 3), nyquist, nyquist)
    windows = cut_windows(clips, 4096)
    assert windows.windows == 4
    for weights in (ReconstructionWeights("l2", 0.0), ReconstructionWeights("none", 1.0)):
        loss = ReconstructionLoss(RATE, weights)
        whole, _ = loss(enhanced, clips)
        joined, _ = loss(enhanced.reshape(-1, 1, 4096), windows)
        alone, _ = loss(enhanced.reshape(-1, 1, 4096), replace(windows, windows=1))
        assert float(joined) == pytest.approx(float(whole), rel=0.3)  # the whole clip has frames over the seams, too
        assert float(alone) > 100 * float(joined)


def test_distances_of_waveforms_by_hand_and_at_any_level() -> None:
    target = torch.tensor([[[3.0, -3.0, 3.0, -3.0]], [[0.3, -0.3, 0.3, -0.3]]])
    enhanced = 1.5 * target
    assert float(waveform_distance("l1", enhanced, target)) == pytest.approx(0.5)
    assert float(waveform_distance("l2", enhanced, target)) == pytest.approx(0.25)
    assert float(waveform_distance("l2", torch.full((1, 1, 4), 1e-3), torch.zeros(1, 1, 4))) == pytest.approx(1.0)


def test_the_reconstruction_loss_adds_its_parts(batch: Batch) -> None:
    both = ReconstructionLoss(RATE, ReconstructionWeights("l1", 0.5))
    waveform = ReconstructionLoss(RATE, ReconstructionWeights("l1", 0.0))
    spectral = ReconstructionLoss(RATE, ReconstructionWeights("none", 0.5))
    long = Batch(
        batch.degraded.repeat(1, 1, 3), batch.target.repeat(1, 1, 3), batch.controls, batch.passband_hz, batch.cutoff_hz
    )
    values = [loss(long.degraded, long) for loss in (both, waveform, spectral)]
    assert float(values[0][0]) == pytest.approx(float(values[1][0]) + float(values[2][0]))
    assert set(values[0][1]) == {"waveform", "magnitude", "bands_db", "ratio_db"}
    for weights, message in (
        (ReconstructionWeights("none", 0.0), "wanted at least one of them"),
        (ReconstructionWeights("l2", -1.0), "weights of 0 or more"),
        (ReconstructionWeights("l2", 0.0, -1.0), "weights of 0 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            ReconstructionLoss(RATE, weights)
    with pytest.raises(ValueError, match="windows of 256 samples hold no spectrum of 512"):
        ReconstructionLoss(RATE, ReconstructionWeights("l2", 1.0), longest=256)


def test_the_log_spectral_loss_is_the_distance_and_bears_silence() -> None:
    random = torch.Generator().manual_seed(0)
    target = 0.1 * torch.randn(2, 1, 2048, generator=random)
    target[1] = 0.0
    nyquist = torch.full((2,), RATE / 2)
    batch = Batch(target, target, torch.ones(2, 3), nyquist, nyquist)
    loss = ReconstructionLoss(RATE, ReconstructionWeights("none", 0.0, 0.5))
    enhanced = (target / 10).requires_grad_()
    value, parts = loss(enhanced, batch)
    value.backward()
    wanted = float(log_spectral_distance(target / 10, target).mean())
    assert float(parts["lsd"]) == pytest.approx(wanted, abs=1e-3)
    assert float(value.detach()) == pytest.approx(0.5 * wanted, abs=1e-3)
    assert enhanced.grad is not None
    assert torch.isfinite(enhanced.grad).all()
    assert bool(enhanced.grad[0].any())
    with pytest.raises(ValueError, match="windows of 512 samples hold no frame of 1024"):
        ReconstructionLoss(RATE, ReconstructionWeights("l2", 0.0, 1.0), longest=512)


def test_the_log_spectral_distance_by_hand() -> None:
    noise = torch.randn(2, 4096, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_spectral_distance(noise / 10, noise), torch.full((2,), 2.0), atol=1e-3, rtol=0)
    assert torch.equal(log_spectral_distance(noise, noise), torch.zeros(2))


def test_examples_come_at_the_generators_rate_with_nothing_above_what_resampling_leaves() -> None:
    random = np.random.default_rng(0)
    material = Material(clean=[(3000 * random.standard_normal(96000)).astype(np.int16)], clean_cutoff_hz=[24000.0])
    made = next(batches(material, "resample 5000", 1.0, 2, seed=1, restored_at=RATE))
    assert made.degraded.shape == made.target.shape == (2, 1, RATE)
    assert torch.equal(made.controls, torch.ones(2, 3))
    spectra = [torch.fft.rfft(x * torch.hann_window(RATE)).abs().square() for x in (made.degraded, made.target)]
    above = [float(spectrum[..., 2600:].sum() / spectrum.sum()) for spectrum in spectra]
    assert above[0] < 1e-4
    assert above[1] > 0.2
    below = [spectrum[..., 100:2200].sum() for spectrum in spectra]
    torch.testing.assert_close(below[0], below[1], rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    "weights", [ReconstructionWeights("l1", 0.0), ReconstructionWeights("l2", 0.0), ReconstructionWeights("l2", 0.01)]
)
def test_a_u_net_learns_a_tiny_batch_by_heart(tmp_path: Path, batch: Batch, weights: ReconstructionWeights) -> None:
    torch.manual_seed(0)
    options = TrainingOptions(minutes=1, learning_rate=1e-2, reconstruction=weights)
    trainer = Trainer(tmp_path, UNet(NARROW), options)
    trainer.minutes = 0.1  # past the warm-up
    rows = [trainer.step(batch) for _ in range(100)]
    enhanced = enhance_clips(trainer.generator.eval(), batch).detach()
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["waveform"] < 0.6 * rows[0]["waveform"]
    assert float(si_sdr(enhanced, batch.target).mean()) > float(si_sdr(batch.degraded, batch.target).mean()) + 2


def test_a_u_net_is_trained_by_the_same_command(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--sample-rate", str(RATE), "--window", "512", "--depth", "2", "--width", "4", "--dropout", "0.1"]
    rest = ["--batch", "1", "--seconds", "0.5", "--rooms", "0", "--workers", "0", "--degradations", "resample 5000"]
    main([*places, *sizes, *rest, "--generator", "unet", "--minutes", "0.01"])
    generator, facts = load_generator(tmp_path / "run" / "generator.safetensors")
    assert generator.config == UNetConfig(RATE, 512, (4, 8), (65, 33), dropout=0.1)
    assert facts["options"]["reconstruction"] == {"waveform": "l2", "spectral": 0.0, "log_spectral": 0.0}
    with open(tmp_path / "run" / "curve.csv", newline="") as lines:
        row = list(csv.DictReader(lines))[-1]
    assert float(row["valid_input_lsd"]) > 1
    assert float(row["waveform"]) > 0
    assert row["bands_db"] == ""
    with pytest.raises(SystemExit):
        main([*places, "--minutes", "1", "--depth", "4"])
    assert "--depth is no option of --generator band_split" in capsys.readouterr().err


def test_the_streaming_generator_learns_the_studys_task_at_its_rate(tmp_path: Path, places: list[str]) -> None:
    sizes = ["--sample-rate", str(RATE), "--window", "1024", "--blocks", "1", "--channels", "4", "--copy-hertz", "2500"]
    rest = ["--batch", "1", "--seconds", "1", "--rooms", "0", "--workers", "0", "--degradations", "resample 5000"]
    main([*places, *sizes, *rest, "--minutes", "0.01"])
    generator, _ = load_generator(tmp_path / "run" / "generator.safetensors")
    assert generator.config == BandSplitConfig(RATE, 1024, channels=4, blocks=1, copy_shifts=(256,))
    with open(tmp_path / "run" / "curve.csv", newline="") as lines:
        row = list(csv.DictReader(lines))[-1]
    assert 0 < float(row["valid_lsd"]) < float(row["valid_input_lsd"])
