"""Teaching a part of a streaming generator apart, while all its other weights stay as they are. A run begins anew at
each call: it takes minutes.

OUT/generator.safetensors   the weights with the part's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoint import load_band_split, save_generator
from models.curve import append_row, means
from models.generators.band_split import BandSplitGenerator, Colouring
from models.generators.room_gate import RoomGate
from models.processes import prepare_process
from models.run_arguments import Lessons, add_run_arguments
from models.schedule import set_learning_rate
from models.timed_run import CountingRun, run_for
from models.trainer import CURVE_NAME, WEIGHTS_NAME, TrainingOptions

DONE_COLUMNS = ("minutes", "examples", "audio_hours", "learning_rate", "loss")
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.01
MEASURED_BATCHES = 20  # which say what is usual
LEAST_DEVIATION = 1e-3


class HeadRun(CountingRun):
    """Teaches `learnt`, a part of a generator or what becomes one, into the folder `out`, for `planned` minutes.

    `name`: of what it has done, among the facts in the weights' file; `columns`: what `losses` gives beside `loss`.
    """

    name: str
    columns: tuple[str, ...]

    def __init__(
        self, out: Path, generator: BandSplitGenerator, learnt: nn.Module, learning_rate: float, planned: float
    ) -> None:
        super().__init__()
        self.out = out
        self.generator = generator
        self.learning_rate = learning_rate
        self.planned = planned
        self.optimizer = torch.optim.AdamW(
            learnt.requires_grad_(True).parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY
        )

    def settled(self, by_frame: Tensor, batch: int, seconds: float) -> Tensor:
        """What was found in each frame of `batch` clips, [..., frames in order of time, then of the batch], by clip and
        from when it is settled: [..., batch, frames]. The last frame of a clip is not whole."""
        first = math.ceil(seconds * self.generator.config.sample_rate / self.generator.config.hop)
        by_clip: Tensor = by_frame.unflatten(-1, (-1, batch)).transpose(-2, -1)
        return by_clip[..., first:-1]

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The `loss` of a batch, and its parts by the names in `columns`."""
        raise NotImplementedError

    def step(self, batch: Any) -> dict[str, float]:
        """One step of gradient descent."""
        rate = set_learning_rate(self.optimizer, self.minutes / self.planned, self.learning_rate)
        losses = self.losses(batch)
        self.optimizer.zero_grad()
        losses["loss"].backward()
        self.optimizer.step()
        return {"learning_rate": rate, **{name: float(loss.detach()) for name, loss in losses.items()}}

    def checkpoint(self, recent: Sequence[dict[str, float]], facts: dict[str, object]) -> None:
        """A row of the curve, and the weights."""
        append_row(self.out / CURVE_NAME, {**self.done, **means(recent)}, (*DONE_COLUMNS, *self.columns))
        facts = {**facts, self.name: self.done}
        save_generator(self.out / WEIGHTS_NAME, self.generator, self.generator.state_dict(), facts)


class NotingRun(HeadRun):
    """A HeadRun that takes notes of each batch that is heard, and learns from all notes so far: hearing takes far
    longer than learning. What `losses` takes are some of the notes.

    `fits_a_step`: steps of gradient descent for each batch; `notes_a_fit`: how many notes are drawn anew for each.
    """

    fits_a_step: int
    notes_a_fit: int

    def __init__(
        self, out: Path, generator: BandSplitGenerator, learnt: nn.Module, learning_rate: float, planned: float
    ) -> None:
        super().__init__(out, generator, learnt, learning_rate, planned)
        self.notes: tuple[Tensor, ...] | None = None

    def noted(self, batch: Any) -> tuple[Tensor, ...]:
        """What is to be learnt from of a batch, [notes, ...] each."""
        raise NotImplementedError

    def step(self, batch: Any) -> dict[str, float]:
        """Take notes of a batch, and learn from all that there are."""
        noted = self.noted(batch)
        self.notes = noted if self.notes is None else tuple(map(torch.cat, zip(self.notes, noted, strict=True)))
        for _ in range(self.fits_a_step):
            drawn = torch.randint(len(self.notes[0]), (self.notes_a_fit,))
            figures = super().step(tuple(part[drawn] for part in self.notes))
        return figures


