"""Shaping a discriminator by refined samples, and distilling these into the generator."""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from models.adversarial import AdversarialWeights
from models.checkpoint import Generator, load_generator
from models.collaborative import Refinement, score
from models.data.dataset import Batch
from models.discriminators.stored import discriminator_for, load_discriminator, new_discriminator
from models.distillation import Distillation
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig
from models.generators.windows import overlap_add_windows
from models.opponent import DISCRIMINATOR_NAME, Opponent
from models.reconstruction import ReconstructionLoss, ReconstructionWeights
from models.refining import Refiner, add_refinement_options, load_refiner, refine_batch, refine_clips
from models.restoring import cut_windows, enhance_clips
from models.shape import SHAPING_COLUMNS, Shaper
from models.shape import main as shape
from models.train import main as train
from models.trainer import Trainer, TrainingOptions

NARROW = UNetConfig(sample_rate=48000, window=512, channels=(4, 6), filters=(9, 5), dropout=0.5)
STREAMING = BandSplitConfig(channels=8, blocks=2, band_hidden=8, channel_hidden=8)
MANY = Refinement(steps=4, enough=100.0)


def noisy(seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    target = 0.2 * torch.sin(torch.arange(2048) / 20).repeat(2, 1, 1)
    nyquist = torch.full((2,), 24000.0)
    return Batch(target + 0.1 * torch.randn(target.shape, generator=random), target, torch.ones(2, 3), nyquist, nyquist)


@pytest.fixture(params=["unet", "band_split"])
def generator(request: pytest.FixtureRequest) -> Generator:
    torch.manual_seed(0)
    if request.param == "band_split":
        return BandSplitGenerator(STREAMING)
    made = UNet(NARROW)
    torch.nn.init.normal_(made.last.weight, std=0.1)
    return made


def refiner_for(generator: Generator, conditional: bool = False, refinement: Refinement = MANY) -> Refiner:
    torch.manual_seed(1)
    return Refiner(new_discriminator(discriminator_for(generator, "first_half", conditional)), refinement)


def weights_of(module: torch.nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("conditional", [False, True])
def test_either_generator_is_refined_without_dropout_and_stays_in_training(
    generator: Generator, conditional: bool
) -> None:
    refiner = refiner_for(generator, conditional)
    batch = cut_windows(noisy(), 512) if isinstance(generator, UNet) else noisy()
    first, again = refine_batch(generator, refiner, batch), refine_batch(generator, refiner, batch)
    assert torch.equal(first.audio, again.audio)
    assert generator.training
    assert (first.after > first.before).all()


def test_whole_clips_are_refined(generator: Generator) -> None:
    refiner, batch = refiner_for(generator), noisy()
    generator.eval()
    plain = enhance_clips(generator, batch).detach()
    content = replace(refiner, refinement=Refinement(enough=-1e6))
    torch.testing.assert_close(refine_clips(generator, content, batch), plain)
    refined = refine_clips(generator, refiner, batch)
    assert refined.shape == batch.target.shape
    assert not torch.allclose(refined, plain)

    def judged(audio: Tensor) -> float:
        return float(score(refiner.discriminator(audio)[0]).detach().mean())

    assert judged(refined) > judged(plain)


def test_a_u_nets_windows_overlap_when_clips_are_refined() -> None:
    torch.manual_seed(0)
    generator = UNet(NARROW).eval()
    torch.nn.init.normal_(generator.last.weight, std=0.1)
    refiner, batch = refiner_for(generator), noisy()

    def refined(windows: Tensor) -> Tensor:
        return refine_batch(generator, refiner, replace(batch, degraded=windows)).audio

    torch.testing.assert_close(
        refine_clips(generator, refiner, batch), overlap_add_windows(refined, batch.degraded, NARROW.window)
    )


def test_shaping_teaches_the_discriminator_and_goes_on_where_it_stopped(tmp_path: Path, generator: Generator) -> None:
    config = discriminator_for(generator, "first_half", False)

    def shaper() -> Shaper:
        return Shaper(tmp_path, generator, refiner_for(generator), config, 3e-3, {"options": {}})

    first, held = shaper(), weights_of(generator)
    rows = [first.step(noisy(seed)) for seed in range(12)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    gains = [row["score_refined"] - row["score_before"] for row in rows]
    assert min(gains) >= 0
    assert max(gains) > 0
    assert same(held, weights_of(generator))
    first.minutes = 0.5
    first.checkpoint(rows)
    again = shaper()
    assert again.resume()
    assert (again.minutes, again.examples, again.audio_hours) == (0.5, first.examples, first.audio_hours)
    assert first.step(noisy()) == again.step(noisy())
    assert same(weights_of(first.discriminator), weights_of(again.discriminator))
    with open(tmp_path / "curve.csv", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert tuple(row) == SHAPING_COLUMNS
    assert float(row["refinement_steps"]) == MANY.steps


def test_distillation_moves_the_generator_towards_its_refined_samples(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = UNet(replace(NARROW, dropout=0.0))
    torch.nn.init.normal_(generator.last.weight, std=0.1)
    batch = cut_windows(noisy(), 512)
    loss = ReconstructionLoss(48000, ReconstructionWeights("l2", 0.0))
    refiner = refiner_for(generator)
    distillation = Distillation(generator, refiner, loss, 1.0)
    refined = refine_batch(generator, refiner, batch).audio
    plain = generator(batch.degraded).detach()
    value, parts = distillation(plain, batch)
    assert float(value) == pytest.approx(float(loss(plain, replace(batch, target=refined))[0]))
    assert float(parts["distilled"]) == pytest.approx(float(value))
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
    helper = weights_of(refiner.discriminator)
    scores = []
    for _ in range(15):
        enhanced = generator(batch.degraded)
        scores.append(float(score(refiner.discriminator(enhanced)[0]).detach().mean()))
        optimizer.zero_grad()
        distillation(enhanced, batch)[0].backward()
        optimizer.step()
    assert scores[-1] > scores[0]
    assert same(helper, weights_of(refiner.discriminator))
    with pytest.raises(ValueError, match="got a weight of 0, wanted more than 0"):
        Distillation(generator, refiner, loss, 0)


def test_a_loaded_discriminator_is_fixed_and_refines_by_the_loss_it_was_trained_with(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_refinement_options(parser.add_argument_group("refinement"))
    layer, rest = ["--refinement-layer", "2"], ["--refinement-rate", "0.1", "--refinement-enough", "1"]
    given = parser.parse_args([*layer, "--refinement-steps", "3", *rest])
    weights = AdversarialWeights(kind="hinge")
    options = TrainingOptions(minutes=1, adversarial=weights)
    opponent = Opponent(discriminator_for(UNet(NARROW), "first_half", True), weights)
    Trainer(tmp_path, UNet(NARROW), options, opponent).save({})
    refiner = load_refiner(tmp_path / DISCRIMINATOR_NAME, given)
    assert refiner.refinement == Refinement(3, 0.1, 1.0, "hinge")
    assert refiner.layer == 2
    assert not any(parameter.requires_grad for parameter in refiner.discriminator.parameters())


def test_shaping_and_distilling_follow_a_gan_by_one_command_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "songs").mkdir()
    soundfile.write(tmp_path / "songs" / "song.wav", 0.1 * random.standard_normal(96000), 48000)
    runs = {name: tmp_path / name for name in ("gan", "shaped", "distilled")}
    common = ["--audio", str(tmp_path / "songs"), "--cache", str(tmp_path / "cache"), "--batch", "1"]
    common += ["--seconds", "0.5", "--rooms", "0", "--workers", "0"]
    kind = ["--generator", "unet", "--sample-rate", "10000", "--window", "512", "--depth", "2", "--width", "4"]
    kind += ["--degradations", "resample 5000", "--minutes", "0.01"]
    train([*common, *kind, "--out", str(runs["gan"]), "--discriminator", "first_half", "--alone-share", "0"])
    weights, judge = str(runs["gan"] / "generator.safetensors"), str(runs["gan"] / DISCRIMINATOR_NAME)
    shaping = [*common, "--out", str(runs["shaped"]), "--generator", weights, "--discriminator", judge]
    shape([*shaping, "--refinement-steps", "2", "--minutes", "0.01"])
    _, _, facts = load_discriminator(runs["shaped"] / DISCRIMINATOR_NAME)
    shape([*shaping, "--refinement-steps", "2", "--minutes", str(facts["shaping"]["minutes"] + 0.01)])
    assert f"resumed {runs['shaped']}" in capsys.readouterr().out
    _, _, later = load_discriminator(runs["shaped"] / DISCRIMINATOR_NAME)
    assert later["shaping"]["examples"] > facts["shaping"]["examples"]
    distilling = ["--initial-weights", weights, "--distil", str(runs["shaped"] / DISCRIMINATOR_NAME)]
    train([*common, *kind, *distilling, "--out", str(runs["distilled"])])
    _, facts = load_generator(runs["distilled"] / "generator.safetensors")
    assert facts["distilled"]
    with open(runs["distilled"] / "curve.csv", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert float(row["distilled"]) >= 0
