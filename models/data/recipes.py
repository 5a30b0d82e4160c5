"""Degradation recipes: small texts that say what happens to music, in which order, how strongly and how often.

    reverb 0.5, lowpass 8000, noise street 12       steps by commas: a name and its arguments
    lowpass 3000..16000 @0.4                        an argument drawn from a range; the step happens in 40 % of clips
    clean @0.08, noise any -2..24                   8 % of all clips stay whole

    clean                only first: where it happens, nothing else does
    resample RATE        to a sample rate in hertz and back
    lowpass HERTZ        a steep low-pass
    covered DECIBELS     a hand or case over the hole: a shelf of that gain, and a resonance
    reverb SHARE         a room whose reverberation has that share of its response's energy
    room DECIBELS        a room with at least that ratio of direct sound to reverberation
    noise KIND DECIBELS  noise at that A-weighted ratio of the music to it
    white VARIANCE       noise of that variance; also pink, brown, tpdf
    clip DECIBELS        a gain into clipping
    agc DECIBELS         an automatic gain that moves by at most so much
    codec NAME QUALITY   mp3, opus, vorbis or any; quality from 0 to 1
    bits NUMBER          rounding

KIND is any (half synthetic), synthetic, rumble, recorded, or a part of a recording's name. Hertz and variances are
drawn evenly in their logarithm, all else evenly. A codec takes 0.1 to 0.5 s for 4 s of sound, everything else together
less than 0.3 s: give it a low probability in training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.number_text import finite_number, number_text
from models.data.steps import bandwidth, coding, dynamics, noises, reverberation
from models.data.steps.step import Quantity, Range, StepKind, Word

DEFAULT_RECIPE = (
    "clean @0.14, room -8..8 @0.22, noise any -2..26 @0.75, noise any 0..24 @0.1, covered -24..-8 @0.1, "
    "clip 3..15 @0.06, lowpass 3000..16000 @0.27, codec any 0..0.6 @0.03, bits 16 @0.5"
)
"""What training does to music unless told otherwise."""


def stay_whole(clip: DegradedClip, material: Material, random: np.random.Generator) -> DegradedClip:
    """Nothing; the recipe leaves out all that follows."""
    return clip


CLEAN = StepKind("clean", (), stay_whole)
KINDS = {
    kind.name: kind
    for kind in (CLEAN, *reverberation.STEPS, *noises.STEPS, *bandwidth.STEPS, *dynamics.STEPS, *coding.STEPS)
}
WORD = re.compile(r"[A-Za-z_][\w./-]*")


@dataclass(frozen=True)
class Step:
    """A kind of step with its arguments and the probability that it happens."""

    kind: StepKind
    arguments: tuple[Range | str, ...]
    probability: float = 1.0

    def __str__(self) -> str:
        odds = [f"@{number_text(self.probability)}"] if self.probability < 1.0 else []
        return " ".join([self.kind.name, *map(str, self.arguments), *odds])

    def values(self, random: np.random.Generator) -> list[float | str]:
        """The arguments, drawn."""
        return [argument if isinstance(argument, str) else argument.draw(random) for argument in self.arguments]


@dataclass(frozen=True)
class Recipe:
    """Steps in their order. `str` gives the text that `Recipe.parse` reads."""

    steps: tuple[Step, ...]

    @staticmethod
    def parse(text: str) -> Recipe:
        """The recipe that a text describes. Raises ValueError, naming what came and what was wanted."""
        steps = tuple(_parse_step(part) for part in text.split(","))
        for step in steps[1:]:
            if step.kind == CLEAN:
                raise ValueError(
                    f"the recipe {text!r} has the step 'clean' after another; wanted it first or not at all"
                )
        return Recipe(steps)

    def __str__(self) -> str:
        return ", ".join(map(str, self.steps))

    def check(self, material: Material) -> None:
        """Raise ValueError where `material` lacks what a step needs."""
        for step in self.steps:
            try:
                step.kind.check(material, *step.arguments)
            except ValueError as error:
                raise ValueError(f"the step '{step}' cannot be made: {error}") from error

    def degrade(
        self, clean: Samples, cutoff_hz: float, material: Material, random: np.random.Generator
    ) -> DegradedClip:
        """A clip [samples] at 48 kHz after the steps that happen; above `cutoff_hz` it holds nothing itself."""
        clip = DegradedClip.whole(clean, cutoff_hz)
        for step in self.steps:
            if random.random() >= step.probability:
                continue
            if step.kind == CLEAN:
                break
            clip = step.kind.apply(clip, material, random, *step.values(random))
        return clip


def _parse_step(text: str) -> Step:
    words, at, odds = text.partition("@")
    name, *given = words.split() or [""]
    where = f"the step {text.strip()!r}"
    if name not in KINDS:
        raise ValueError(f"{where} has the name {name!r}; wanted one of {', '.join(KINDS)}")
    kind = KINDS[name]
    if len(given) != len(kind.arguments):
        raise ValueError(f"{where} has {len(given)} arguments; wanted {len(kind.arguments)}: '{kind.usage}'")
    probability = finite_number(odds) if at else 1.0
    if probability is None or not 0.0 <= probability <= 1.0:
        raise ValueError(f"{where} has the probability {odds.strip()!r}; wanted a number from 0 to 1 after the @")
    arguments = tuple(
        _parse_quantity(word, argument, where) if isinstance(argument, Quantity) else _parse_word(word, argument, where)
        for word, argument in zip(given, kind.arguments, strict=True)
    )
    return Step(kind, arguments, probability)


def _parse_quantity(text: str, quantity: Quantity, where: str) -> Range:
    low_text, dots, high_text = text.partition("..")
    low, high = finite_number(low_text), finite_number(high_text if dots else low_text)
    limits = f"{number_text(quantity.least)} to {number_text(quantity.most)}"
    if low is None or high is None or (quantity.whole and not (low.is_integer() and high.is_integer())):
        number = "a whole number" if quantity.whole else "a number"
        raise ValueError(
            f"{where} has {text!r} as {quantity.what}; wanted {number} from {limits}, or a range LOW..HIGH"
        )
    if not quantity.least <= low <= high <= quantity.most:
        raise ValueError(f"{where} has {text!r} as {quantity.what}; wanted it within {limits}, the lower end first")
    return Range(quantity, low, high)


def _parse_word(text: str, word: Word, where: str) -> str:
    if word.choices and text not in word.choices:
        raise ValueError(f"{where} has {text!r} as {word.what}; wanted one of {', '.join(word.choices)}")
    if not WORD.fullmatch(text):
        raise ValueError(f"{where} has {text!r} as {word.what}; wanted a word that starts with a letter")
    return text
