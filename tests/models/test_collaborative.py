"""Discriminators, adversarial losses, and the discriminator helping the generator at sampling time."""

import pytest
import torch
from torch import Tensor

from models.adversarial import AdversarialKind, discriminator_loss, feature_matching_loss, generator_loss
from models.collaborative import Refinement, refine, score, shaping_step
from models.discriminators.first_half import FirstHalfDiscriminator
from models.discriminators.multi_resolution import MultiResolutionDiscriminator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig
from models.halves import band_split_halves, unet_halves

NARROW = UNetConfig(window=512, channels=(6, 8, 8), filters=(17, 9, 9))
KINDS: tuple[AdversarialKind, ...] = ("logistic", "least_squares", "hinge")


@pytest.fixture
def generator() -> UNet:
    torch.manual_seed(0)
    made = UNet(NARROW).eval()
    torch.nn.init.normal_(made.last.weight, std=0.1)
    return made


@pytest.fixture
def discriminator() -> FirstHalfDiscriminator:
    torch.manual_seed(1)
    return FirstHalfDiscriminator(NARROW)


@pytest.fixture
def degraded() -> Tensor:
    return torch.randn(3, 1, 512, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("conditional", [False, True])
def test_discriminators_judge_each_sample_and_show_their_features(conditional: bool, degraded: Tensor) -> None:
    for judge in (
        FirstHalfDiscriminator(NARROW, conditional),
        MultiResolutionDiscriminator(4, (128, 256), conditional),
    ):
        logits, features = judge(degraded, degraded if conditional else None)
        assert all(logit.shape[0] == 3 for logit in logits)
        assert len(features) >= len(logits)
        assert score(logits).shape == (3,)


@pytest.mark.parametrize("kind", [FirstHalfDiscriminator, MultiResolutionDiscriminator])
def test_a_conditional_discriminator_looks_at_what_was_degraded(
    kind: type[FirstHalfDiscriminator | MultiResolutionDiscriminator], degraded: Tensor
) -> None:
    torch.manual_seed(0)
    if kind is FirstHalfDiscriminator:
        judge: FirstHalfDiscriminator | MultiResolutionDiscriminator = FirstHalfDiscriminator(NARROW, True)
    else:
        judge = MultiResolutionDiscriminator(4, (128, 256), True)
    assert not torch.allclose(score(judge(degraded, degraded)[0]), score(judge(degraded, 0.5 * degraded)[0]))
    with pytest.raises(ValueError, match="needs the degraded audio beside the restored, got none"):
        judge(degraded)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_pull_real_up_and_fake_down(kind: AdversarialKind) -> None:
    right, wrong = [torch.tensor([0.8])], [torch.tensor([-0.8])]
    assert discriminator_loss(kind, right, wrong) < discriminator_loss(kind, wrong, right)
    assert generator_loss(kind, right) < generator_loss(kind, wrong)


def test_losses_against_values_by_hand() -> None:
    half, minus = [torch.tensor([0.5])], [torch.tensor([-0.5])]
    assert float(discriminator_loss("least_squares", half, minus)) == pytest.approx(0.5)
    assert float(discriminator_loss("hinge", half, minus)) == pytest.approx(1.0)
    assert float(discriminator_loss("logistic", half, minus)) == pytest.approx(2 * 0.474077, abs=1e-5)
    assert float(generator_loss("hinge", half)) == pytest.approx(-0.5)
    assert float(generator_loss("least_squares", half)) == pytest.approx(0.25)
    assert float(feature_matching_loss([torch.tensor([2.0])], [torch.tensor([3.0])])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="got 'wasserstein', wanted 'logistic'"):
        generator_loss("wasserstein", half)  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_refinement_raises_the_score_and_touches_no_skip_and_no_weight(
    generator: UNet, discriminator: FirstHalfDiscriminator, degraded: Tensor, layer: int, kind: AdversarialKind
) -> None:
    _, skips = generator.until(degraded, layer)
    kept = [skip.clone() for skip in skips]
    activation, remainder = unet_halves(generator, degraded, layer)
    weights = [parameter.clone() for module in (generator, discriminator) for parameter in module.parameters()]
    refined = refine(remainder, activation, discriminator, Refinement(steps=15, enough=100.0, kind=kind))
    assert (refined.after > refined.before).all()
    torch.testing.assert_close(score(discriminator(refined.audio)[0]), refined.after)
    assert not torch.equal(refined.audio, generator(degraded))
    assert all(torch.equal(before, after) for before, after in zip(kept, skips, strict=True))
    now = [parameter for module in (generator, discriminator) for parameter in module.parameters()]
    assert all(torch.equal(before, after) for before, after in zip(weights, now, strict=True))
    assert all(parameter.grad is None for parameter in now)


def test_refinement_stops_where_the_discriminator_is_content(
    generator: UNet, discriminator: FirstHalfDiscriminator, degraded: Tensor
) -> None:
    activation, remainder = unet_halves(generator, degraded, 1)
    content = refine(remainder, activation, discriminator, Refinement(enough=-1e6))
    assert content.steps.tolist() == [0, 0, 0]
    torch.testing.assert_close(content.audio, generator(degraded))
    between = float(content.before.sort().values[1]) - 1e-6  # content with two of three
    some = refine(remainder, activation, discriminator, Refinement(steps=3, enough=between))
    assert sorted(bool(steps) for steps in some.steps) == [False, False, True]


def test_samples_are_refined_independently_of_their_batch(
    generator: UNet, discriminator: FirstHalfDiscriminator, degraded: Tensor
) -> None:
    def refined(x: Tensor) -> Tensor:
        activation, remainder = unet_halves(generator, x, 1)
        return refine(remainder, activation, discriminator, Refinement(4, enough=100.0)).audio

    torch.testing.assert_close(refined(degraded)[:1], refined(degraded[:1]), atol=1e-5, rtol=1e-4)


def test_shaping_changes_only_the_discriminator_and_teaches_it(
    generator: UNet, discriminator: FirstHalfDiscriminator, degraded: Tensor
) -> None:
    real = torch.sin(torch.arange(512) / 10).expand(3, 1, 512)
    before = [parameter.clone() for parameter in generator.parameters()]
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3)
    activation, remainder = unet_halves(generator, degraded, 1)
    losses = []
    for _ in range(12):
        refined = refine(remainder, activation, discriminator, Refinement(2))
        losses.append(shaping_step(discriminator, optimizer, real, refined.audio, "least_squares"))
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.equal(old, new) for old, new in zip(before, generator.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.fixture
def streaming() -> BandSplitGenerator:
    torch.manual_seed(3)
    made = BandSplitGenerator(BandSplitConfig(channels=8, blocks=2, band_hidden=12, channel_hidden=10)).eval()
    for parameter in made.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return made


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_streaming_generator_is_refined_likewise(streaming: BandSplitGenerator, layer: int) -> None:
    audio = 0.1 * torch.randn(2, 1, 12000, generator=torch.Generator().manual_seed(4))
    controls = torch.ones(2, 3)
    activation, remainder = band_split_halves(streaming, audio, controls, layer)
    whole = streaming(audio, controls)
    torch.testing.assert_close(remainder(activation), whole, atol=1e-6, rtol=1e-4)
    torch.manual_seed(5)
    judge = MultiResolutionDiscriminator(4, (512,))
    refined = refine(remainder, activation, judge, Refinement(steps=8, enough=100.0))
    assert (refined.after > refined.before).all()
    assert not torch.equal(refined.audio, whole)
    assert all(parameter.grad is None for parameter in streaming.parameters())
    bypassed, untouched = band_split_halves(streaming, audio, torch.zeros(2, 3), layer)
    assert torch.equal(refine(untouched, bypassed, judge, Refinement(steps=2, enough=100.0)).audio, audio)


def test_a_layer_that_there_is_not_is_refused(streaming: BandSplitGenerator) -> None:
    with pytest.raises(ValueError, match=r"got 3, wanted 0 \(before the first block\) to 2 \(after the last\)"):
        band_split_halves(streaming, torch.zeros(1, 1, 2048), torch.ones(1, 3), 3)