class Widening(nn.Module):
    """The first layer of what learns: values [..., told] to [..., units], by how far from usual each value is."""

    usual: Tensor
    deviation: Tensor

    def __init__(self, told: int, units: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.learnt = nn.Linear(told, units)
        self.register_buffer("usual", torch.zeros(told))
        self.register_buffer("deviation", torch.ones(told))
        self.measured: list[Tensor] = []

    def measure(self, told: Tensor) -> None:
        """See what is usual of values [told, ...], while there are few."""
        if len(self.measured) >= MEASURED_BATCHES:
            return
        self.measured.append(told.flatten(1))
        heard = torch.cat(self.measured, dim=1)
        self.usual, self.deviation = heard.mean(dim=1), heard.std(dim=1).clamp_min(LEAST_DEVIATION)

    def forward(self, told: Tensor) -> Tensor:
        unusual: Tensor = self.learnt(self.dropout((told - self.usual) / self.deviation))
        return unusual

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights and bias for values as they are: [units, told], [units, 1]."""
        weights = self.learnt.weight / self.deviation
        return weights, (self.learnt.bias - weights @ self.usual).unsqueeze(1)


@torch.no_grad()
def settled_layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer of a `weight` [units, values] and a `bias` [units, 1], which learns nothing."""
    layer = nn.Linear(weight.shape[1], len(weight)).requires_grad_(False)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias.squeeze(1))
    return layer


def telling_layer(units: int, values: int, beside: bool) -> nn.Linear:
    """A layer [..., units] to [..., values]: `beside` other units' it adds nothing at first, and no bias."""
    layer = nn.Linear(units, values, bias=not beside)
    if beside:
        nn.init.zeros_(layer.weight)
    return layer


class MeasuringRun(NotingRun):
    """A NotingRun whose part of the generator is told many values, of which `widen` hears how unusual they are."""

    widen: Widening

    def of_frames(self, told: Tensor, frames: int) -> Tensor:
        """Notes of so many `frames` of each clip, spread over it, of values [told, batch, frames]: [notes, told]."""
        spread = torch.linspace(0, told.shape[-1] - 1, frames).round().long()
        notes: Tensor = told[..., spread].permute(1, 2, 0).flatten(0, 1)
        return notes

    def fold(self) -> None:
        """Bring what is learnt into the generator."""
        raise NotImplementedError

    @torch.no_grad()
    def fold_into(self, head: Colouring | RoomGate, **telling: nn.Linear) -> None:
        """Bring the first layer, and those `telling` what its units say, by name, into a head whose last units they
        are: all, or those beside others."""
        weights, bias = self.widen.folded()
        units = len(bias)
        head.widen[-units:], head.widen_bias[-units:] = weights, bias
        for name, layer in telling.items():
            getattr(head, name)[:, -units:] = layer.weight
            if layer.bias is not None:
                getattr(head, f"{name}_bias").copy_(layer.bias.unsqueeze(1))

    def checkpoint(self, recent: Sequence[dict[str, float]], facts: dict[str, object]) -> None:
        """A row of the curve, and the weights with what was learnt."""
        self.fold()
        super().checkpoint(recent, facts)


def run_head(
    arguments: Sequence[str] | None,
    module: str,
    description: str,
    degradations: str,
    make_run: Callable[..., HeadRun],
    make_batches: Callable[[Lessons, argparse.Namespace], Iterable[Any]],
    batch: int,
    seconds: float,
    takes_units: bool = False,
) -> None:
    """The command line of `python -m models.<module>`, by default of `batch` clips of `seconds` a step; with
    `takes_units` it offers what is the run's `beside`. Raises ValueError where the weights lack what is to be taught,
    or nothing can teach."""
    parser = argparse.ArgumentParser(
        prog=f"python -m models.{module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options = TrainingOptions
    add_run_arguments(parser, batch, seconds, options.workers, options.seed)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--weights", type=Path, required=True, help="of the streaming generator to teach")
    if takes_units:
        parser.add_argument(
            "--beside",
            type=int,
            default=0,
            metavar="UNITS",
            help="units that learn of what is mistaken, beside those there are, which stay (default: these learn anew)",
        )
    given = parser.parse_args(arguments)
    prepare_process(given.seed, given.threads)
    generator, facts = load_band_split(given.weights)
    chosen = {"beside": given.beside} if takes_units else {}
    run = make_run(given.out, generator, given.learning_rate, given.minutes, **chosen)
    lessons = Lessons.find(given, degradations, None)
    training = make_batches(lessons, given)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"started {given.out}: {lessons}", flush=True)
    checkpoint_minutes = min(TrainingOptions.checkpoint_minutes, given.minutes / 4)
    run_for(run, given.minutes, checkpoint_minutes, iter(training), lambda recent: run.checkpoint(recent, facts))
