"""Several equalisers as one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import load_band_split, save_generator
from models.generators.band_split import (
    FIRST_LOGIT,
    LOGIT_WIDTH,
    TOLD_OVER_TIME,
    BandSplitConfig,
    BandSplitGenerator,
    copy_shifts,
)
from models.mean_equaliser import main, mean_equaliser

CONFIG = BandSplitConfig(
    window=1024, channels=6, blocks=1, colour_hidden=5, copy_shifts=copy_shifts([4000.0], 48000, 1024)
)


def taught(seed: int, hidden: int) -> BandSplitGenerator:
    """A generator whose equaliser says something, and says it of everything."""
    torch.manual_seed(seed)
    made = BandSplitGenerator(replace(CONFIG, colour_hidden=hidden)).eval()
    assert made.colouring is not None
    with torch.no_grad():
        for parameter in made.colouring.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter))
    return made


def told(generator: BandSplitGenerator) -> torch.Tensor:
    torch.manual_seed(9)
    return torch.randn(generator.layout.bands * TOLD_OVER_TIME, 7)


@torch.no_grad()
def added_at(generator: BandSplitGenerator, logit: float) -> torch.Tensor:
    """What is added to each band when the gate's logit is so much higher."""
    assert generator.colouring is not None
    before = generator.colouring.gate_bias.clone()
    generator.colouring.gate_bias.add_(logit)
    added: torch.Tensor = generator.colouring(told(generator), torch.full((1, 7), generator.features.most_frames))
    generator.colouring.gate_bias.copy_(before)
    return added


@torch.no_grad()
def test_units_that_equalisers_have_in_common_stand_once() -> None:
    """Two of which other units have learnt beside the same ones: with what each says of those, in the mean."""
    generators = [taught(1, 5), taught(2, 8)]
    ours, others = (one.colouring for one in generators)
    assert ours is not None
    assert others is not None
    others.widen[:5], others.widen_bias[:5] = ours.widen, ours.widen_bias
    mean = mean_equaliser(generators, 0.0)
    assert mean.config.colour_hidden == 8
    wide_open = [torch.log1p(added_at(one, 50.0)) for one in (*generators, mean)]
    torch.testing.assert_close(wide_open[2], (wide_open[0] + wide_open[1]) / 2, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_gains_and_logits_are_means() -> None:
    generators = [taught(1, 5), taught(2, 8)]
    mean = mean_equaliser(generators, 0.0)
    assert mean.config.colour_hidden == 13
    wide_open = [torch.log1p(added_at(one, 50.0)) for one in (*generators, mean)]
    torch.testing.assert_close(wide_open[2], (wide_open[0] + wide_open[1]) / 2, atol=1e-5, rtol=1e-4)
    # Where the mean of the logits is half way from likely to certain, it is half open.
    logits = []
    for one in generators:
        assert one.colouring is not None
        hidden = torch.nn.functional.silu(one.colouring.widen @ told(one) + one.colouring.widen_bias)
        logits.append(one.colouring.gate @ hidden + one.colouring.gate_bias)
    frame = 3
    half = FIRST_LOGIT + LOGIT_WIDTH / 2 - float((logits[0] + logits[1])[0, frame]) / 2
    share = added_at(mean, half)[:, frame] / added_at(mean, 50.0)[:, frame]
    torch.testing.assert_close(share, torch.full_like(share, 0.5), atol=1e-3, rtol=0)
    opened = mean_equaliser(generators, half)
    torch.testing.assert_close(added_at(opened, 0.0), added_at(mean, half), atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_the_mean_of_one_is_that_one_and_all_else_is_of_the_first() -> None:
    one, other = taught(1, 5), taught(2, 5)
    torch.testing.assert_close(added_at(mean_equaliser([one], 0.0), 1.0), added_at(one, 1.0))
    made = mean_equaliser([one, other], 0.0).state_dict()
    for name, value in one.state_dict().items():
        assert name.startswith("colouring.") or torch.equal(made[name], value), name


def test_the_command_joins_files_and_refuses_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{seed}.safetensors" for seed in (1, 2)]
    for seed, path in enumerate(paths, start=1):
        generator = taught(seed, 5)
        save_generator(path, generator, generator.state_dict(), {"seed": seed})
    out = tmp_path / "out.safetensors"
    main([*map(str, paths), "--opening", "0.25", "--out", str(out)])
    made, facts = load_band_split(out)
    assert facts == {"seed": 1}
    assert made.colouring is not None
    biases = [float(one.colouring.gate_bias) for one, _ in map(load_band_split, paths) if one.colouring is not None]
    assert math.isclose(float(made.colouring.gate_bias), sum(biases) / 2 + 0.25, abs_tol=1e-6)
    without = BandSplitGenerator(replace(CONFIG, colour_hidden=0))
    larger = BandSplitGenerator(replace(CONFIG, channels=8))
    for other, message in ((without, "generator 2 has no equaliser"), (larger, "wanted one like the first")):
        save_generator(paths[1], other, other.state_dict(), {})
        with pytest.raises(SystemExit):
            main([*map(str, paths), "--out", str(tmp_path / "never.safetensors")])
        assert message in capsys.readouterr().err
    assert not (tmp_path / "never.safetensors").exists()
