"""Axes moved and cut as graphs want it: what has a length of one costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def swapped(x: Tensor, axis: int = 0) -> Tensor:
    """An axis of x and the one after it change places. Where one has a length of one nothing moves: a reshape, which
    converters merge with its neighbours.
    """
    first, second = x.shape[axis : axis + 2]
    if 1 in (first, second):
        return x.reshape(*x.shape[:axis], second, first, *x.shape[axis + 2 :])
    return x.transpose(axis, axis + 1)


def across(x: Tensor, groups: int) -> Tensor:
    """The last axis, so many `groups` one after the other, in the order of places within a group: first of each group,
    then second of each. Called again with as many groups as one had places, it undoes that."""
    places_first: Tensor = x.unflatten(-1, (groups, -1)).transpose(-2, -1).flatten(-2)
    return places_first


def each(x: Tensor, axis: int = 0) -> tuple[Tensor, ...]:
    """x cut into slices of one along an axis, which stays; where there is but one it is x: not all converters can cut
    off nothing.
    """
    return (x,) if x.shape[axis] == 1 else x.split(1, dim=axis)


def divided(x: Tensor, sizes: Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """x cut into parts of such sizes along an axis; where there is but one it is x, as in `each`."""
    return (x,) if len(sizes) == 1 else x.split(list(sizes), dim=axis)


def joined(bins: Tensor, together: int) -> Tensor:
    """The means of so many neighbours each, [..., bins / together]."""
    if together == 1:
        return bins
    # Converters fail on pooling in strides, and GPUs on more than four axes.
    means = bins.reshape(-1, bins.shape[-1] // together, together).mean(dim=-1)
    return means.reshape(*bins.shape[:-1], -1)
