"""The study's U-Net: its shapes and size, its sub-pixel shuffle, its skips, and windows without seams."""

import numpy as np
import pytest
import torch

from models.generators.unet import UNet, UNetConfig, subpixel_shuffle
from models.generators.windows import overlap_add_windows

NARROW = UNetConfig(window=512, channels=(6, 8, 8), filters=(17, 9, 9), dropout=0.3)


@pytest.fixture
def narrow() -> UNet:
    torch.manual_seed(0)
    made = UNet(NARROW).eval()
    torch.nn.init.normal_(made.last.weight, std=0.1)  # far from the identity that it starts as
    return made


def test_the_papers_width_has_the_papers_size_and_keeps_the_shape() -> None:
    with torch.device("meta"):
        paper = UNet(UNetConfig(window=2048))
        assert paper(torch.zeros(2, 1, 2048)).shape == (2, 1, 2048)
    millions = sum(parameter.numel() for parameter in paper.parameters()) / 1e6
    assert millions == pytest.approx(56, abs=1)


@pytest.mark.parametrize("window", [2048, 4096, 8192])
@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_depth_and_window_are_free(window: int, depth: int) -> None:
    config = UNetConfig(window=window, channels=(4,) * depth, filters=(9,) * depth)
    assert UNet(config)(torch.zeros(1, 1, window)).shape == (1, 1, window)


def test_the_subpixel_shuffle_follows_its_definition() -> None:
    x = torch.randn(2, 6, 5)
    shuffled = subpixel_shuffle(x, factor=3)
    assert shuffled.shape == (2, 2, 15)
    for channel in range(2):
        for sample in range(15):
            assert torch.equal(shuffled[:, channel, sample], x[:, channel + 2 * (sample % 3), sample // 3])


def test_each_block_halves_the_rate_and_the_skips_are_what_was_seen_there(narrow: UNet) -> None:
    activation, skips = narrow.first_half(torch.randn(1, 1, 512))
    assert [tuple(skip.shape) for skip in skips] == [(1, 6, 256), (1, 8, 128), (1, 8, 64)]
    assert activation.shape == (1, 8, 32)


@torch.no_grad()
def test_both_halves_make_the_whole_at_every_layer(narrow: UNet) -> None:
    x = torch.randn(2, 1, 512)
    whole = narrow(x)
    for layer in range(narrow.layers):
        activation, skips = narrow.until(x, layer)
        torch.testing.assert_close(narrow.after(activation, skips, x, layer), whole)


@torch.no_grad()
def test_the_input_is_added_to_what_the_network_makes() -> None:
    untrained = UNet(NARROW).eval()
    torch.nn.init.zeros_(untrained.last.weight)
    x = torch.randn(1, 1, 512)
    assert torch.equal(untrained(x), x)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="got a window of 500 samples, wanted a multiple of 16"):
        UNet(UNetConfig(window=500, channels=(4, 4, 4), filters=(9, 9, 9)))
    with pytest.raises(ValueError, match="got 2 channel counts and 1 filter lengths"):
        UNet(UNetConfig(channels=(4, 4), filters=(9,)))
    with pytest.raises(ValueError, match="odd"):
        UNet(UNetConfig(channels=(4,), filters=(8,)))
    with pytest.raises(ValueError, match=r"layer: got 4, wanted 0 \(the bottleneck\) to 3"):
        UNet(NARROW).until(torch.zeros(1, 1, 512), 4)


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 2000, 4096])
def test_windows_that_change_nothing_give_the_clip_back(samples: int) -> None:
    audio = torch.randn(2, 1, samples)
    torch.testing.assert_close(overlap_add_windows(lambda windows: windows, audio, 512), audio)


@torch.no_grad()
def test_overlap_leaves_no_clicks_at_the_seams(narrow: UNet) -> None:
    """Against one pass over the whole clip, which has no seams: windows laid side by side jump where they meet, faded
    ones do not."""
    window, hop = NARROW.window, NARROW.window // 2
    audio = torch.sin(2 * torch.pi * 220 * torch.arange(64 * window) / 48000).reshape(1, 1, -1)
    whole = narrow(audio)

    def jumps(sound: torch.Tensor, every: int) -> float:
        """Energy of the error's jumps from sample to sample at multiples of `every`, over that elsewhere."""
        energy = np.diff((sound - whole).flatten().numpy()) ** 2
        at_seams = np.zeros(len(energy), dtype=bool)
        at_seams[every - 1 :: every] = True
        return float(energy[at_seams].mean() / energy[~at_seams].mean())

    side_by_side = narrow(audio.reshape(-1, 1, window)).reshape(1, 1, -1)
    assert jumps(side_by_side, window) > 10
    assert jumps(overlap_add_windows(narrow, audio, window), hop) < 1.5


def test_an_odd_window_is_refused() -> None:
    with pytest.raises(ValueError, match="got 511 samples, wanted an even number"):
        overlap_add_windows(lambda windows: windows, torch.zeros(1, 1, 600), 511)
