"""A trained streaming generator at another window or hop, or of another size: a better start than random weights.

Bands stay where they are, so that a band of twice the weights reads each of its old ones twice, at half the size; what
the network remembers is made to last as long as before. Of the blocks the first stay, of hidden units those that weigh
most; other blocks and further hidden units begin by leaving things as they are; whatever else the old generator has not
starts at random.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.generators.band_split import MASKS_PER_BIN, BandSplitConfig, BandSplitGenerator, shift_step
from models.generators.bands import stacked
from models.generators.features import FEATURES_PER_BIN
from models.generators.pruning import HIDDEN_SIZES, fewer_units, pruned

MAY_DIFFER = (
    "window",
    "hop_eighths",
    "copy_shifts",
    "blocks",
    "time_blocks",
    "most_units",
    "declipping",
    "declipping_wait",
    "evening",
    "empty_db",
    *HIDDEN_SIZES,
)
MAY_GROW = ("colour_hidden", "room_hidden", "envelope_hidden")
# What gives hidden units back: zero for new ones, so that they change nothing at first.
OUTPUTS = (
    "time.out.weight",
    "time.out.bias",
    "channel.narrow.weight",
    "channel.narrow.bias",
    "band.narrow",
    "bin_mixing.out",
)


def _shared(weights: Tensor, units: int) -> Tensor:
    """An encoder's weights of one band, [old units * features, channels], for so many `units`: each read twice as
    often at half the size, or the sum of neighbours."""
    old = weights.unflatten(0, (-1, FEATURES_PER_BIN))
    before = len(old)
    if units >= before:
        shared = old.repeat_interleave(units // before, dim=0) * (before / units)
    else:
        shared = old.unflatten(0, (units, before // units)).sum(dim=1)
    flat: Tensor = shared.flatten(0, 1)
    return flat


def _grown(columns: Tensor, old: BandSplitConfig, config: BandSplitConfig) -> Tensor:
    """What a decoder of `old` tells, with what only one of `config` tells beside it: nothing at first."""
    before_evening = len(old.copy_shifts) + MASKS_PER_BIN
    first, rest = columns.split([before_evening, columns.shape[-1] - before_evening], dim=-1)
    evening, hidden = rest.split([int(old.evening), old.bin_hidden], dim=-1)
    sizes = config.evening - old.evening, config.bin_hidden - old.bin_hidden
    of_evening, of_hidden = (columns.new_zeros(*columns.shape[:-1], max(0, size)) for size in sizes)
    return torch.cat([first, evening[..., : config.evening], of_evening, hidden, of_hidden], dim=-1)


@torch.no_grad()
def resized(generator: BandSplitGenerator, config: BandSplitConfig) -> BandSplitGenerator:
    """A generator of `config` that starts from the weights of another, whose window is a power of two times as long.

    Raises ValueError where the configurations differ in more than the window, the hop and what they make of copies'
    shifts, the number of blocks and of their hidden units, how many bins share weights, what is empty, whether it draws
    peaks again and evens out what is copied, and a colouring, an envelope or a gate of rooms that the old one lacks or
    has fewer units in (a gate is to be taught anew at another window or hop).
    """
    old = generator.config
    heads = {name: max(getattr(old, name), getattr(config, name)) for name in MAY_GROW}
    changed = {name: getattr(config, name) for name in MAY_DIFFER}
    if replace(old, **heads, **changed) != config:
        raise ValueError(
            f"got weights of a generator of {old}, wanted of {config}, or one that differs in its window, hop, blocks, "
            "most_units, hidden units or by having no colouring, or a smaller one"
        )
    longer = config.window / old.window
    shifts = tuple(round(shift * longer) for shift in old.copy_shifts)
    rounded = (shift_step(old.hop_eighths) * longer + shift_step(config.hop_eighths)) / 2
    if len(shifts) != len(config.copy_shifts) or max(map(abs, np.subtract(shifts, config.copy_shifts))) > rounded:
        raise ValueError(f"got weights for copies shifted by {shifts} bins, wanted for {config.copy_shifts}")
    generator = pruned(generator, fewer_units(old, config))
    made = BandSplitGenerator(config)
    before_it = generator.state_dict()
    state = {}
    for name, random in made.state_dict().items():
        state[name] = torch.zeros_like(random) if name.endswith(OUTPUTS) else random.clone()
        if name.startswith("encoder.weights."):  # which are brought to another size below
            continue
        if name.startswith("decoder."):
            state[name] = _grown(before_it[name], generator.config, config)
        elif name in before_it:
            state[name][tuple(map(slice, before_it[name].shape))] = before_it[name]
    bands = [band for weights in generator.encoder.weights for band in weights]
    units = [units for count, units in made.layout.alike for _ in range(count)]
    shared = stacked(map(_shared, bands, units), made.layout)
    state |= {f"encoder.weights.{index}": alike for index, alike in enumerate(shared)}
    for index in range(min(old.blocks, config.blocks)):
        # Per frame a small share u of the memory is renewed; of frames twice as far apart, 2 u.
        name = f"blocks.{index}.time.update.bias"
        state[name] = state[name] + math.log(config.hop / old.hop)
    made.load_state_dict(state)
    return made
