"""A generator and its discriminator in one run."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.adversarial import AdversarialWeights
from models.checkpoint import Generator
from models.data.dataset import Batch
from models.discriminators.stored import (
    DiscriminatorConfig,
    DiscriminatorKind,
    discriminator_for,
    load_discriminator,
    new_discriminator,
)
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig
from models.opponent import DISCRIMINATOR_NAME, Opponent, excerpt
from models.reconstruction import ReconstructionWeights
from models.train import main, new_generator
from models.trainer import Trainer, TrainingOptions

NARROW = UNetConfig(sample_rate=48000, window=1024, channels=(4, 6), filters=(9, 5), dropout=0.0)
STREAMING = BandSplitConfig(channels=8, blocks=1, time_hidden=8, band_hidden=8, channel_hidden=8)
PLAYING = AdversarialWeights(adversarial=0.1, features=0.5, alone_share=0.5, learning_rate=1e-2)


def noisy() -> Batch:
    random = torch.Generator().manual_seed(0)
    target = 0.2 * torch.sin(torch.arange(4096) / 20).repeat(2, 1, 1)
    nyquist = torch.full((2,), 24000.0)
    return Batch(target + 0.1 * torch.randn(target.shape, generator=random), target, torch.ones(2, 3), nyquist, nyquist)


def trainer_of(
    out: Path, generator: Generator, kind: DiscriminatorKind, conditional: bool, weights: AdversarialWeights = PLAYING
) -> Trainer:
    reconstruction = ReconstructionWeights("l2", 0.0) if isinstance(generator, UNet) else ReconstructionWeights()
    options = TrainingOptions(minutes=1, learning_rate=1e-3, reconstruction=reconstruction, adversarial=weights)
    opponent = Opponent(discriminator_for(generator, kind, conditional), weights)
    trainer = Trainer(out, generator, options, opponent)
    trainer.minutes = 0.6
    return trainer


def weights_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("generator_config", "kind", "conditional"),
    [
        (NARROW, "first_half", False),
        (NARROW, "first_half", True),
        (NARROW, "multi_resolution", True),
        (STREAMING, "first_half", False),
        (STREAMING, "multi_resolution", False),
    ],
)
def test_the_discriminator_learns_once_it_has_joined(
    tmp_path: Path, generator_config: UNetConfig | BandSplitConfig, kind: DiscriminatorKind, conditional: bool
) -> None:
    torch.manual_seed(0)
    generator = new_generator(generator_config)
    rate, steps = (1e-2, 20) if kind == "first_half" else (3e-3, 8)
    trainer = trainer_of(tmp_path, generator, kind, conditional, replace(PLAYING, learning_rate=rate))
    assert trainer.opponent is not None
    before = weights_of(trainer.opponent.discriminator)
    trainer.minutes = 0.4
    assert "discriminator" not in trainer.step(noisy())
    assert same(before, weights_of(trainer.opponent.discriminator))
    trainer.minutes = 0.6
    rows = [trainer.step(noisy()) for _ in range(steps)]
    assert rows[-1]["discriminator"] < 0.9 * rows[0]["discriminator"]
    assert all(math.isfinite(row["adversarial"] + row["features"]) for row in rows)
    assert rows[0]["loss"] > rows[0]["adversarial"] * PLAYING.adversarial


def test_each_side_moves_by_its_own_loss_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    batch, generator = noisy(), UNet(NARROW)
    opponent = Opponent(discriminator_for(generator, "first_half", False), PLAYING)
    enhanced = generator(batch.degraded)
    loss, _ = opponent(enhanced, batch)
    loss.backward()
    assert all(parameter.grad is None for parameter in opponent.discriminator.parameters())
    gradients = [parameter.grad for parameter in generator.parameters() if parameter.grad is not None]
    assert any(bool(gradient.any()) for gradient in gradients)
    held, kept = weights_of(generator), [gradient.clone() for gradient in gradients]
    before = weights_of(opponent.discriminator)
    opponent.learn(enhanced, batch)
    assert same(held, weights_of(generator))
    assert same(kept, gradients)
    assert not same(before, weights_of(opponent.discriminator))


def test_a_discriminator_pulls_the_generator_where_nothing_else_does(tmp_path: Path) -> None:
    """What it adds to the loss really reaches the generator: without a weight it changes nothing."""
    moved = []
    for weights in (PLAYING, replace(PLAYING, adversarial=0.0, features=0.0), None):
        torch.manual_seed(0)
        generator = UNet(NARROW)
        trainer = trainer_of(tmp_path, generator, "first_half", False, weights or PLAYING)
        if weights is None:
            trainer.opponent = None
        trainer.step(noisy())
        moved.append(weights_of(generator))
    assert same(moved[1], moved[2])
    assert not same(moved[0], moved[1])


def test_excerpts_are_of_one_place_and_only_they_are_judged() -> None:
    torch.manual_seed(0)
    batch = noisy()
    enhanced = batch.target.clone().requires_grad_()
    part, judged = excerpt(enhanced, batch, 1000)
    assert part.shape == judged.target.shape == judged.degraded.shape == (2, 1, 1000)
    assert torch.equal(part, judged.target)
    assert not torch.equal(judged.target, batch.target[..., :1000])
    noise = batch.degraded - batch.target
    assert torch.allclose(judged.degraded - judged.target, noise.unfold(-1, 1000, 1)[:, :, _start_of(part, batch)])
    assert excerpt(enhanced, batch, 5000) == excerpt(enhanced, batch, None) == (enhanced, batch)
    weights = replace(PLAYING, judged_samples=1000, features=0.0)
    opponent = Opponent(discriminator_for(UNet(NARROW), "first_half", False), weights)
    opponent(enhanced, batch)[0].backward()
    assert enhanced.grad is not None
    assert 0 < int((enhanced.grad != 0).any(dim=(0, 1)).sum()) <= 1000
    assert float(opponent.learn(enhanced.detach(), batch)["discriminator"]) > 0


def _start_of(part: torch.Tensor, batch: Batch) -> int:
    windows = batch.target[0, 0].unfold(-1, part.shape[-1], 1)
    return int((windows == part[0, 0]).all(dim=-1).nonzero()[0])


def test_going_on_from_disk_is_going_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = trainer_of(tmp_path, UNet(NARROW), "multi_resolution", True)
    for _ in range(2):
        first.step(noisy())
    first.save({})
    again = trainer_of(tmp_path, UNet(NARROW), "multi_resolution", True)
    assert again.resume()
    assert first.opponent is not None
    assert again.opponent is not None
    assert first.step(noisy()) == again.step(noisy())
    assert same(weights_of(first.generator), weights_of(again.generator))
    assert same(weights_of(first.opponent.discriminator), weights_of(again.opponent.discriminator))
    loaded, config, facts = load_discriminator(tmp_path / DISCRIMINATOR_NAME)
    assert config == DiscriminatorConfig("multi_resolution", True, resolutions=(512, 1024))
    assert facts["options"]["adversarial"]["adversarial"] == PLAYING.adversarial
    assert loaded.conditional
    other = trainer_of(tmp_path, UNet(NARROW), "first_half", True)
    with pytest.raises(ValueError, match=r"holds a discriminator of .*multi_resolution.*, wanted .*first_half"):
        other.resume()


def test_a_discriminator_may_join_a_run_that_began_without(tmp_path: Path) -> None:
    alone = Trainer(tmp_path, UNet(NARROW), TrainingOptions(minutes=1))
    alone.save({})
    joined = trainer_of(tmp_path, UNet(NARROW), "first_half", False)
    assert joined.resume()
    joined.minutes = 0.6
    assert "discriminator" in joined.step(noisy())


def test_a_discriminator_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'critic', wanted one of first_half, multi_resolution"):
        discriminator_for(UNet(NARROW), "critic", False)  # type: ignore[arg-type] # on purpose
    with pytest.raises(ValueError, match="windows of 256 samples hold no spectrum of 512"):
        discriminator_for(UNet(replace(NARROW, window=256)), "multi_resolution", False)
    Trainer(tmp_path, UNet(NARROW), TrainingOptions(minutes=1)).save({})
    with pytest.raises(ValueError, match="holds a discriminator of kind None"):
        load_discriminator(tmp_path / "generator.safetensors")


def test_a_streaming_generators_discriminator_sees_every_resolution() -> None:
    config = discriminator_for(BandSplitGenerator(STREAMING), "multi_resolution", False)
    assert config.resolutions == (512, 1024, 2048)
    logits, _ = new_discriminator(config)(torch.zeros(1, 1, 4096))
    assert len(logits) == 12


def test_a_gan_is_trained_by_the_same_command(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", 0.1 * random.standard_normal(96000), 48000)
    places = ["--audio", str(tmp_path / "songs"), "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    sizes = ["--generator", "unet", "--sample-rate", "10000", "--window", "512", "--depth", "2", "--width", "4"]
    rest = ["--batch", "1", "--seconds", "0.5", "--rooms", "0", "--workers", "0", "--degradations", "resample 5000"]
    gan = ["--discriminator", "first_half", "--conditional", "--alone-share", "0", "--adversarial-kind", "hinge"]
    main([*places, *sizes, *rest, *gan, "--minutes", "0.01"])
    discriminator, config, facts = load_discriminator(tmp_path / "run" / DISCRIMINATOR_NAME)
    assert config == DiscriminatorConfig("first_half", True, (4, 8), (65, 33))
    assert facts["options"]["adversarial"]["kind"] == "hinge"
    assert sum(parameter.numel() for parameter in discriminator.parameters()) > 1000
