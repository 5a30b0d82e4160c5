"""What a kind of step is: its name in a recipe, the arguments it takes, and what it does to a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.data.degradations import DegradedClip
from models.data.material import Material
from models.data.number_text import number_text


@dataclass(frozen=True)
class Quantity:
    """A number that a step takes. `what` is said in errors; ranges are drawn uniformly, or in their logarithm."""

    what: str
    least: float
    most: float
    logarithmic: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Range:
    """A number, or where `low` is less than `high` one that is drawn."""

    quantity: Quantity
    low: float
    high: float

    def __str__(self) -> str:
        return number_text(self.low) if self.low == self.high else f"{number_text(self.low)}..{number_text(self.high)}"

    def draw(self, random: np.random.Generator) -> float:
        """A number from `low` to `high`."""
        if self.low == self.high:
            return self.low
        if self.quantity.whole:
            return float(random.integers(round(self.low), round(self.high) + 1))
        if self.quantity.logarithmic:
            return float(np.exp(random.uniform(np.log(self.low), np.log(self.high))))
        return float(random.uniform(self.low, self.high))


@dataclass(frozen=True)
class Word:
    """A word that a step takes: one of `choices`, or any where there are none."""

    what: str
    choices: tuple[str, ...] = ()


def needs_nothing(material: Material, *arguments: object) -> None:
    """The check of a step that any material will do for."""


@dataclass(frozen=True)
class StepKind:
    """A kind of step. `apply(clip, material, random, *values)` gives the clip after it, `check(material, *arguments)`
    raises ValueError where the material lacks what the step needs; values are floats, or str for words.
    """

    name: str
    arguments: tuple[Quantity | Word, ...]
    apply: Callable[..., DegradedClip]
    check: Callable[..., None] = needs_nothing

    @property
    def usage(self) -> str:
        """As a recipe's author should write it."""
        return " ".join([self.name, *(f"<{argument.what}>" for argument in self.arguments)])


DECIBELS = Quantity("decibels", -120.0, 120.0)
