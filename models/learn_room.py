"""Teach a streaming generator to tell strong rooms: python -m models.learn_room --weights W --out runs/room
--minutes 15

It hears music, of which more than half was recorded in a room; in all of it there may be noise, a cover, missing highs.
The gate learns where the room is strong: much louder than the music itself, or less so under noise. There what is taken
as reverberation mostly is that, elsewhere more is lost than gained. All other weights of W stay as they are. The run
begins anew at each call.

OUT/generator.safetensors   the weights with the gate's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.batches import batches
from models.data.dataset import Batch
from models.generators.band_split import BandSplitGenerator
from models.generators.features import LONG_SECONDS
from models.head_run import NotingRun, run_head
from models.run_arguments import Lessons

RECIPE = (
    "room -8..4 @0.6, noise any 0..30 @0.6, noise any 0..24 @0.1, covered -24..-8 @0.1, clip 3..15 @0.05, "
    "lowpass 3000..16000 @0.35, bits 16 @0.5"
)
# How much louder than the music the reverberation of a strong room is: of 60 clips in rooms, 21 of the 22 that these
# make louder by more than the first sound better to ViSQOL without what is taken, and 4 of the other 38. Under noise,
# where what is taken wrongly would have drowned, less will do.
STRONG_DB = 8.0
STRONG_UNDER_NOISE_DB = 3.0
NOISY_DB = -25.0  # against the music
FRAMES_NOTED = 6  # of each clip
MEASURED_BATCHES = 20  # whose falls say what is usual
LEAST_DEVIATION = 1e-3
DROPOUT = 0.25  # recordings are few


class Notes(NamedTuple):
    """Of frames: the gate's `falls`, [notes, falls], and whether the clip was recorded in a `strong` room, [notes]."""

    falls: Tensor
    strong: Tensor


class RoomRun(NotingRun):
    """Teaches a generator's gate of rooms. Its column `told` is how much higher the gate's share is in strong rooms
    than elsewhere, -1 to 1."""

    name = "room"
    columns = ("told",)
    fits_a_step = 3
    notes_a_fit = 128

    def __init__(self, out: Path, generator: BandSplitGenerator, learning_rate: float, planned: float) -> None:
        if generator.room_gate is None:
            raise ValueError("the generator has no gate of rooms: wanted one of a room_hidden above 0")
        self.gate = gate = generator.room_gate
        hidden, heard = gate.widen.shape
        self.widen, self.narrow = nn.Linear(heard, hidden), nn.Linear(hidden, 1)
        learnt = nn.Sequential(nn.Dropout(DROPOUT), self.widen, nn.SiLU(), nn.Dropout(DROPOUT), self.narrow)
        super().__init__(out, generator, learnt, learning_rate, planned)
        self.learnt = learnt
        self.measured: list[Tensor] = []
        self.usual, self.deviation = torch.zeros(heard), torch.ones(heard)

    @torch.no_grad()
    def falls(self, audio: Tensor) -> Tensor:
        """Falls and rises [falls, batch, frames] of audio [batch, 1, samples], from when the gate goes by them."""
        observed, states = self.generator.observed(audio)
        falls, _ = self.gate.falls(observed.heights, states.room, self.generator.band_means)
        return self.settled(falls, len(audio), LONG_SECONDS)

    def measure(self, falls: Tensor) -> None:
        """See what is usual: what is learnt hears each fall by how far from that it is."""
        self.measured.append(falls.flatten(1))
        heard = torch.cat(self.measured, dim=1)
        self.usual, self.deviation = heard.mean(dim=1), heard.std(dim=1).clamp_min(LEAST_DEVIATION)

    @torch.no_grad()
    def fold(self) -> None:
        """Bring what is learnt into the gate, which hears the falls as they are."""
        weights = self.widen.weight / self.deviation
        self.gate.widen.copy_(weights)
        self.gate.widen_bias.copy_((self.widen.bias - weights @ self.usual).unsqueeze(1))
        self.gate.narrow.copy_(self.narrow.weight)
        self.gate.narrow_bias.copy_(self.narrow.bias.unsqueeze(1))

    def noted(self, batch: Batch) -> Notes:
        """Some frames' falls, spread over each clip, and where the room is strong. Raises ValueError where nobody knows
        how loud it is."""
        if batch.noise_db is None or batch.reverberation_db is None:
            raise ValueError("got clips of which nobody knows whether they were recorded in a room")
        self.count(batch.degraded, self.generator.config.sample_rate)
        falls = self.falls(batch.degraded)
        if len(self.measured) < MEASURED_BATCHES:
            self.measure(falls)
        spread = torch.linspace(0, falls.shape[-1] - 1, FRAMES_NOTED).round().long()
        least_db = torch.where(batch.noise_db > NOISY_DB, STRONG_UNDER_NOISE_DB, STRONG_DB)
        strong = (batch.reverberation_db > least_db).float().repeat_interleave(FRAMES_NOTED)
        return Notes(falls[..., spread].permute(1, 2, 0).flatten(0, 1), strong)

    def losses(self, notes: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The gate's cross entropy over notes, and how well it tells."""
        falls, strong = notes
        logit = self.learnt((falls - self.usual) / self.deviation).squeeze(1)
        loss = functional.binary_cross_entropy_with_logits(logit, strong)
        share = torch.sigmoid(logit)
        right, wrong = ((share * those).sum() / those.sum().clamp_min(1.0) for those in (strong, 1.0 - strong))
        return {"loss": loss, "told": right - wrong}

    def checkpoint(self, recent: Sequence[dict[str, float]], facts: dict[str, object]) -> None:
        """A row of the curve, and the weights with what was learnt."""
        self.fold()
        super().checkpoint(recent, facts)


def music(lessons: Lessons, given: argparse.Namespace) -> Iterable[Batch]:
    """Batches without end."""
    return batches(lessons.material, RECIPE, given.seconds, given.batch, given.seed, workers=given.workers)


def main(arguments: Sequence[str] | None = None) -> None:
    run_head(arguments, "learn_room", __doc__ or "", RECIPE, RoomRun, music)


if __name__ == "__main__":
    main()
