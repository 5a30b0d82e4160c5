"""From float samples to the integers of a PCM file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
"""The width of each integer encoding, by libsndfile's name."""
_FLOAT32_EXACT_BITS = 24
"""A float32 holds every integer of 24 bits; wider ones are scaled in float64."""


class Quantized(NamedTuple):
    """samples: int16 or int32, the value in the upper bits, as libsndfile takes it; saturated: how many did not fit."""

    samples: NDArray[np.int16] | NDArray[np.int32]
    saturated: int


def quantize(block: NDArray[np.float32], bits: int) -> Quantized:
    """Scale by 2^(bits - 1), round half to even, saturate. No dither: samples that came from such integers stay exact.

    The scale is the one that libsndfile reads by, so reading and writing again gives the same integers.
    """
    scale = 2.0 ** (bits - 1)
    precision = np.dtype(np.float32 if bits <= _FLOAT32_EXACT_BITS else np.float64)
    rounded = np.rint(np.multiply(block, scale, dtype=precision))
    saturated = int(np.count_nonzero((rounded < -scale) | (rounded > scale - 1)))
    np.clip(rounded, -scale, scale - 1, out=rounded)
    container_bits = 16 if bits <= 16 else 32
    integers = rounded.astype(np.int16 if container_bits == 16 else np.int32)
    return Quantized(np.left_shift(integers, container_bits - bits), saturated)
