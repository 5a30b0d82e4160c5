"""Teach a streaming generator's equaliser what covers do: python -m models.learn_colour --weights W --out runs/colour
--minutes 8

Half of the music it hears was recorded through a random cover (models/data/steps/bandwidth.py); in all of it there may
be rooms and noise. The gate learns which half, the equaliser the cover's gains with the opposite sign. All other
weights of W stay as they are. The run begins anew at each call: it takes minutes.

OUT/generator.safetensors   the weights with the equaliser's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from models.checkpoint import load_band_split, save_generator
from models.curve import append_row, means
from models.data.dataset import DegradedMusic
from models.data.degradations import Samples
from models.data.material import Material
from models.data.recipes import Recipe
from models.data.steps.bandwidth import COVER_HERTZ, coloured_by, cover_gain_db
from models.generators.band_split import LARGEST_COLOUR, BandSplitGenerator
from models.generators.features import NEPERS_PER_DB, share_of
from models.run_arguments import Lessons, add_run_arguments
from models.schedule import set_learning_rate
from models.timed_run import CountingRun, run_for
from models.trainer import CURVE_NAME, WEIGHTS_NAME, TrainingOptions

BEFORE_THE_COVER = "room -4..12 @0.3, noise any 0..30 @0.5"
BEHIND_IT = "noise any 10..40 @0.3, lowpass 3000..16000 @0.2, bits 16 @0.5"
COVERED_SHARE = 0.5
SHELF_DB = (-24.0, -8.0)
# To colour what was not covered is worse than to leave what was.
UNCOVERED_WEIGHT = 1.5
# What a band must reach above the recording's level to say something, in nepers: from the first on a little, from the
# second on all.
HEARD_NEPERS = (-11.0, -9.0)
SETTLED_SECONDS = 1.0  # before it the long mean says little
COLOUR_COLUMNS = ("minutes", "examples", "audio_hours", "learning_rate", "loss", "gate", "gains_db")
BATCH = 16
LEARNING_RATE = 3e-3


class CoveredMusic(DegradedMusic):
    """Examples without end: what is heard, [samples], and the cover's gains in nepers at COVER_HERTZ; zero for none."""

    def __init__(self, material: Material, seconds: float, seed: int) -> None:
        self.before, self.behind = Recipe.parse(BEFORE_THE_COVER), Recipe.parse(BEHIND_IT)
        super().__init__(material, seconds, Recipe(self.before.steps + self.behind.steps), seed)

    def example(self, random: np.random.Generator) -> tuple[Samples, Samples]:
        clean, cutoff_hz = self.music(random)
        clip = self.before.degrade(clean, cutoff_hz, self.material, random)
        gain_db = np.zeros(len(COVER_HERTZ))
        if random.random() < COVERED_SHARE:
            gain_db = cover_gain_db(COVER_HERTZ, random.uniform(*SHELF_DB), random)
            clip = coloured_by(clip, gain_db)
        heard = self.behind.degrade(clip.degraded, cutoff_hz, self.material, random).degraded
        return heard, (gain_db * NEPERS_PER_DB).astype(np.float32)


def collate_covers(examples: list[tuple[Samples, Samples]]) -> tuple[Tensor, Tensor]:
    """Audio [batch, 1, samples] and gains in nepers [batch, COVER_HERTZ]."""
    heard, nepers = (torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True))
    return heard.unsqueeze(1), nepers


