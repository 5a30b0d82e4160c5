"""Weights files of earlier layouts compute what they always did, but for gates of rooms, which told another thing, for
what bins of a band were told each, and for what was told of the frame before."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.checkpoint import config_text, load_band_split, save_generator, write_tensors
from models.generators.band_split import TOLD_OVER_TIME, BandSplitConfig, BandSplitGenerator
from models.generators.earlier_layouts import from_first_layout
from models.generators.falls import KINDS

CONFIG = BandSplitConfig(channels=6, blocks=2, band_hidden=5, channel_hidden=4)
FEATURES = 7
FIRST_FEATURES = ("level", "minimum", "mean", "minimum of short", "slow minimum", "near", "near of short")
FEATURES_NOW = ("level", "minimum", "minimum of short", "mean", "slow minimum", "near", "near of short")
MOVES = [FEATURES_NOW.index(name) for name in FIRST_FEATURES]
"""Where each feature of the first layout stands today."""


@pytest.fixture
def generator() -> BandSplitGenerator:
    torch.manual_seed(2)
    made = BandSplitGenerator(CONFIG)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def without_mean(x: Tensor, axis: int) -> Tensor:
    """What bins of a band may have beside their mean."""
    return x - x.mean(dim=axis, keepdim=True)


def in_fourth_layout(generator: BandSplitGenerator) -> dict[str, Tensor]:
    """The same generator, told a drawn share of the frame before, and with the encoder's weights by width of band."""
    weights = dict(generator.state_dict())
    for index in range(generator.config.blocks):
        part = f"blocks.{index}.time."
        before = torch.rand(generator.config.channels) - 0.5
        weights |= {f"{part}norm.{name}": weights[f"{part}norm.{name}"] / (1 + before) for name in ("weight", "bias")}
        weights[f"{part}before"] = before
    alike = [weights.pop(f"encoder.weights.{index}") for index in range(len(generator.layout.alike))]
    bands = [band for of_alike in alike for band in of_alike]
    for index, group in enumerate(generator.layout.groups):
        weights[f"encoder.weights.{index}"] = torch.stack(bands[: group.count])
        bands = bands[group.count :]
    return weights


def in_third_layout(generator: BandSplitGenerator) -> dict[str, Tensor]:
    """The same generator with columns for each bin, whose means in each band are the band's."""
    weights = in_fourth_layout(generator)
    config, groups = generator.config, generator.layout.groups
    shifts, hidden = len(config.copy_shifts), config.bin_hidden
    sizes = [shifts, 2, int(config.evening), hidden]
    copies, masks, _, context = weights.pop("decoder.weight").split(sizes, dim=-1)
    weights["bin_mixing.context"] = context
    columns = torch.cat([masks, copies], dim=-1)
    copies, masks, _, hidden_bias = weights.pop("decoder.bias").split(sizes, dim=-1)
    weights["bin_mixing.bias"] = hidden_bias
    of_bands, of_bins = torch.cat([masks, copies], dim=-1).flatten(1), []
    counts = [group.count for group in groups]
    parts = zip(groups, columns.split(counts), of_bands.split(counts), strict=True)
    for index, (group, weight, bias) in enumerate(parts):
        apart = without_mean(torch.randn(group.count, config.channels, group.width, shifts + 2), axis=2)
        weights[f"decoder.weights.{index}"] = (weight.unsqueeze(2) + apart).flatten(2)
        of_bins.append(
            (bias.unsqueeze(1) + without_mean(torch.randn(group.count, group.width, shifts + 2), 1)).flatten(0, 1)
        )
    weights["decoder.bias"] = torch.cat(of_bins).T.unsqueeze(1)
    return weights


def in_first_layout(generator: BandSplitGenerator) -> dict[str, Tensor]:
    """The same generator as it was written at first; each frame's weights `now` are drawn."""
    weights = in_third_layout(generator)
    outputs = len(weights["decoder.bias"])
    for index, group in enumerate(generator.layout.groups):
        name = f"encoder.weights.{index}"
        by_feature = weights[name].reshape(group.count, group.width, FEATURES, CONFIG.channels)
        first = torch.stack([by_feature[:, :, row] for row in MOVES], dim=2)
        weights[name] = first.reshape(weights[name].shape)
        name = f"decoder.weights.{index}"
        columns = weights[name].reshape(group.count, CONFIG.channels, group.width, outputs)
        first = torch.cat([columns[..., output] for output in range(outputs)], dim=2)
        weights[name] = first
    weights["decoder.bias"] = weights["decoder.bias"].reshape(outputs, 1, 1, CONFIG.bins)
    weights["bin_mixing.own"] = torch.stack([weights["bin_mixing.own"][:, row] for row in MOVES])
    weights["bin_mixing.out"] = weights["bin_mixing.out"].T
    for index in range(CONFIG.blocks):
        part = f"blocks.{index}.time."
        now = 0.5 + torch.rand(CONFIG.channels)
        weights |= {f"{part}norm.{name}": weights[f"{part}norm.{name}"] / now for name in ("weight", "bias")}
        weights |= {f"{part}before": weights[f"{part}before"] * now, f"{part}now": now}
        channel = f"blocks.{index}.channel."
        for kind in ("weight", "bias"):
            rows = [weights.pop(f"{part}{name}.{kind}") for name in ("update", "candidate", "gate")]
            weights[f"{part}project.{kind}"] = torch.cat(rows)
            rows = [weights.pop(f"{channel}{name}.{kind}") for name in ("value", "gate")]
            weights[f"{channel}widen.{kind}"] = torch.cat(rows)
    return weights


