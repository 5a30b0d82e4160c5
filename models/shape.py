"""Shape a discriminator for collaborative sampling: python -m models.shape --generator W --discriminator D --out OUT
--minutes 10

It goes on learning with the generator's refined samples as the fakes (Liu, Kothari and Alahi 2020, arXiv 1902.00813),
so that its gradients lead somewhere even near the data; the generator stays as it is. The run stops after --minutes and
goes on from OUT when called again with more.

OUT/discriminator.safetensors   the shaped discriminator     OUT/curve.csv   its loss, and its judgement of samples
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.adversarial import AdversarialWeights
from models.checkpoint import Generator, load_generator
from models.collaborative import shaping_step
from models.curve import append_row, means
from models.data.dataset import Batch
from models.discriminators.stored import (
    DiscriminatorConfig,
    load_discriminator,
    restore_discriminator,
    save_discriminator,
)
from models.opponent import DISCRIMINATOR_NAME, discriminator_optimizer
from models.processes import prepare_process
from models.refining import Refiner, add_refinement_options, load_refiner, refine_batch
from models.restoring import as_trained, restored_at
from models.run_arguments import Lessons, add_degradations, add_run_arguments
from models.timed_run import CountingRun, run_for
from models.trainer import CURVE_NAME, TrainingOptions

SHAPING_COLUMNS = ("minutes", "examples", "audio_hours", "loss", "score_before", "score_refined", "refinement_steps")


class Shaper(CountingRun):
    """Trains the discriminator of `refiner` in the folder `out`. `facts`: how it was trained before."""

    def __init__(
        self,
        out: Path,
        generator: Generator,
        refiner: Refiner,
        config: DiscriminatorConfig,
        learning_rate: float,
        facts: dict[str, object],
    ) -> None:
        super().__init__()
        self.out = out
        self.generator = generator
        self.refiner = refiner
        self.config = config
        self.discriminator = refiner.discriminator.train()
        self.discriminator.requires_grad_(True)
        self.optimizer = discriminator_optimizer(self.discriminator, learning_rate)
        self.facts = facts

    def resume(self) -> bool:
        """Go on from the folder's discriminator, if there is one."""
        path = self.out / DISCRIMINATOR_NAME
        if not path.exists():
            return False
        self.take_up(restore_discriminator(path, self.discriminator, self.config, self.optimizer)["shaping"])
        return True

    def step(self, batch: Batch) -> dict[str, float]:
        """One step with refined samples as the fakes; only the discriminator moves."""
        self.count(batch.degraded, self.generator.config.sample_rate)
        batch = as_trained(self.generator, batch)
        refined = refine_batch(self.generator, self.refiner, batch)
        loss = shaping_step(
            self.discriminator,
            self.optimizer,
            batch.target,
            refined.audio,
            self.refiner.refinement.kind,
            batch.degraded,
        )
        return {
            "loss": loss,
            "score_before": float(refined.before.mean()),
            "score_refined": float(refined.after.mean()),
            "refinement_steps": float(refined.steps.float().mean()),
        }

    def checkpoint(self, recent: Sequence[dict[str, float]]) -> None:
        """A row of the curve, and the discriminator."""
        append_row(self.out / CURVE_NAME, {**self.done, **means(recent)}, SHAPING_COLUMNS)
        facts = {**self.facts, "shaping": self.done}
        save_discriminator(self.out / DISCRIMINATOR_NAME, self.discriminator, self.config, self.optimizer, facts)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.shape", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options = TrainingOptions
    add_run_arguments(parser, options.batch, options.seconds, options.workers, options.seed)
    add_degradations(parser, default=None)
    parser.add_argument("--generator", type=Path, required=True, help="weights, as models.train writes them")
    parser.add_argument("--discriminator", type=Path, required=True, help="its discriminator, from the same run")
    parser.add_argument("--learning-rate", type=float, default=AdversarialWeights.learning_rate)
    add_refinement_options(parser.add_argument_group("refinement"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    prepare_process(given.seed, given.threads)
    generator, trained = load_generator(given.generator)
    generator.requires_grad_(False)
    _, config, facts = load_discriminator(given.discriminator)
    refiner = load_refiner(given.discriminator, given)
    shaper = Shaper(given.out, generator, refiner, config, given.learning_rate, facts)
    resumed = shaper.resume()
    lessons = Lessons.find(given, given.degradations or trained["options"]["degradations"], restored_at(generator))
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{'resumed' if resumed else 'started'} {given.out}: {lessons}", flush=True)
    run_for(
        shaper, given.minutes, TrainingOptions.checkpoint_minutes, lessons.training(shaper.examples), shaper.checkpoint
    )


if __name__ == "__main__":
    main()
