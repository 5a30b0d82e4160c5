"""Training for so many minutes, with a checkpoint every few of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from torch import Tensor
from tqdm import tqdm

from models.processes import ALONE, Processes

Given = TypeVar("Given")
Taken = TypeVar("Taken", contravariant=True)


class Run(Protocol[Taken]):
    """What can be run: it counts its minutes over all sittings."""

    minutes: float

    def step(self, batch: Taken) -> dict[str, float]:
        """One step; figures by name."""

    @property
    def audio_hours(self) -> float:
        """What it has heard so far."""


class CountingRun:
    """Counts the minutes of a run over all sittings, and what it has heard."""

    def __init__(self) -> None:
        self.minutes = 0.0
        self.examples = 0
        self.audio_hours = 0.0

    def count(self, audio: Tensor, sample_rate: int) -> None:
        """The clips [clips, channels, samples] of one step."""
        clips, _, samples = audio.shape
        self.examples += clips
        self.audio_hours += clips * samples / sample_rate / 3600

    @property
    def done(self) -> dict[str, float]:
        """For a row of the curve and the facts of a checkpoint."""
        return {"minutes": self.minutes, "examples": self.examples, "audio_hours": self.audio_hours}

    def take_up(self, done: Mapping[str, float]) -> None:
        """Go on counting where a checkpoint stopped."""
        self.minutes, self.audio_hours = float(done["minutes"]), float(done["audio_hours"])
        self.examples = int(done["examples"])


def run_for(
    run: Run[Given],
    minutes: float,
    checkpoint_minutes: float,
    training: Iterator[Given],
    checkpoint: Callable[[Sequence[dict[str, float]]], None],
    processes: Processes = ALONE,
) -> None:
    """Step until `minutes` in all are used up; `checkpoint` gets the figures of the steps since the one before, in the
    first of the `processes` only, and its own time does not count.
    """
    recent: list[dict[str, float]] = []
    saved = run.minutes
    last = time.monotonic()
    with tqdm(
        total=round(minutes, 2),
        initial=round(min(run.minutes, minutes), 2),
        unit="min",
        disable=not processes.first,
        bar_format="{l_bar}{bar}| {n:.1f}/{total:.1f} min [{postfix}]",
    ) as bar:
        while run.minutes < minutes:
            recent.append(run.step(next(training)))
            now = time.monotonic()
            run.minutes = processes.agreed(run.minutes + (now - last) / 60)
            bar.n = min(run.minutes, bar.total)  # set, not added up: rounding might exceed the total
            last = now
            bar.set_postfix_str(f"loss {recent[-1]['loss']:.3f}, {run.audio_hours:.2f} h heard")
            if run.minutes - saved >= checkpoint_minutes or run.minutes >= minutes:
                if processes.first:
                    checkpoint(recent)
                recent, saved = [], run.minutes
                last = time.monotonic()
