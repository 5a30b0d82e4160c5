"""One training run in a folder: steps, checkpoints, the curve; it stops in time and goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from models.adversarial import AdversarialWeights
from models.averaged_weights import AveragedWeights
from models.checkpoint import (
    BAND_SPLIT,
    FIRST_LAYOUT,
    LAYOUT,
    Generator,
    config_text,
    kind_of,
    optimizer_tensors,
    read_config,
    read_tensors,
    restore_optimizer,
    save_generator,
    write_tensors,
)
from models.curve import append_row, means
from models.data.dataset import Batch
from models.data.recipes import DEFAULT_RECIPE
from models.generators.unet import UNet
from models.opponent import Opponent
from models.precision import Precision, autocast
from models.processes import ALONE, Processes
from models.reconstruction import ReconstructionLoss, ReconstructionWeights
from models.restoring import as_trained, inputs, move
from models.schedule import set_learning_rate
from models.timed_run import run_for
from models.validation import validate

WEIGHTS_NAME = "generator.safetensors"
TRAINING_NAME = "training.safetensors"
CURVE_NAME = "curve.csv"
GRADIENT_NORM = 1.0
MOMENTS = (0.9, 0.98)
Term = Callable[[Tensor, Batch], tuple[Tensor, dict[str, Tensor]]]
"""A part of the generator's loss beside the reconstruction: of the enhanced audio and its batch, with parts to show."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; times in minutes, lengths in seconds."""

    minutes: float
    batch: int = 4
    seconds: float = 4.0
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 1
    workers: int = 1
    checkpoint_minutes: float = 3.0
    degradations: str = DEFAULT_RECIPE
    reconstruction: ReconstructionWeights = field(default_factory=ReconstructionWeights)
    adversarial: AdversarialWeights | None = None
    precision: Precision = "auto"


def reconstruction_loss(generator: Generator, weights: ReconstructionWeights) -> ReconstructionLoss:
    """The reconstruction loss at the generator's rate and of what it is trained on: clips, or windows."""
    if isinstance(generator, UNet):
        return ReconstructionLoss(generator.config.sample_rate, weights, generator.config.window)
    return ReconstructionLoss(generator.config.sample_rate, weights)


class Trainer:
    """Trains a generator in the folder `out`, alone or against an `opponent`, with further `terms` in its loss."""

    def __init__(
        self,
        out: Path,
        generator: Generator,
        options: TrainingOptions,
        opponent: Opponent | None = None,
        terms: Sequence[Term] = (),
        processes: Processes = ALONE,
    ) -> None:
        self.out = out
        self.options = options
        self.processes = processes
        self.generator = generator.to(processes.device)
        self.parallel = processes.parallel(self.generator)
        self.loss = reconstruction_loss(generator, options.reconstruction).to(processes.device)
        self.optimizer = torch.optim.AdamW(
            generator.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=MOMENTS
        )
        self.average = AveragedWeights(generator)
        self.opponent = opponent
        self.terms = list(terms)
        self.step_count = 0
        self.minutes = 0.0

    @property
    def examples(self) -> int:
        return self.step_count * self.options.batch * self.processes.size

    @property
    def audio_hours(self) -> float:
        return self.examples * self.options.seconds / 3600

    @property
    def progress(self) -> float:
        """Share of the run's minutes that is over."""
        return self.minutes / self.options.minutes

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one. Raises ValueError where it is of another generator."""
        path = self.out / TRAINING_NAME
        if not path.exists():
            return False
        tensors, metadata = read_tensors(path)
        progress = json.loads(metadata["progress"])
        wanted = config_text(self.generator.config)
        if read_config(metadata["config"]) != read_config(wanted):
            raise ValueError(f"{path} belongs to a generator of configuration {metadata['config']}, wanted {wanted}")
        layout = metadata.get("layout", FIRST_LAYOUT)
        if kind_of(self.generator) == BAND_SPLIT and layout != LAYOUT:
            raise ValueError(
                f"{path} holds weights in layout {layout}, wanted {LAYOUT}: begin a run in another folder with "
                f"--initial-weights {self.out / WEIGHTS_NAME}"
            )
        self.generator.load_state_dict(
            {n.removeprefix("last."): t for n, t in tensors.items() if n.startswith("last.")}
        )
        self.average.values = {
            n.removeprefix("average."): t.to(self.processes.device)
            for n, t in tensors.items()
            if n.startswith("average.")
        }
        restore_optimizer(self.optimizer, tensors)
        self.step_count, self.minutes = int(progress["steps"]), float(progress["minutes"])
        if self.opponent is not None:
            self.opponent.resume(self.out)
        return True

    def save(self, facts: dict[str, object]) -> None:
        """Write the averaged weights and what resuming needs."""
        tensors = {f"last.{name}": value for name, value in self.generator.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        tensors |= optimizer_tensors(self.optimizer)
        progress = {"steps": self.step_count, "minutes": self.minutes}
        metadata = {
            "progress": json.dumps(progress),
            "generator": kind_of(self.generator),
            "config": config_text(self.generator.config),
            "layout": LAYOUT,
        }
        write_tensors(self.out / TRAINING_NAME, tensors, metadata)
        facts = {**facts, **progress, "audio_hours": self.audio_hours, "options": asdict(self.options)}
        save_generator(self.out / WEIGHTS_NAME, self.generator, self.average.values, facts)
        if self.opponent is not None:
            self.opponent.save(self.out, facts)

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of gradient descent on clips; the parts of the loss, averaged over all processes."""
        batch = as_trained(self.generator, move(batch, self.processes.device))
        rate = set_learning_rate(self.optimizer, self.progress, self.options.learning_rate)
        opponent = self.opponent if self.opponent is not None and self.opponent.joined(self.progress) else None
        with autocast(self.options.precision, self.processes.device):
            enhanced = self.parallel(*inputs(self.generator, batch)).float()
        value, parts = self.loss(enhanced, batch)
        terms: list[Term] = [*self.terms]
        if opponent:
            terms.append(opponent)
        for term in terms:
            more, more_parts = term(enhanced, batch)
            value, parts = value + more, parts | more_parts
        self.optimizer.zero_grad()
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), GRADIENT_NORM)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self.average.update(self.generator, self.step_count)
        self.step_count += 1
        figures = {"loss": value.detach(), **parts}
        if opponent:
            figures |= opponent.learn(enhanced, batch)
        shared = self.processes.mean({name: float(figure) for name, figure in figures.items()})
        return {"learning_rate": rate, **shared}

    def checkpoint(self, recent: Sequence[dict[str, float]], fixed: Sequence[Batch], facts: dict[str, object]) -> None:
        """A row of the curve, of `recent` steps and the `fixed` batches, and the weights."""
        row = {"minutes": self.minutes, "examples": float(self.examples), "audio_hours": self.audio_hours}
        figures = validate(self.generator, self.average.values, self.loss, fixed)
        append_row(self.out / CURVE_NAME, {**row, **means(recent), **figures})
        self.save(facts)

    def run(self, training: Iterator[Batch], fixed: Sequence[Batch], facts: dict[str, object]) -> None:
        """Train until the minutes are used up, with a checkpoint and a row of the curve every few minutes."""
        run_for(
            self,
            self.options.minutes,
            self.options.checkpoint_minutes,
            training,
            lambda recent: self.checkpoint(recent, fixed, facts),
            self.processes,
        )
