"""A command that teaches a part of a generator, run for a second on a song of noise."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from models.checkpoint import load_band_split, save_generator
from models.generators.band_split import BandSplitGenerator
from models.trainer import CURVE_NAME, WEIGHTS_NAME

RATE = 48000


def taught(
    main: Callable[[Sequence[str]], None], generator: BandSplitGenerator, folder: Path, seconds: int
) -> tuple[BandSplitGenerator, dict[str, Any], list[dict[str, str]]]:
    """What a `models.learn_...` command makes of a generator whose file says `seed` 3, on clips of so many seconds: the
    generator, the facts in its file and the rows of the curve."""
    audio, weights, out = folder / "audio", folder / "weights.safetensors", folder / "out"
    audio.mkdir()
    soundfile.write(audio / "song.wav", 0.1 * np.random.default_rng(0).standard_normal(seconds * RATE), RATE)
    save_generator(weights, generator, generator.state_dict(), {"seed": 3})
    given = ["--weights", str(weights), "--out", str(out), "--audio", str(audio), "--cache", str(folder / "cache")]
    short = ["--minutes", "0.02", "--rooms", "1", "--batch", "2", "--seconds", str(seconds), "--workers", "0"]
    main([*given, *short])
    learnt, facts = load_band_split(out / WEIGHTS_NAME)
    with open(out / CURVE_NAME, newline="") as lines:
        return learnt, facts, list(csv.DictReader(lines))


@torch.no_grad()
def randomised(generator: BandSplitGenerator, part: nn.Module | None) -> dict[str, Tensor]:
    """All weights of a generator by name, once those of a `part` that it has are random."""
    assert part is not None
    for value in part.parameters():
        value.copy_(torch.randn_like(value))
    return {name: value.clone() for name, value in generator.state_dict().items()}


def assert_only_learnt(generator: BandSplitGenerator, before: Mapping[str, Tensor], part: str) -> None:
    """Of the weights `before`, by name, all of `part` have changed, and no others."""
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name]) == (not name.startswith(part)), name


def assert_only_added(generator: BandSplitGenerator, before: Mapping[str, Tensor], part: str, units: int) -> None:
    """The weights `before`, by name, are what they were, but that `part` has more than its first `units`."""
    for name, value in generator.state_dict().items():
        grown = name.startswith(part) and units in before[name].shape
        assert (value.shape != before[name].shape) == grown, name
        assert torch.equal(value[tuple(map(slice, before[name].shape))], before[name]), name
