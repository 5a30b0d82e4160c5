"""Teach a streaming generator to tell whether there is a room: python -m models.learn_room --weights W --out runs/room
--minutes 15

Half of the music it hears was recorded in a room; in all of it there may be noise, a cover, missing highs. The gate
learns which half. All other weights of W stay as they are. The run begins anew at each call.

OUT/generator.safetensors   the weights with the gate's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.batches import batches
from models.data.dataset import Batch
from models.generators.band_split import BandSplitGenerator
from models.generators.features import LONG_SECONDS
from models.head_run import HeadRun, run_head
from models.run_arguments import Lessons

RECIPE = (
    "room -6..4 @0.5, noise any 0..30 @0.6, noise any 0..24 @0.1, covered -24..-8 @0.1, clip 3..15 @0.05, "
    "lowpass 3000..16000 @0.35, bits 16 @0.5"
)
MEASURED_BATCHES = 20  # whose falls say what is usual
LEAST_DEVIATION = 1e-3
DROPOUT = 0.25  # recordings are few


class RoomRun(HeadRun):
    """Teaches a generator's gate of rooms."""

    name = "room"
    columns = ("told",)

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

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The gate's cross entropy, and the share of frames of which it tells rightly whether there is a room."""
        if batch.in_room is None:
            raise ValueError("got clips of which nobody knows whether they were recorded in a room")
        self.count(batch.degraded, self.generator.config.sample_rate)
        falls = self.falls(batch.degraded)
        if len(self.measured) < MEASURED_BATCHES:
            self.measure(falls)
        standing = (falls.permute(1, 2, 0) - self.usual) / self.deviation
        logit = self.learnt(standing).squeeze(2)
        wanted = batch.in_room.unsqueeze(1).expand_as(logit)
        loss = functional.binary_cross_entropy_with_logits(logit, wanted)
        return {"loss": loss, "told": ((logit > 0) == (wanted > 0)).float().mean()}

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
