"""Scaling, rounding and saturation."""

from __future__ import annotations

import numpy as np
import pytest

from studiomic.pcm import quantize


@pytest.mark.parametrize(("bits", "container"), [(8, 16), (16, 16), (24, 32), (32, 32)])
def test_the_value_lies_in_the_upper_bits(bits: int, container: int) -> None:
    samples, saturated = quantize(np.array([[0.5, -0.5, -1.0]], dtype=np.float32), bits)
    assert samples.dtype.itemsize * 8 == container
    np.testing.assert_array_equal(samples, [[2 ** (container - 2), -(2 ** (container - 2)), -(2 ** (container - 1))]])
    assert saturated == 0


def test_halves_are_rounded_to_even() -> None:
    steps = np.array([[0.5, 1.5, 2.5, -0.5, -1.5]], dtype=np.float32) / np.float32(2**15)
    np.testing.assert_array_equal(quantize(steps, 16).samples, [[0, 2, 2, 0, -2]])


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_every_integer_comes_back(bits: int) -> None:
    integers = np.unique(np.linspace(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 70_000).astype(np.int64))
    samples, saturated = quantize((integers / 2 ** (bits - 1)).astype(np.float32)[:, None], bits)
    np.testing.assert_array_equal(samples[:, 0] >> (samples.dtype.itemsize * 8 - bits), integers)
    assert saturated == 0


def test_full_scale_saturates_by_one_step_and_is_counted() -> None:
    samples, saturated = quantize(np.array([[1.0], [-1.5], [np.float32(0.99999994)]], dtype=np.float32), 32)
    np.testing.assert_array_equal(samples[:2, 0], [2**31 - 1, -(2**31)])
    assert saturated == 2
