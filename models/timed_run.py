"""Training for so many minutes, with a checkpoint every few of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tqdm import tqdm

from models.data.dataset import Batch
from models.processes import ALONE, Processes


class Run(Protocol):
    """What can be run: it counts its minutes over all sittings."""

    minutes: float

    def step(self, batch: Batch) -> dict[str, float]:
        """One step; figures by name."""

    @property
    def audio_hours(self) -> float:
        """What it has heard so far."""


def run_for(
    run: Run,
    minutes: float,
    checkpoint_minutes: float,
    training: Iterator[Batch],
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
