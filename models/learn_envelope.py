"""Teach a streaming generator the envelope of missing highs: python -m models.learn_envelope --weights W
--out runs/envelope --minutes 10

It hears low-passed music, some of it noisy or in rooms, fills it with copies as W does, and notes how much quieter or
louder these came out than what is missing, band by band, and the long-term spectrum beside it. From all notes so far
the envelope learns the one from the other; where it acts, it only lowers. All other weights of W stay as they are;
where W has no envelope, it gets one. The run begins anew at each call.

OUT/generator.safetensors   the weights with the envelope's       OUT/curve.csv   losses over time
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.batches import batches
from models.data.dataset import Batch
from models.data.recordings import SAMPLE_RATE
from models.generators.band_split import BandSplitGenerator
from models.generators.features import LONG_SECONDS, MAGNITUDE_FLOOR, MAGNITUDE_SCALE, NEPERS_PER_DB
from models.generators.resizing import resized
from models.head_run import NotingRun, run_head
from models.run_arguments import Lessons

RECIPE = "room -4..12 @0.15, noise any 5..35 @0.25, lowpass 3000..12000, bits 16 @0.5"
BATCH, SECONDS = 8, 5.0  # how many clips a step, of which length
HIDDEN = 48  # units of an envelope where there was none
EDGE_SHARE = 0.02  # of the cutoff below which a recording says something: there it begins to fall
HIGHEST_HERTZ = 20000.0  # nothing is heard of what lies above
LEAST_DB = -86.0  # against the RMS of what is heard: what is quieter in a bin is silent
LEVEL_NOISE = 0.4  # nepers of random error in each band's level while it learns: recordings are few
DOUBT = 0.5  # nepers from which on an error counts by its size, below by its square


class Notes(NamedTuple):
    """Of clips: `levels` of the bands' long-term spectrum, what copies `lacked` there, both in nepers, and whether the
    band was to be `filled`: [clips, bands] each."""

    levels: Tensor
    lacked: Tensor
    filled: Tensor


class EnvelopeRun(NotingRun):
    """Teaches a generator's envelope."""

    name = "envelope"
    columns = ("lacked_db", "left_db")
    fits_a_step = 12
    notes_a_fit = 256

    def __init__(self, out: Path, generator: BandSplitGenerator, learning_rate: float, planned: float) -> None:
        generator = with_envelope(generator)
        assert generator.envelope is not None
        self.envelope = generator.envelope
        super().__init__(out, generator, self.envelope, learning_rate, planned)
        self.bare = copy.deepcopy(generator)
        self.bare.envelope = None
        bins = torch.arange(generator.config.bins) * generator.config.sample_rate / generator.config.window
        shares = generator.band_means.shares.T.repeat_interleave(generator.layout.cell, dim=1)
        self.lowest = torch.stack([bins[share > 0].min() for share in shares])
        self.highest = torch.stack([bins[share > 0].max() for share in shares])

    def band_levels(self, logs: Tensor, loudness: Tensor) -> Tensor:
        """Mean levels [clips, bands] of what is heard in settled frames, by log magnitudes [1, time, clips, bins] and
        the clips' RMS `loudness` [clips]."""
        least = math.log(MAGNITUDE_SCALE) + LEAST_DB * NEPERS_PER_DB + torch.log(loudness)
        heard = torch.maximum(logs, least.reshape(1, 1, -1, 1))
        by_frame = self.generator.band_means(heard.flatten(0, 2)).T
        return self.settled(by_frame, len(loudness), LONG_SECONDS).mean(dim=-1).T

    @torch.no_grad()
    def noted(self, batch: Batch) -> Notes:
        """What the generator without an envelope makes of a batch under controls 1, 1, 1."""
        self.count(batch.degraded, self.generator.config.sample_rate)
        bare, clips = self.bare, len(batch.degraded)
        levels = bare.told_by(batch.degraded).levels
        loudness = batch.degraded.square().mean(dim=(1, 2)).sqrt().clamp_min(MAGNITUDE_FLOOR)
        enhanced = bare(batch.degraded, torch.ones_like(batch.controls))
        found, wanted = (
            self.band_levels(bare.logs(bare.analysed(audio), clips), loudness) for audio in (enhanced, batch.target)
        )
        known = batch.cutoff_hz.unsqueeze(1) * (1.0 - EDGE_SHARE)
        missing = (self.lowest > batch.passband_hz.unsqueeze(1)) & (self.highest < known.clamp_max(HIGHEST_HERTZ))
        return Notes(self.settled(levels, clips, LONG_SECONDS)[..., -1].T, wanted - found, missing.float())

    def losses(self, notes: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Of notes: the error's loss, what copies lacked, and what they lack now, the mean size of each in dB."""
        levels, lacked, filled = (part.T for part in notes)
        told = self.envelope.estimate(levels + LEVEL_NOISE * torch.randn_like(levels))
        whole = filled.sum().clamp_min(1.0)
        loss = (filled * functional.huber_loss(told, lacked, reduction="none", delta=DOUBT)).sum() / whole
        left_db, lacked_db = ((filled * x.abs()).sum() / whole / NEPERS_PER_DB for x in (told - lacked, lacked))
        return {"loss": loss, "lacked_db": lacked_db, "left_db": left_db}


@torch.no_grad()
def with_envelope(generator: BandSplitGenerator) -> BandSplitGenerator:
    """The generator, with an envelope that changes nothing where it had none."""
    if generator.envelope is not None:
        return generator
    return resized(generator, replace(generator.config, envelope_hidden=HIDDEN)).eval()


def music(lessons: Lessons, given: argparse.Namespace) -> Iterable[Batch]:
    """Batches without end."""
    return batches(
        lessons.material,
        RECIPE,
        given.seconds,
        given.batch,
        given.seed,
        workers=given.workers,
        restored_at=SAMPLE_RATE,  # wholly: under controls 1, 1, 1
    )


def main(arguments: Sequence[str] | None = None) -> None:
    run_head(arguments, "learn_envelope", __doc__ or "", RECIPE, EnvelopeRun, music, BATCH, SECONDS)


if __name__ == "__main__":
    main()
