"""Teach a streaming generator's equaliser what covers do: python -m models.learn_colour --weights W --out runs/colour
--minutes 9

Half of the music it hears was recorded through a random cover (models/data/steps/bandwidth.py); in all of it there may
be rooms and noise. Some is mistaken for covered and never was: steady tones (models/data/tones.py), and music in loud
rumble or in a strong room. Of each clip it notes how the bands are over time, and what the cover did. From all notes so
far the gate learns which half was covered, the equaliser the cover's gains with the opposite sign. All other weights of
W stay as they are. The run begins anew at each call: it takes minutes. With --beside UNITS so many units more learn
alone, of what is mistaken, that it is not covered, and to say nothing of all else; what the equaliser's units of W say
stays (learning without forgetting: Li and Hoiem 2016, arXiv 1606.09282; in units of its own: Rusu et al. 2016, arXiv
1606.04671).

OUT/generator.safetensors   the weights with the equaliser's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from models.data.dataset import DegradedMusic
from models.data.degradations import Samples
from models.data.material import Material
from models.data.recipes import Recipe
from models.data.steps.bandwidth import COVER_HERTZ, coloured_by, cover_gain_db
from models.generators.band_split import FLOORS, LARGEST_COLOUR, BandSplitGenerator
from models.generators.falls import KINDS
from models.generators.features import NEPERS_PER_DB, share_of
from models.generators.resizing import resized
from models.head_run import MeasuringRun, Widening, run_head, settled_layer, telling_layer
from models.run_arguments import Lessons

BEFORE_THE_COVER = "room -4..12 @0.3, noise any 0..30 @0.5, noise rumble 0..30 @0.2"
IN_RUMBLE = "room -4..12 @0.3, noise any 0..30 @0.3, noise rumble -5..20, codec any 0..0.6 @0.05, bits 16 @0.5"
IN_ROOMS = "room -8..0, noise any 0..30 @0.3, lowpass 3000..16000 @0.1, codec any 0..0.6 @0.05, bits 16 @0.5"
MISTAKEN = (IN_RUMBLE, IN_ROOMS)  # for covered
MISTAKEN_ODDS = (0.6, 0.4)
BEHIND_IT = "noise any 10..40 @0.3, lowpass 3000..16000 @0.2, codec any 0..0.6 @0.08, bits 16 @0.5"
TONES_SHARE = 0.2
MISTAKEN_SHARE = 0.4  # of all else
COVERED_SHARE = 0.5  # of what is left
SHELF_DB = (-24.0, -8.0)
# To colour what was not covered is far worse than to leave what was: at 5, clean clips and rooms were taken for
# covered.
UNCOVERED_WEIGHT = 12.0
# Against the loudest band: how one was covered counts a little from the first level on, wholly from the second. What a
# low-pass or an encoder left empty is as deep below.
HEARD_DB = (-85.0, -70.0)
# Below the first the gate is shut and above the second open, whatever the logit.
DECIDED_LOGITS = (-3.0, 4.0)
SETTLED_SECONDS = 1.0  # before it the long mean says little
BATCH, SECONDS = 16, 4.0  # how many clips a step, of which length
FRAMES_NOTED = 4  # of each clip
DROPOUT = 0.1


class Notes(NamedTuple):
    """Of frames: what is `told` of the bands over time, [notes, bands * TOLD_OVER_TIME], what undoes the cover in
    nepers, `undoing`, [notes, bands], and whether the clip was `covered`, and whether it is easily `mistaken` for that,
    0 or 1, [notes] each."""

    told: Tensor
    undoing: Tensor
    covered: Tensor
    mistaken: Tensor


class CoveredMusic(DegradedMusic):
    """Examples without end: what is heard, [samples], the cover's gains in nepers at COVER_HERTZ, zero for none, and
    whether it is of those that are mistaken for covered, 0 or 1, [1]."""

    def __init__(self, material: Material, seconds: float, seed: int) -> None:
        self.before, self.behind, *self.mistaken = map(Recipe.parse, (BEFORE_THE_COVER, BEHIND_IT, *MISTAKEN))
        steps = [step for recipe in (self.before, self.behind, *self.mistaken) for step in recipe.steps]
        super().__init__(material, seconds, Recipe(tuple(steps)), seed)

    def example(self, random: np.random.Generator) -> tuple[Samples, ...]:
        mistaken, not_covered = np.ones(1, np.float32), np.zeros(len(COVER_HERTZ), np.float32)
        if random.random() < TONES_SHARE:
            return self.tones(random).degraded, not_covered, mistaken
        clean, cutoff_hz = self.music(random)
        if random.random() < MISTAKEN_SHARE:
            recipe = self.mistaken[int(random.choice(len(self.mistaken), p=MISTAKEN_ODDS))]
            return recipe.degrade(clean, cutoff_hz, self.material, random).degraded, not_covered, mistaken
        clip = self.before.degrade(clean, cutoff_hz, self.material, random)
        gain_db = np.zeros(len(COVER_HERTZ))
        if random.random() < COVERED_SHARE:
            gain_db = cover_gain_db(COVER_HERTZ, random.uniform(*SHELF_DB), random)
            clip = coloured_by(clip, gain_db)
        heard = self.behind.degrade(clip.degraded, cutoff_hz, self.material, random).degraded
        return heard, (gain_db * NEPERS_PER_DB).astype(np.float32), np.zeros(1, np.float32)


def collate_covers(examples: list[tuple[Samples, ...]]) -> tuple[Tensor, Tensor, Tensor]:
    """Audio [batch, 1, samples], gains in nepers [batch, COVER_HERTZ], and whether each is easily mistaken for covered,
    [batch, 1]."""
    heard, nepers, mistaken = (torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True))
    return heard.unsqueeze(1), nepers, mistaken


class ColourRun(MeasuringRun):
    """Teaches a generator's equaliser. Its columns: the gate's weighted cross entropy, and the error in a cover's
    gains."""

    name = "colour"
    columns = ("gate", "gains_db")
    fits_a_step = 16
    notes_a_fit = 192

    def __init__(
        self, out: Path, generator: BandSplitGenerator, learning_rate: float, planned: float, beside: int = 0
    ) -> None:
        ours = generator.colouring
        if ours is None:
            raise ValueError("the generator has no equaliser: wanted one of a colour_hidden above 0")
        hidden, told = ours.widen.shape
        self.before = None
        if beside:
            gate = settled_layer(ours.gate, ours.gate_bias)
            self.before = nn.Sequential(settled_layer(ours.widen, ours.widen_bias), nn.SiLU(), gate)
            generator = resized(generator, replace(generator.config, colour_hidden=hidden + beside)).eval()
        assert generator.colouring is not None
        self.colouring = generator.colouring
        units, dropout = beside or hidden, 0.0 if beside else DROPOUT
        self.widen = Widening(told, units, dropout)
        self.gate = telling_layer(units, 1, beside > 0)
        self.narrow = telling_layer(units, generator.layout.bands, beside > 0)
        self.hidden = nn.Sequential(self.widen, nn.SiLU(), nn.Dropout(dropout))
        learnt = nn.ModuleList([self.hidden, self.gate, self.narrow])
        super().__init__(out, generator, learnt, learning_rate, planned)

    @torch.no_grad()
    def told(self, audio: Tensor) -> Tensor:
        """What is told of the bands over time, [bands * TOLD_OVER_TIME, batch, frames], of audio [batch, 1, samples],
        from when levels are settled."""
        return self.settled(torch.cat(self.generator.told_by(audio)), len(audio), SETTLED_SECONDS)

    @torch.no_grad()
    def wanted(self, nepers: Tensor) -> Tensor:
        """What undoes gains in nepers [batch, COVER_HERTZ]: the bands' [batch, bands]."""
        of_bins = functional.interpolate(nepers.unsqueeze(1), self.generator.config.bins, mode="linear")
        undoing = self.generator.band_means(-of_bins.squeeze(1))
        return torch.clamp(undoing, -LARGEST_COLOUR, LARGEST_COLOUR)

    def noted(self, batch: tuple[Tensor, Tensor, Tensor]) -> Notes:
        """What is told in some frames, spread over each clip, and what undoes its cover."""
        audio, nepers, mistaken = batch
        self.count(audio, self.generator.config.sample_rate)
        told = self.told(audio)
        self.widen.measure(told)
        covered = nepers.abs().amax(dim=1).gt(0).float()
        return Notes(
            self.of_frames(told, FRAMES_NOTED),
            self.wanted(nepers).repeat_interleave(FRAMES_NOTED, dim=0),
            covered.repeat_interleave(FRAMES_NOTED),
            mistaken.squeeze(1).repeat_interleave(FRAMES_NOTED),
        )

    def losses(self, notes: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The gate's weighted cross entropy, and the squared error of covered clips' gains in bands that are heard."""
        told, undoing, covered, mistaken = notes
        hidden = self.hidden(told)
        logit = self.gate(hidden).squeeze(1)
        if self.before is not None:
            return self.kept(self.before(told).squeeze(1), logit, mistaken)
        weights = covered + UNCOVERED_WEIGHT * (1.0 - covered)
        gate = functional.binary_cross_entropy_with_logits(logit, covered, weights)
        quiet, loud = HEARD_DB
        bands = undoing.shape[1]
        _, levels, _ = told.split([bands * KINDS, bands, bands * FLOORS], dim=1)
        level_db = (levels - levels.amax(dim=1, keepdim=True)) / NEPERS_PER_DB
        heard = covered.unsqueeze(1) * share_of(level_db - quiet, loud - quiet)
        error = (heard * (self.narrow(hidden) - undoing).square()).sum() / heard.sum().clamp_min(1.0)
        return {"loss": gate + error, "gate": gate, "gains_db": error.sqrt() / NEPERS_PER_DB}

    @staticmethod
    def kept(said: Tensor, added: Tensor, mistaken: Tensor) -> dict[str, Tensor]:
        """The squared error of the gate's logit against what it `said` before, with what is `added`, but of what is
        mistaken the cross entropy, as it is not covered. What undoes a cover is not asked: units beside leave it as it
        is."""
        logit = said + added
        least, most = DECIDED_LOGITS
        moved = (logit.clamp(least, most) - said.clamp(least, most)).square()
        gate = ((1.0 - mistaken) * moved + mistaken * UNCOVERED_WEIGHT * functional.softplus(logit)).mean()
        return {"loss": gate, "gate": gate, "gains_db": torch.zeros(())}

    def fold(self) -> None:
        """Bring what is learnt into the equaliser, which is told everything as it is."""
        self.fold_into(self.colouring, gate=self.gate, narrow=self.narrow)


def music(lessons: Lessons, given: argparse.Namespace) -> Iterable[tuple[Tensor, Tensor, Tensor]]:
    """Batches without end."""
    covered = CoveredMusic(lessons.material, given.seconds, given.seed)
    return DataLoader(covered, batch_size=given.batch, num_workers=given.workers, collate_fn=collate_covers)


def main(arguments: Sequence[str] | None = None) -> None:
    recipe = f"{BEFORE_THE_COVER}, {BEHIND_IT}, {', '.join(MISTAKEN)}"
    run_head(arguments, "learn_colour", __doc__ or "", recipe, ColourRun, music, BATCH, SECONDS, takes_units=True)


if __name__ == "__main__":
    main()
