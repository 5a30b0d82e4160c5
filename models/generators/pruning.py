"""A trained streaming generator with fewer hidden units: those that weigh least are left out.

A unit weighs as much as the product of the norms of the weights that it reads and gives with (pruning by magnitude: Han
et al. 2015, arXiv 1506.02626; of whole units: Li et al. 2017, arXiv 1608.08710).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from models.generators.band_split import BandSplitConfig, BandSplitGenerator

BIAS = ".bias"
UPDATE = "time.update."
"""How long a unit over time remembers, which says nothing of what it weighs."""
BLOCK_UNITS: dict[str, dict[str, int]] = {
    "time_hidden": {
        **{f"time.{name}.{kind}": 0 for name in ("update", "candidate", "gate") for kind in ("weight", "bias")},
        "time.out.weight": 1,
    },
    "band_hidden": {"band.widen": 0, "band.narrow": 1},
    "channel_hidden": {
        **{f"channel.{name}.{kind}": 0 for name in ("value", "gate") for kind in ("weight", "bias")},
        "channel.narrow.weight": 1,
    },
}
"""Of what mixes in a block, by its size: the axis along which units lie, by tensor."""
HIDDEN_SIZES = (*BLOCK_UNITS, "bin_hidden")


def _norms(weights: Tensor, axis: int) -> Tensor:
    """[units]: of the weights of each."""
    norms: Tensor = torch.linalg.vector_norm(weights.transpose(0, axis).flatten(1), dim=1)
    return norms


def _heaviest(importance: Tensor, count: int) -> Tensor:
    """Indices of so many units, in their order."""
    return importance.argsort(descending=True)[:count].sort().values


def fewer_units(old: BandSplitConfig, config: BandSplitConfig) -> BandSplitConfig:
    """`old` with the hidden units of `config` where those are fewer."""
    return replace(old, **{name: min(getattr(old, name), getattr(config, name)) for name in HIDDEN_SIZES})


@torch.no_grad()
def pruned(generator: BandSplitGenerator, config: BandSplitConfig) -> BandSplitGenerator:
    """The generator with the hidden units of `config`, at most its own.

    Raises ValueError where `config` wants more of them, or differs in anything else.
    """
    old = generator.config
    if fewer_units(old, config) != config:
        raise ValueError(f"got a generator of {old}, wanted of {config}, or one of more hidden units and nothing else")
    weights = dict(generator.state_dict())
    for index in range(old.blocks):
        for size, axes in BLOCK_UNITS.items():
            of_units = {f"blocks.{index}.{name}": axis for name, axis in axes.items()}
            of_units = {name: axis for name, axis in of_units.items() if name in weights}
            weighed = [name for name in of_units if not name.endswith(BIAS) and UPDATE not in name]
            if weighed:
                importance = math.prod((_norms(weights[name], of_units[name]) for name in weighed), start=torch.ones(1))
                kept = _heaviest(importance, getattr(config, size))
                weights |= {name: weights[name].index_select(axis, kept) for name, axis in of_units.items()}
    told = weights["decoder.weight"].shape[-1] - old.bin_hidden
    read = _norms(weights["bin_mixing.own"], 0) + torch.linalg.vector_norm(
        weights["decoder.weight"][..., told:], dim=1
    ).mean(dim=0)
    kept = _heaviest(read * _norms(weights["bin_mixing.out"], 1), config.bin_hidden)
    weights["bin_mixing.own"] = weights["bin_mixing.own"][kept]
    weights["bin_mixing.out"] = weights["bin_mixing.out"][:, kept]
    columns = torch.cat([torch.arange(told), told + kept])
    for name in ("decoder.weight", "decoder.bias"):
        weights[name] = weights[name][..., columns]
    made = BandSplitGenerator(config)
    made.load_state_dict(weights)
    return made
