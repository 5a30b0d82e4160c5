"""Numbers as text, of recipes and of drum kits: to it and from it."""

from __future__ import annotations

import math


def number_text(value: float) -> str:
    """The shortest text that reads as `value`."""
    return str(int(value)) if value.is_integer() else repr(value)


def finite_number(text: str) -> float | None:
    """What a text reads as, None where that is no number, or not a finite one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
