"""A first-in, first-out line of samples, whose cost per sample does not grow with its length."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", np.float32, np.float64)

_SMALLEST_CAPACITY = 4096


class SampleQueue(Generic[Sample]):
    """A line of rows [channels]; it starts with `zeros` rows of zeros."""

    def __init__(self, channels: int, kind: type[Sample], zeros: int) -> None:
        self._rows: NDArray[Sample] = np.zeros((max(_SMALLEST_CAPACITY, 2 * zeros), channels), dtype=kind)
        self._first = 0
        self._end = zeros

    def __len__(self) -> int:
        return self._end - self._first

    def push(self, rows: NDArray[Sample]) -> None:
        """Append rows [n, channels]."""
        end = self._end + len(rows)
        if end > len(self._rows):
            self._make_room(len(rows))
            end = self._end + len(rows)
        self._rows[self._end : end] = rows
        self._end = end

    def pop(self, count: int) -> NDArray[Sample]:
        """Take the first `count` rows away: a view [count, channels], valid until the next push."""
        first = self._first
        if count > self._end - first:
            raise IndexError(f"wanted {count} samples from a queue that holds {self._end - first}")
        self._first = first + count
        return self._rows[first : first + count]

    def _make_room(self, count: int) -> None:
        held = self._rows[self._first : self._end]
        # At most half full after the move, so that moves stay rare however small the blocks are.
        capacity = max(len(self._rows), 2 * (len(held) + count))
        rows = self._rows if capacity == len(self._rows) else np.empty((capacity, held.shape[1]), dtype=held.dtype)
        rows[: len(held)] = held  # numpy minds the overlap
        self._rows = rows
        self._first, self._end = 0, len(held)
