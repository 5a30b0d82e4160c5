"""Weights of the streaming generator as they lay in earlier layouts, brought to how they lie now: what they compute is
the same, but for the gate of rooms, what bands tell their bins and what is told of the frame before.

In the first layout the mixing over time weighed each frame's channels (`now`) after a norm that has weights of its own;
a bin's features stood in another order; the decoder's columns lay output by output; the mixing of bins multiplied from
the other side; and what is gated stood in one matrix with its gate.

In the second the gate of rooms told whether there was a room, not what it added, and nothing follows from the one for
the other.

In the third the decoder had columns for each bin of a band, where the band has their mean now, and what bands told the
network of the bins lay in there.

In the fourth the mixing over time was told a share of the frame before as well, where it is told as much more of the
frame itself now, as both are mostly alike; and the encoder's weights lay by groups of bands of one width, not by how
many sets of weights a band has.

In the fifth the equaliser was told levels alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.generators.band_split import FLOORS
from models.generators.bands import BandLayout, stacked
from models.generators.falls import KINDS

ROOM_GATE = "room_gate."
EQUALISER = "colouring.widen"

MASKS = 2
"""Of the third layout's decoder, outputs before those of copies."""
FEATURE_ORDER = (0, 1, 3, 2, 4, 5, 6)
"""Where each of today's features stood at first."""
PARTS = {"time.project": ("update", "candidate", "gate"), "channel.widen": ("value", "gate")}
"""Of the matrices that were one, rows in that order."""


def from_first_layout(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a BandSplitGenerator in the first layout, in the second.

    Raises ValueError where a weight `now` is zero: what such a channel remembers of the frame before has no equal.
    """
    order = list(FEATURE_ORDER)
    outputs = len(weights["decoder.bias"])
    made: dict[str, Tensor] = {}
    for name, value in weights.items():
        part = name.rpartition(".")[0]
        if part == "encoder.weights":
            made[name] = value.unflatten(1, (-1, len(order)))[:, :, order].flatten(1, 2)
        elif part == "decoder.weights":
            made[name] = value.unflatten(2, (outputs, -1)).transpose(2, 3).flatten(2)
        elif name == "decoder.bias":
            made[name] = value.flatten(1, 2)
        elif name == "bin_mixing.own":
            made[name] = value[order].T
        elif name == "bin_mixing.out":
            made[name] = value.T
        elif part.endswith(tuple(PARTS)):
            block, mixing, matrix = part.rsplit(".", 2)
            kind = name.removeprefix(part)
            names = PARTS[f"{mixing}.{matrix}"]
            made |= {
                f"{block}.{mixing}.{new}{kind}": rows for new, rows in zip(names, value.chunk(len(names)), strict=True)
            }
        elif not name.endswith(".time.now"):
            made[name] = value
    for name, now in weights.items():
        if name.endswith(".time.now"):
            if not torch.all(now != 0):
                raise ValueError(f"{name} is zero in channel {int((now == 0).nonzero()[0])}: wanted other weights")
            part = name.removesuffix("now")
            made[f"{part}norm.weight"] = weights[f"{part}norm.weight"] * now
            made[f"{part}norm.bias"] = weights[f"{part}norm.bias"] * now
            made[f"{part}before"] = weights[f"{part}before"] / now
    return {name: value.contiguous() for name, value in made.items()}


def from_second_layout(weights: Mapping[str, Tensor], beginning: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a BandSplitGenerator in the second layout, in the third: its gate of rooms, if it has one, is that
    of the weights at the `beginning` of a new generator, and stays shut until it is taught (models.learn_room)."""
    kept = {name: value for name, value in weights.items() if not name.startswith(ROOM_GATE)}
    return kept | {name: value for name, value in beginning.items() if name.startswith(ROOM_GATE)}


def from_third_layout(weights: Mapping[str, Tensor], layout: BandLayout) -> dict[str, Tensor]:
    """The weights of a BandSplitGenerator of that `layout` of bands in the third layout, in the fourth."""
    made = {name: value for name, value in weights.items() if not name.startswith("decoder.")}
    outputs = len(weights["decoder.bias"])
    columns = [
        weights[f"decoder.weights.{index}"].unflatten(2, (-1, outputs)).mean(dim=2)
        for index in range(len(layout.groups))
    ]
    widths = [group.width for group in layout.groups for _ in range(group.count)]
    bias = torch.stack([band.mean(dim=-1) for band in weights["decoder.bias"].flatten(1).split(widths, dim=1)])
    context, hidden = made.pop("bin_mixing.context"), made.pop("bin_mixing.bias").flatten(1)
    evening = len(weights["bin_mixing.out"]) - MASKS
    nothing = torch.zeros(layout.bands, evening)
    masks, copies = torch.cat(columns).split([MASKS, outputs - MASKS], dim=2)
    of_channels = nothing.unsqueeze(1).expand(-1, masks.shape[1], -1)
    made["decoder.weight"] = torch.cat([copies, masks, of_channels, context], dim=2)
    masks, copies = bias.split([MASKS, outputs - MASKS], dim=1)
    made["decoder.bias"] = torch.cat([copies, masks, nothing, hidden], dim=1).unsqueeze(1)
    return made


def from_fourth_layout(weights: Mapping[str, Tensor], layout: BandLayout) -> dict[str, Tensor]:
    """The weights of a BandSplitGenerator of that `layout` of bands in the fourth layout, in the fifth."""
    made = {name: value for name, value in weights.items() if not name.startswith("encoder.weights.")}
    for name in [name for name in made if name.endswith(".time.before")]:
        of_both = 1.0 + made.pop(name)
        for kind in ("weight", "bias"):
            norm = name.removesuffix("before") + f"norm.{kind}"
            made[norm] = made[norm] * of_both
    bands = [band for index in range(len(layout.groups)) for band in weights[f"encoder.weights.{index}"]]
    return made | {f"encoder.weights.{index}": alike for index, alike in enumerate(stacked(bands, layout))}


def from_fifth_layout(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a BandSplitGenerator in the fifth layout, in today's: what its equaliser is told beside levels
    says nothing until it is taught (models.learn_colour)."""
    made = dict(weights)
    if EQUALISER in made:
        of_levels = made[EQUALISER]
        hidden, bands = of_levels.shape
        falls, floors = (of_levels.new_zeros(hidden, bands * count) for count in (KINDS, FLOORS))
        made[EQUALISER] = torch.cat([falls, of_levels, floors], dim=1)
    return made