def test_a_file_of_the_first_layout_is_brought_to_todays(generator: BandSplitGenerator, tmp_path: Path) -> None:
    metadata = {"generator": "band_split", "config": config_text(CONFIG), "facts": json.dumps({"seed": 2})}
    write_tensors(tmp_path / "first.safetensors", in_first_layout(generator), metadata)
    loaded, facts = load_band_split(tmp_path / "first.safetensors")
    assert facts == {"seed": 2}
    for name, wanted in generator.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], wanted)
    save_generator(tmp_path / "today.safetensors", loaded, loaded.state_dict(), facts)
    again, _ = load_band_split(tmp_path / "today.safetensors")
    for name, wanted in loaded.state_dict().items():
        assert torch.equal(again.state_dict()[name], wanted)


def test_a_channel_that_only_knew_the_frame_before_has_no_equal(generator: BandSplitGenerator) -> None:
    weights = in_first_layout(generator)
    weights["blocks.1.time.now"][3] = 0.0
    with pytest.raises(ValueError, match=r"blocks\.1\.time\.now is zero in channel 3"):
        from_first_layout(weights)


def test_a_file_of_the_second_layout_has_a_shut_gate_of_rooms_and_all_else(
    generator: BandSplitGenerator, tmp_path: Path
) -> None:
    config = replace(CONFIG, room_hidden=3)
    weights = in_third_layout(generator)
    weights |= {"room_gate.widen": torch.ones(3, 192), "room_gate.widen_bias": torch.ones(3, 1)}
    weights |= {"room_gate.narrow": torch.ones(1, 3), "room_gate.narrow_bias": torch.ones(1, 1)}
    metadata = {"generator": "band_split", "config": config_text(config), "facts": "{}", "layout": "2"}
    write_tensors(tmp_path / "second.safetensors", weights, metadata)
    loaded, _ = load_band_split(tmp_path / "second.safetensors")
    for name, wanted in generator.state_dict().items():
        if name.startswith("decoder.") or ".time.norm." in name:  # means of bins, and products, which round
            torch.testing.assert_close(loaded.state_dict()[name], wanted)
        else:
            assert torch.equal(loaded.state_dict()[name], wanted)
    assert loaded.room_gate is not None
    assert not any(parameter.any() for parameter in loaded.room_gate.parameters())


@pytest.mark.parametrize("most_units", [64, 4])
def test_a_file_of_the_third_layout_tells_all_bins_of_a_band_their_mean(most_units: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    config = replace(CONFIG, evening=True, most_units=most_units)
    made = BandSplitGenerator(config)
    evening = len(config.copy_shifts) + 2
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for told in (made.decoder.weight, made.decoder.bias):
            told[..., evening] = 0.0  # which bands told nothing of
    weights = in_third_layout(made)
    for index, group in enumerate(made.layout.groups):  # a bin of each of those that shared weights
        of_bins = weights[f"decoder.weights.{index}"].unflatten(2, (group.units, group.together, -1))
        weights[f"decoder.weights.{index}"] = of_bins.mean(dim=3).flatten(2)
    metadata = {"generator": "band_split", "config": config_text(config), "facts": "{}", "layout": "3"}
    write_tensors(tmp_path / "third.safetensors", weights, metadata)
    loaded, _ = load_band_split(tmp_path / "third.safetensors")
    for name, wanted in made.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("most_units", [64, 8, 2])
def test_a_file_of_the_fourth_layout_is_told_more_of_each_frame(most_units: int, tmp_path: Path) -> None:
    """Bands of one width that have as many sets of weights as the next ones lie with those."""
    torch.manual_seed(4)
    config = replace(CONFIG, most_units=most_units)
    made = BandSplitGenerator(config)
    weights = in_fourth_layout(made)
    assert weights["encoder.weights.4"].shape[0] == 8
    metadata = {"generator": "band_split", "config": config_text(config), "facts": "{}", "layout": "4"}
    write_tensors(tmp_path / "fourth.safetensors", weights, metadata)
    loaded, _ = load_band_split(tmp_path / "fourth.safetensors")
    assert len(loaded.encoder.weights) == {64: 5, 8: 2, 2: 1}[most_units]
    for name, wanted in made.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], wanted)


@torch.no_grad()
def test_an_equaliser_of_the_fifth_layout_follows_levels_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    config = replace(CONFIG, colour_hidden=7)
    made = BandSplitGenerator(config)
    assert made.colouring is not None
    bands = made.layout.bands
    told, counted = torch.randn(bands * TOLD_OVER_TIME, 3), torch.full((1, 3), made.features.most_frames)
    for parameter in made.colouring.parameters():
        parameter.normal_()
    made.colouring.gate_bias.fill_(30.0)  # open
    levels = slice(bands * KINDS, bands * (KINDS + 1))
    weights = dict(made.state_dict())
    weights["colouring.widen"] = weights["colouring.widen"][:, levels].clone()
    metadata = {"generator": "band_split", "config": config_text(config), "facts": "{}", "layout": "5"}
    write_tensors(tmp_path / "fifth.safetensors", weights, metadata)
    loaded, _ = load_band_split(tmp_path / "fifth.safetensors")
    assert loaded.colouring is not None
    alone = torch.zeros_like(told)
    alone[levels] = told[levels]
    found = loaded.colouring(told, counted)
    assert found.abs().max() > 0.1
    torch.testing.assert_close(found, made.colouring(alone, counted))
    assert not torch.allclose(found, made.colouring(told, counted))
