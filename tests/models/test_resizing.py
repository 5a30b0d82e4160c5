"""A streaming generator's weights at another window or hop: what comes out is much the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.generators.band_split import COPY_HERTZ, BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.features import FEATURES_PER_BIN
from models.generators.pruning import HIDDEN_SIZES, pruned
from models.generators.resizing import OUTPUTS, resized

CONFIG = BandSplitConfig(window=1024, channels=6, blocks=2, copy_shifts=copy_shifts(COPY_HERTZ, 48000, 1024))


def at_window(window: int, hop_eighths: int = 4) -> BandSplitConfig:
    shifts = copy_shifts(COPY_HERTZ, 48000, window, hop_eighths)
    return replace(CONFIG, window=window, hop_eighths=hop_eighths, copy_shifts=shifts)


@pytest.fixture
def trained() -> BandSplitGenerator:
    """Far from the start, so that each part of the weights is heard."""
    torch.manual_seed(3)
    made = BandSplitGenerator(CONFIG)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


@torch.no_grad()
@pytest.mark.parametrize(("window", "hop_eighths"), [(2048, 4), (4096, 4), (2048, 5), (1024, 6)])
def test_a_flat_and_lasting_spectrum_gets_the_same_gains(
    trained: BandSplitGenerator, window: int, hop_eighths: int
) -> None:
    """There neither neighbouring bins nor frames tell windows apart, and every band has weights of its own."""
    found = []
    for generator in (trained, resized(trained, at_window(window, hop_eighths)).eval()):
        config = generator.config
        frames = round(30 * config.sample_rate / config.hop)  # for as long as the longest memory lasts, and longer
        gains, _ = generator.gains(torch.zeros(1, frames, 1, config.bins), generator.initial_states(1))
        of_bands = gains.masks[0, -1].split(
            [group.width for group in generator.layout.groups for _ in range(group.count)]
        )
        found.append(torch.stack([band.mean() for band in of_bands]))
    before, after = found
    assert before.std() > 0.02
    torch.testing.assert_close(after, before, atol=1e-3, rtol=0)


@torch.no_grad()
def test_there_and_back_again_are_the_same_weights(trained: BandSplitGenerator) -> None:
    """So shorter windows do what longer ones did, as far as neighbouring bins were treated alike."""
    back = resized(resized(trained, at_window(2048)), CONFIG).state_dict()
    for name, weights in trained.state_dict().items():
        torch.testing.assert_close(back[name], weights, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("window", "hop_eighths"), [(2048, 4), (1024, 5), (2048, 7)])
def test_memories_last_as_long(window: int, hop_eighths: int) -> None:
    other = at_window(window, hop_eighths)
    (ours, wanted) = (
        generator.state_dict()["blocks.0.time.update.bias"].double()
        for generator in (resized(BandSplitGenerator(CONFIG), other), BandSplitGenerator(other))
    )
    longest = int(wanted.argmin())
    assert float(ours[longest]) == pytest.approx(float(wanted[longest]), abs=0.01)


@torch.no_grad()
def test_bins_that_now_share_weights_hear_as_much_of_what_they_share(trained: BandSplitGenerator) -> None:
    """Where neighbouring bins read alike, sharing the sum of their weights is hearing the same."""
    halved = resized(trained, replace(CONFIG, most_units=16)).eval()
    assert [group.units for group in halved.layout.groups] == [2, 4, 8, 16, 16]
    features = torch.randn(FEATURES_PER_BIN, 3, 1, trained.layout.bins // 2).repeat_interleave(2, dim=-1)
    torch.testing.assert_close(halved.encoder(features), trained.encoder(features), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_fewer_blocks_are_the_first_ones_and_an_equaliser_begins_with_nothing(trained: BandSplitGenerator) -> None:
    made = resized(trained, replace(CONFIG, blocks=1, colour_hidden=4, envelope_hidden=3)).eval()
    assert len(made.blocks) == 1
    ours, theirs = made.blocks[0].state_dict(), trained.blocks[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    observed, states = made.observed(torch.randn(1, 1, 2 * 48000))
    found, *_ = made.by_long_term(observed, states.falls)
    assert not found["colour"].any()
    assert torch.equal(found["envelope"], torch.ones_like(found["envelope"]))
    again = resized(made, replace(made.config, window=2048, copy_shifts=at_window(2048).copy_shifts))
    assert again.colouring is not None
    assert made.colouring is not None
    assert torch.equal(again.colouring.widen, made.colouring.widen)
    grown = resized(made, replace(made.config, colour_hidden=7))
    assert grown.colouring is not None
    assert torch.equal(grown.colouring.widen[:4], made.colouring.widen)
    assert not grown.colouring.narrow[:, 4:].any()
    with pytest.raises(ValueError, match="or by having no colouring, or a smaller one"):
        resized(made, replace(made.config, colour_hidden=3))


@torch.no_grad()
@pytest.mark.parametrize("alone", [0, 1])
@pytest.mark.parametrize("time_blocks", [0, 1])
def test_further_blocks_begin_by_leaving_things_as_they_are(
    trained: BandSplitGenerator, time_blocks: int, alone: int
) -> None:
    """Even where the last block mixed over time `alone` and now mixes the rest, too."""
    trained = resized(trained, replace(CONFIG, time_blocks=alone)).eval()
    more = resized(trained, replace(CONFIG, blocks=3, time_blocks=time_blocks)).eval()
    assert len(more.blocks) == 3
    assert [hasattr(block, "band") for block in more.blocks] == [True, True, not time_blocks]
    audio = 0.1 * torch.randn(1, 1, 8 * CONFIG.window)
    wanted = trained(audio, torch.ones(1, 3))
    assert not torch.allclose(wanted, audio, atol=1e-3)
    torch.testing.assert_close(more(audio, torch.ones(1, 3)), wanted, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(
    "grown",
    [
        replace(CONFIG, time_hidden=40),
        replace(CONFIG, band_hidden=100),
        replace(CONFIG, channel_hidden=70, bin_hidden=16),
        replace(CONFIG, evening=True),
    ],
)
def test_more_units_and_evening_begin_by_leaving_things_as_they_are(
    trained: BandSplitGenerator, grown: BandSplitConfig
) -> None:
    """And are no dead ends: the first step of training moves what hidden units give."""
    more = resized(trained, grown)
    audio = 0.1 * torch.randn(1, 1, 8 * CONFIG.window)
    audio[..., : 4 * CONFIG.window] = torch.sin(0.1 * torch.arange(4.0 * CONFIG.window))
    wanted = trained(audio, torch.ones(1, 3))
    more.eval()
    torch.testing.assert_close(more(audio, torch.ones(1, 3)), wanted, atol=1e-6, rtol=0)
    before = trained.state_dict()
    changed = {name for name, weights in more.state_dict().items() if weights.shape != before[name].shape}
    assert changed
    with torch.enable_grad():
        more(audio, torch.ones(1, 3)).square().sum().backward()
    for name in (name for name in changed if name.endswith(OUTPUTS) and not grown.evening):
        gradient = more.get_parameter(name).grad
        assert gradient is not None
        gradient[tuple(map(slice, before[name].shape))] = 0.0
        assert bool(gradient.any())


@torch.no_grad()
def test_of_fewer_units_those_stay_that_weigh_most(trained: BandSplitGenerator) -> None:
    """What was added and weighs nothing is found again, wherever it stands; of the rest something is lost."""
    more = resized(trained, replace(CONFIG, time_hidden=40, band_hidden=100, channel_hidden=70, bin_hidden=16))
    order = torch.randperm(16)
    told = more.decoder.weight.shape[-1] - 16
    columns = torch.cat([torch.arange(told), told + order])
    more.bin_mixing.own.copy_(more.bin_mixing.own[order])
    more.bin_mixing.out.copy_(more.bin_mixing.out[:, order])
    more.decoder.weight.copy_(more.decoder.weight[..., columns])
    more.decoder.bias.copy_(more.decoder.bias[..., columns])
    audio = 0.1 * torch.randn(1, 1, 8 * CONFIG.window)
    wanted = trained(audio, torch.ones(1, 3))
    torch.testing.assert_close(resized(more, CONFIG).eval()(audio, torch.ones(1, 3)), wanted, atol=1e-6, rtol=0)
    for name in HIDDEN_SIZES:
        half = resized(trained, replace(CONFIG, **{name: getattr(CONFIG, name) // 2})).eval()
        found = half(audio, torch.ones(1, 3))
        assert not torch.allclose(found, wanted, atol=1e-5)
        assert float((found - wanted).std() / (wanted - audio).std()) < 1.0


def test_pruning_does_not_grow(trained: BandSplitGenerator) -> None:
    with pytest.raises(ValueError, match=r"time_hidden=32.*wanted of .*time_hidden=48.*more hidden units and nothing"):
        pruned(trained, replace(CONFIG, time_hidden=48))


@torch.no_grad()
def test_a_block_can_keep_its_mixing_over_time_alone(trained: BandSplitGenerator) -> None:
    made = resized(trained, replace(CONFIG, time_blocks=1))
    kept, whole = made.state_dict(), trained.state_dict()
    assert torch.equal(kept["blocks.1.time.out.weight"], whole["blocks.1.time.out.weight"])
    dropped = {name for name in whole if name.startswith(("blocks.1.band", "blocks.1.channel"))}
    assert dropped
    assert set(kept) == set(whole) - dropped


@pytest.mark.parametrize(("hop_eighths", "window"), [(5, 4096), (6, 4096), (7, 2048)])
def test_shifts_that_differ_by_their_rounding_are_the_same(hop_eighths: int, window: int) -> None:
    wanted = at_window(window, 5)
    assert resized(BandSplitGenerator(at_window(1024, hop_eighths)), wanted).config == wanted


def test_what_differs_in_more_than_its_window_is_refused(trained: BandSplitGenerator) -> None:
    with pytest.raises(ValueError, match=r"channels=6.*, wanted of .*channels=8.*differs in its window"):
        resized(trained, replace(at_window(2048), channels=8))
    with pytest.raises(ValueError, match=r"copies shifted by \(42,.*, wanted for \(86,"):
        resized(trained, replace(CONFIG, copy_shifts=at_window(2048).copy_shifts))
