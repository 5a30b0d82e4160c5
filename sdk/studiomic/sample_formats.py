"""From a caller's sample type to floating point and back, exactly where that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]

_INT16_SCALE = 2.0**15
_INT32_SCALE = 2.0**31


def decoded(samples: NDArray[Any]) -> Floats:
    """Samples in -1 to 1: float32 and float64 as they are, int16 as float32 and int32 as float64, both exact."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1.0 / _INT16_SCALE)
    if samples.dtype == np.int32:
        return samples.astype(np.float64) * (1.0 / _INT32_SCALE)
    return samples


def encoded(samples: Floats, kind: DTypeLike) -> tuple[NDArray[Any], int]:
    """Samples as `kind`, the inverse of `decoded`, and how many had to be held at an integer's limit.

    Floats are never clipped. Integers are rounded to the nearest (halves to even) and saturate.
    """
    kind = np.dtype(kind)
    if kind.kind == "f":
        return samples.astype(kind, copy=False), 0
    limits = np.iinfo(kind)
    scale = _INT16_SCALE if kind == np.int16 else _INT32_SCALE
    steps = np.rint(samples.astype(np.float64) * scale)
    saturated = int(np.count_nonzero((steps < limits.min) | (steps > limits.max)))
    return np.clip(steps, limits.min, limits.max).astype(kind), saturated
