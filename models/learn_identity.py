"""Train an autoencoder on identity: python -m models.learn_identity --out runs/identity --minutes 10

Its bottleneck is what models.train --autoencoder OUT/autoencoder.safetensors measures distances at. It hears the clean
music that generators are to restore. The run stops after --minutes and goes on when called again with more.

OUT/autoencoder.safetensors   the autoencoder       OUT/curve.csv   its loss over time
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from models.autoencoder import Autoencoder, restore_autoencoder, save_autoencoder
from models.curve import append_row, means
from models.data.dataset import Batch
from models.generators.unet import UNetConfig, layer_sizes
from models.processes import prepare_process
from models.reconstruction import waveform_distance
from models.run_arguments import Lessons, add_run_arguments
from models.schedule import set_learning_rate
from models.timed_run import CountingRun, run_for
from models.trainer import CURVE_NAME, TrainingOptions

AUTOENCODER_NAME = "autoencoder.safetensors"
IDENTITY_COLUMNS = ("minutes", "examples", "audio_hours", "learning_rate", "loss")
UNDEGRADED = "clean"
DEFAULT_DEPTH, DEFAULT_WIDTH = 4, 12


class IdentityRun(CountingRun):
    """Trains an autoencoder in the folder `out`, for `planned` minutes in all."""

    def __init__(self, out: Path, autoencoder: Autoencoder, learning_rate: float, planned: float) -> None:
        super().__init__()
        self.out = out
        self.autoencoder = autoencoder
        self.learning_rate = learning_rate
        self.planned = planned
        self.optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=learning_rate)

    def resume(self) -> bool:
        """Go on from the folder's autoencoder, if there is one."""
        path = self.out / AUTOENCODER_NAME
        if not path.exists():
            return False
        self.take_up(restore_autoencoder(path, self.autoencoder, self.optimizer))
        return True

    def step(self, batch: Batch) -> dict[str, float]:
        """One step towards the identity: the relative squared distance of what comes out to what went in."""
        rate = set_learning_rate(self.optimizer, self.minutes / self.planned, self.learning_rate)
        self.count(batch.target, self.autoencoder.config.sample_rate)
        whole = batch.target[..., : batch.target.shape[-1] // self.autoencoder.factor * self.autoencoder.factor]
        loss = waveform_distance("l2", self.autoencoder(whole), whole)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"learning_rate": rate, "loss": float(loss.detach())}

    def checkpoint(self, recent: Sequence[dict[str, float]]) -> None:
        """A row of the curve, and the autoencoder."""
        append_row(self.out / CURVE_NAME, {**self.done, **means(recent)}, IDENTITY_COLUMNS)
        save_autoencoder(self.out / AUTOENCODER_NAME, self.autoencoder, self.optimizer, self.done)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.learn_identity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options = TrainingOptions
    add_run_arguments(parser, options.batch, options.seconds, options.workers, options.seed)
    parser.add_argument("--learning-rate", type=float, default=options.learning_rate)
    parser.add_argument("--sample-rate", type=int, default=UNetConfig.sample_rate, help="the generator's, in hertz")
    parser.add_argument("--depth", type=int, default=DEFAULT_DEPTH, help="blocks down, and up")
    parser.add_argument("--width", type=int, default=DEFAULT_WIDTH, help="channels at the top")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    prepare_process(given.seed, given.threads)
    channels, filters = layer_sizes(given.depth, given.width)
    config = UNetConfig(sample_rate=given.sample_rate, channels=channels, filters=filters, dropout=0.0)
    run = IdentityRun(given.out, Autoencoder(config), given.learning_rate, given.minutes)
    resumed = run.resume()
    lessons = Lessons.find(given, UNDEGRADED, given.sample_rate)
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{'resumed' if resumed else 'started'} {given.out}: {lessons}", flush=True)
    run_for(run, given.minutes, TrainingOptions.checkpoint_minutes, lessons.training(run.examples), run.checkpoint)


if __name__ == "__main__":
    main()
