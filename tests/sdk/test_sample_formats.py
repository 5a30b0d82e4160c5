"""Sample types survive the way to floating point and back, and saturate with a count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studiomic.sample_formats import decoded, encoded


def test_every_int16_survives() -> None:
    every = np.arange(-(2**15), 2**15).astype(np.int16)[:, np.newaxis]
    assert decoded(every).dtype == np.float32
    assert decoded(every).min() == -1.0
    back, saturated = encoded(decoded(every), np.int16)
    assert np.array_equal(back, every)
    assert saturated == 0


def test_int32_survives_at_full_width() -> None:
    values = np.random.default_rng(0).integers(-(2**31), 2**31, (10000, 1)).astype(np.int32)
    values[:2, 0] = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    back, saturated = encoded(decoded(values), np.int32)
    assert np.array_equal(back, values)
    assert saturated == 0


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_pass_beyond_full_scale(kind: type) -> None:
    loud: NDArray[Any] = np.array([[3.5], [-1e5]], dtype=kind)
    back, saturated = encoded(decoded(loud), kind)
    assert back.dtype == kind
    assert np.array_equal(back, loud)
    assert saturated == 0


@pytest.mark.parametrize(("kind", "bits"), [(np.int16, 15), (np.int32, 31)])
def test_integers_saturate_and_round_to_even(kind: type, bits: int) -> None:
    step = 2.0**-bits
    samples = np.array([[1.0], [2.0], [-1.0], [-1.5], [0.5 * step], [1.5 * step], [-0.75 * step]])
    values, saturated = encoded(samples, kind)
    assert values[:, 0].tolist() == [2**bits - 1, 2**bits - 1, -(2**bits), -(2**bits), 0, 2, -1]
    assert saturated == 3
