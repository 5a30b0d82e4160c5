"""The three controls of the enhancement."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from studiomic.errors import InvalidControlError


@dataclass(frozen=True)
class Controls:
    """How much to do of what, each from 0 (leave it) to 1 (all of it).

    denoise: take noise away; dereverb: take the room away; extend: give lost high frequencies, and what clipping,
    colouring and codecs took, back. At 0, 0, 0 the output is the delayed input, exactly.
    Raises InvalidControlError for anything but numbers from 0 to 1.
    """

    denoise: float = 1.0
    dereverb: float = 1.0
    extend: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise InvalidControlError(
                    f"control '{field.name}': got {value!r} ({type(value).__name__}), wanted a number from 0 to 1"
                )
            if math.isnan(value) or not 0.0 <= value <= 1.0:
                raise InvalidControlError(f"control '{field.name}': got {value}, wanted a number from 0 to 1")
            # numpy scalars would make equal controls differ in type and repr
            object.__setattr__(self, field.name, float(value))

    def as_array(self) -> NDArray[np.float32]:
        """The controls as the graph takes them: float32 [1, 3] in the order denoise, dereverb, extend."""
        return np.array([[self.denoise, self.dereverb, self.extend]], dtype=np.float32)
