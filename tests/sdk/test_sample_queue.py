"""The line of samples keeps order through growth and moves."""

from __future__ import annotations

import numpy as np
import pytest

from studiomic.sample_queue import SampleQueue


@pytest.mark.parametrize("largest", [1, 50, 5000, 20000])
def test_what_goes_in_comes_out_in_order_after_the_zeros(largest: int) -> None:
    generator = np.random.default_rng(largest)
    queue = SampleQueue(2, np.float64, zeros=37)
    given, pushed = [], 0
    for _ in range(min(20000, 400000 // largest)):
        count = int(generator.integers(0, largest + 1))
        queue.push(np.arange(2 * pushed, 2 * (pushed + count), dtype=np.float64).reshape(count, 2))
        pushed += count
        given.append(queue.pop(count).copy())
    assert len(queue) == 37
    rows = np.concatenate([*given, queue.pop(37)])
    assert not rows[:37].any()
    assert np.array_equal(rows[37:].ravel(), np.arange(2 * pushed))


def test_more_than_it_holds_is_refused() -> None:
    queue = SampleQueue(1, np.float32, zeros=3)
    with pytest.raises(IndexError, match="wanted 4 samples from a queue that holds 3"):
        queue.pop(4)