class ColourRun(CountingRun):
    """Teaches a generator's equaliser, into the folder `out`, for `planned` minutes."""

    def __init__(self, out: Path, generator: BandSplitGenerator, learning_rate: float, planned: float) -> None:
        super().__init__()
        if generator.colouring is None:
            raise ValueError("the generator has no equaliser: wanted one of a colour_hidden above 0")
        self.out = out
        self.generator = generator
        self.colouring = generator.colouring
        self.learning_rate = learning_rate
        self.planned = planned
        self.optimizer = torch.optim.AdamW(self.colouring.requires_grad_(True).parameters(), lr=learning_rate)

    @torch.no_grad()
    def levels(self, audio: Tensor) -> Tensor:
        """Long-term levels [bands, batch, frames] of audio [batch, 1, samples], from when they are settled."""
        generator, batch = self.generator, len(audio)
        states, *_ = generator.parted(generator.initial_states(batch))
        observed, _ = generator.features(generator.logs(generator.analysed(audio), batch), states)
        levels = self.colouring.levels(observed.long_term.reshape(-1, 1, 1, generator.config.bins))
        settled = math.ceil(SETTLED_SECONDS * generator.config.sample_rate / generator.config.hop)
        by_clip: Tensor = levels.unflatten(1, (-1, batch)).transpose(1, 2)
        return by_clip[..., settled:-1]

    @torch.no_grad()
    def wanted(self, nepers: Tensor) -> Tensor:
        """What undoes gains in nepers [batch, COVER_HERTZ]: the bands' [bands, batch, 1]."""
        of_bins = functional.interpolate(nepers.unsqueeze(1), self.generator.config.bins, mode="linear")
        undoing = self.colouring.levels(-of_bins.unsqueeze(2))
        return torch.clamp(undoing, -LARGEST_COLOUR, LARGEST_COLOUR).unsqueeze(-1)

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        """One step: the gate's weighted cross entropy, and the squared error of covered clips' gains in bands that are
        heard."""
        audio, nepers = batch
        rate = set_learning_rate(self.optimizer, self.minutes / self.planned, self.learning_rate)
        self.count(audio, self.generator.config.sample_rate)
        levels, wanted = self.levels(audio), self.wanted(nepers)
        logit, gains = (found.unflatten(1, levels.shape[1:]) for found in self.colouring.estimate(levels.flatten(1)))
        covered = nepers.abs().amax(dim=1).gt(0).float().reshape(1, -1, 1).expand_as(logit)
        weights = covered + UNCOVERED_WEIGHT * (1.0 - covered)
        gate = functional.binary_cross_entropy_with_logits(logit, covered, weights)
        quietest, loud = HEARD_NEPERS
        heard = covered * share_of(levels - quietest, loud - quietest)
        error = (heard * (gains - wanted).square()).sum() / heard.sum().clamp_min(1.0)
        loss = gate + error
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        figures = {"loss": loss, "gate": gate, "gains_db": error.sqrt() / NEPERS_PER_DB}
        return {"learning_rate": rate, **{name: float(figure.detach()) for name, figure in figures.items()}}

    def checkpoint(self, recent: Sequence[dict[str, float]], facts: dict[str, object]) -> None:
        """A row of the curve, and the weights."""
        append_row(self.out / CURVE_NAME, {**self.done, **means(recent)}, COLOUR_COLUMNS)
        facts = {**facts, "colour": self.done}
        save_generator(self.out / WEIGHTS_NAME, self.generator, self.generator.state_dict(), facts)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.learn_colour", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options = TrainingOptions
    add_run_arguments(parser, BATCH, options.seconds, options.workers, options.seed)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--weights", type=Path, required=True, help="of the streaming generator to teach")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    generator, facts = load_band_split(given.weights)
    run = ColourRun(given.out, generator, given.learning_rate, given.minutes)
    lessons = Lessons.find(given, f"{BEFORE_THE_COVER}, {BEHIND_IT}", None)
    music = CoveredMusic(lessons.material, given.seconds, given.seed)
    training = DataLoader(music, batch_size=given.batch, num_workers=given.workers, collate_fn=collate_covers)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"started {given.out}: {lessons}", flush=True)
    checkpoint_minutes = min(TrainingOptions.checkpoint_minutes, given.minutes / 4)
    run_for(run, given.minutes, checkpoint_minutes, iter(training), lambda recent: run.checkpoint(recent, facts))


if __name__ == "__main__":
    main()
