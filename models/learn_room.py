"""Teach a streaming generator what rooms add: python -m models.learn_room --weights W --out runs/room --minutes 18

It hears music, of which more than half was recorded in a room; in all of it there may be noise, a cover, missing highs.
Some is steady tones (models/data/tones.py), which were in no room. Of each clip it notes how sound falls and how loud
the bands are, and how much louder the room made each band than the music itself. From all notes so far the gate of
rooms learns the one from the other. All other weights of W stay as they are. The run begins anew at each call. With
--beside UNITS so many units more learn of tones alone that they are in no room, and to say nothing of recordings; what
the gate's units of W say stays.

OUT/generator.safetensors   the weights with the gate's       OUT/curve.csv   losses over time
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
from torch.utils.data import DataLoader

from models.data.dataset import DegradedMusic
from models.data.degradations import Samples
from models.data.recipes import Recipe
from models.generators.band_split import BandSplitGenerator
from models.generators.features import LONG_SECONDS, NEPERS_PER_DB, share_of
from models.generators.resizing import resized
from models.generators.room_gate import LARGEST_ADDED
from models.head_run import MeasuringRun, Widening, run_head, settled_layer, telling_layer
from models.run_arguments import Lessons

RECIPE = (
    "room -8..4 @0.65, noise any 0..30 @0.5, noise any 0..24 @0.1, covered -24..-8 @0.1, clip 3..15 @0.05, "
    "lowpass 3000..16000 @0.35, bits 16 @0.5"
)
TONES_SHARE = 0.2
BATCH, SECONDS = 8, 8.0  # how many clips a step, of which length: in 4 s falls are hardly settled
FRAMES_NOTED = 6  # of each clip
DROPOUT = 0.25  # recordings are few
LEAST_POWER = 1e-18  # of a bin, where a full-scale sine reads 1/4
# Against the loudest band: what a room does to one counts a little from the first level on, wholly from the second.
HEARD_DB = (-70.0, -50.0)


class RoomClips(NamedTuple):
    """What is `heard` of clips, and of that the `music` itself and the room's `reverberation`: [batch, 1, samples]
    each; and whether they are `of_tones`, 0 or 1, [batch, 1]."""

    heard: Tensor
    music: Tensor
    reverberation: Tensor
    of_tones: Tensor


class Notes(NamedTuple):
    """Of frames: what the gate is `told`, [notes, bands * TOLD_OF_BANDS], the gain of each band, `undoing` what the
    clip's room added, in nepers, and how much that counts, `weights` from 0 to 1: [notes, bands] each; and whether the
    clip is `of_tones`, 0 or 1, [notes, 1]."""

    told: Tensor
    undoing: Tensor
    weights: Tensor
    of_tones: Tensor


class MusicInRooms(DegradedMusic):
    """Examples without end: what is heard, the music in it and the reverberation in it, [samples] each; and whether it
    is tones, 0 or 1, [1]."""

    def example(self, random: np.random.Generator) -> tuple[Samples, ...]:
        of_tones = random.random() < TONES_SHARE
        if of_tones:
            clip = self.tones(random)
        else:
            clean, cutoff_hz = self.music(random)
            clip = self.recipe.degrade(clean, cutoff_hz, self.material, random)
        return clip.degraded, clip.music, clip.reverberation, np.array([of_tones], dtype=np.float32)


def collate_rooms(examples: list[tuple[Samples, ...]]) -> RoomClips:
    """Clips side by side."""
    heard, music, reverberation, of_tones = (torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True))
    return RoomClips(heard.unsqueeze(1), music.unsqueeze(1), reverberation.unsqueeze(1), of_tones)


class RoomRun(MeasuringRun):
    """Teaches a generator's gate of rooms. Its columns: the mean size, over bands that are heard, of what rooms added
    and of the error in it."""

    name = "room"
    columns = ("added_db", "error_db")
    fits_a_step = 8
    notes_a_fit = 128

    def __init__(
        self, out: Path, generator: BandSplitGenerator, learning_rate: float, planned: float, beside: int = 0
    ) -> None:
        gate = generator.room_gate
        if gate is None:
            raise ValueError("the generator has no gate of rooms: wanted one of a room_hidden above 0")
        self.before = None
        if beside:
            narrow = settled_layer(gate.narrow, gate.narrow_bias)
            self.before = nn.Sequential(settled_layer(gate.widen, gate.widen_bias), nn.SiLU(), narrow)
            generator = resized(generator, replace(generator.config, room_hidden=len(gate.widen) + beside)).eval()
        assert generator.room_gate is not None
        self.gate = generator.room_gate
        units, dropout = beside or len(gate.widen), 0.0 if beside else DROPOUT
        self.widen = Widening(gate.widen.shape[1], units, dropout)
        self.narrow = telling_layer(units, gate.bands, beside > 0)
        learnt = nn.Sequential(self.widen, nn.SiLU(), nn.Dropout(dropout), self.narrow)
        super().__init__(out, generator, learnt, learning_rate, planned)
        self.learnt = learnt
        self.window = torch.hann_window(generator.config.window)

    @torch.no_grad()
    def told(self, audio: Tensor) -> Tensor:
        """Falls, rises and levels [bands * TOLD_OF_BANDS, batch, frames] of audio [batch, 1, samples], from when
        levels are settled."""
        return self.settled(self.generator.told_by(audio).of_rooms, len(audio), LONG_SECONDS)

    @torch.no_grad()
    def band_powers(self, audio: Tensor) -> Tensor:
        """Mean power of each band over time, [batch, bands], of audio [batch, 1, samples]. In another window than the
        generator's, which leaks more of loud bands into quiet ones."""
        size = self.generator.config.window
        spectrum = torch.stft(audio.squeeze(1), size, window=self.window, center=False, return_complex=True)
        power = (spectrum[:, :-1] / self.window.sum()).abs().square().mean(dim=2)
        of_bands: Tensor = self.generator.band_means(power)
        return of_bands

    def fold(self) -> None:
        """Bring what is learnt into the gate, which is told everything as it is."""
        self.fold_into(self.gate, narrow=self.narrow)

    def noted(self, batch: RoomClips) -> Notes:
        """What the gate is told in some frames, spread over each clip, and what the room added."""
        self.count(batch.heard, self.generator.config.sample_rate)
        told = self.told(batch.heard)
        self.widen.measure(told)
        music = LEAST_POWER + self.band_powers(batch.music)
        in_room = LEAST_POWER + self.band_powers(batch.music + batch.reverberation)
        # Above zero where waves of both cancel
        undoing = (0.5 * torch.log(music / in_room)).clamp(-LARGEST_ADDED, 0.0)
        level_db = 10.0 * torch.log10(music / music.amax(dim=1, keepdim=True))
        quiet, loud = HEARD_DB
        # Of tones it is known of silent bands, too, that nothing was added
        weights = torch.maximum(share_of(level_db - quiet, loud - quiet), batch.of_tones)
        of_clips = (part.repeat_interleave(FRAMES_NOTED, dim=0) for part in (undoing, weights, batch.of_tones))
        return Notes(self.of_frames(told, FRAMES_NOTED), *of_clips)

    def losses(self, notes: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The squared error of what rooms added, in bands that are heard, and the mean size of both in dB."""
        told, undoing, weights, of_tones = notes
        found = self.learnt(told)
        if self.before is not None:
            said = self.before(told)
            found = (said + found).clamp_max(0.0)  # the gate hears of no more
            undoing = (1.0 - of_tones) * said.clamp_max(0.0)
            weights = torch.ones_like(undoing)
        error = found - undoing
        whole = weights.sum().clamp_min(1.0)
        loss = (weights * error.square()).sum() / whole
        added_db, error_db = ((weights * x.abs()).sum() / whole / NEPERS_PER_DB for x in (undoing, error))
        return {"loss": loss, "added_db": added_db, "error_db": error_db}


def music(lessons: Lessons, given: argparse.Namespace) -> Iterable[RoomClips]:
    """Batches without end."""
    clips = MusicInRooms(lessons.material, given.seconds, Recipe.parse(RECIPE), given.seed)
    return DataLoader(clips, batch_size=given.batch, num_workers=given.workers, collate_fn=collate_rooms)


def main(arguments: Sequence[str] | None = None) -> None:
    run_head(arguments, "learn_room", __doc__ or "", RECIPE, RoomRun, music, BATCH, SECONDS, takes_units=True)


if __name__ == "__main__":
    main()
