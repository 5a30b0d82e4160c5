"""Train a generator: python -m models.train --out runs/first --minutes 60

Recordings come from --audio: a folder with music/train, voice/train, noise/train and rir/train (and, if there,
SOURCES.csv and .../valid), MAESTRO's folder, or any folder of music; noise and rooms that are not there are
synthesised. --degradations says what happens to the music, as models/data/recipes.py explains. The run stops after
--minutes of training and goes on from its last checkpoint when called again with more.

OUT/generator.safetensors   the averaged weights, for export        OUT/curve.csv       loss and figures over time
OUT/training.safetensors    what resuming needs                     OUT/data_card.csv   which recordings taught
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from models.checkpoint import (
    load_generator,
    optimizer_tensors,
    read_tensors,
    restore_optimizer,
    save_generator,
    write_tensors,
)
from models.data.dataset import Batch, DegradedMusic, collate
from models.data.material import Material
from models.data.recipes import DEFAULT_RECIPE, Recipe
from models.data.recordings import SAMPLE_RATE, Recording, as_float, find_recordings, keeps_aside, load_cached
from models.data.rooms import simulated_rooms
from models.data_card import write_data_card
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.losses import EnhancementLoss
from models.metrics import si_sdr

WEIGHTS_NAME = "generator.safetensors"
TRAINING_NAME = "training.safetensors"
CURVE_NAME = "curve.csv"
CARD_NAME = "data_card.csv"
CURVE_COLUMNS = (
    "minutes",
    "examples",
    "audio_hours",
    "learning_rate",
    "loss",
    "magnitude",
    "bands_db",
    "ratio_db",
    "valid_loss",
    "valid_magnitude",
    "valid_bands_db",
    "valid_ratio_db",
    "valid_si_sdr_gain_db",
    "valid_clean_si_sdr_db",
)
DEFAULT_AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"
DEFAULT_CACHE = Path.home() / ".cache" / "studiomic"
WARM_UP_SHARE = 0.02
LAST_LEARNING_RATE_SHARE = 0.02
AVERAGE_HALF_LIFE_SHARE = 0.02  # of all steps so far: the average follows fast at first, slowly later
MOST_AVERAGE_DECAY = 0.999
GRADIENT_NORM = 1.0
WATCHING_SEED = 1_000_003
CLEAN_ENOUGH_DB = 60.0  # an input this close to its target counts as clean


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
    valid_batches: int = 4
    checkpoint_minutes: float = 3.0
    degradations: str = DEFAULT_RECIPE


class AveragedWeights:
    """An exponential moving average of a module's parameters, which generalises better than the last step."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        decay = min(MOST_AVERAGE_DECAY, 1.0 - 1.0 / (1.0 + AVERAGE_HALF_LIFE_SHARE * step))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value, 1.0 - decay)


def learning_rate_at(progress: float, peak: float) -> float:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017), over progress 0 to 1."""
    if progress < WARM_UP_SHARE:
        return peak * max(progress, 1e-3) / WARM_UP_SHARE
    fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, (progress - WARM_UP_SHARE) / (1.0 - WARM_UP_SHARE))))
    return peak * (LAST_LEARNING_RATE_SHARE + (1.0 - LAST_LEARNING_RATE_SHARE) * fall)


def load_material(recordings: Sequence[Recording], rooms: Sequence[np.ndarray], cache: Path) -> Material:
    """Decode what is not in the cache yet, with a progress bar."""
    decoded = [
        (recording, load_cached(recording, cache)) for recording in tqdm(recordings, desc="decoding", unit="file")
    ]
    clean = [(r, x) for r, x in decoded if r.kind in ("music", "voice")]
    measured = [as_float(np.asarray(x)) for r, x in decoded if r.kind == "rir"]
    repeats = max(1, len(rooms) // (4 * len(measured))) if measured else 0  # a fifth of all rooms are measured ones
    return Material(
        clean=[x for _, x in clean],
        clean_cutoff_hz=[r.cutoff_hz for r, _ in clean],
        noise=[x for r, x in decoded if r.kind == "noise"],
        noise_names=[r.title for r, _ in decoded if r.kind == "noise"],
        rooms=[*rooms, *measured * repeats],
    )


def watched_material(audio: Path, licences: Sequence[str], cache: Path) -> Material | None:
    """What the curve is watched on: recordings, rooms and noises kept aside in .../valid, or none where there are
    none.
    """
    if not keeps_aside(audio, "valid"):
        return None
    return load_material(find_recordings(audio, "valid", licences), [], cache)


def batches(
    material: Material, options: TrainingOptions, first_example: int, seed: int, workers: int
) -> Iterator[Batch]:
    recipe = Recipe.parse(options.degradations)
    data = DegradedMusic(material, options.seconds, recipe, seed, first_example)
    loader = DataLoader(data, batch_size=options.batch, num_workers=workers, collate_fn=collate)
    return iter(loader)


@torch.no_grad()
def validate(
    generator: BandSplitGenerator, weights: dict[str, Tensor], loss: EnhancementLoss, fixed: Sequence[Batch]
) -> dict[str, float]:
    """Loss and figures of `weights` on fixed batches: gain in SI-SDR where the input was degraded, SI-SDR where it
    was clean.
    """
    current = {name: value.clone() for name, value in generator.state_dict().items()}
    generator.load_state_dict(weights)
    totals: list[dict[str, float]] = []
    gains, clean = [], []
    for batch in fixed:
        enhanced = generator(batch.degraded, batch.controls)
        value, parts = loss(enhanced, batch)
        totals.append({"valid_loss": float(value), **{f"valid_{name}": float(part) for name, part in parts.items()}})
        before, after = si_sdr(batch.degraded, batch.target), si_sdr(enhanced, batch.target)
        untouched = (before > CLEAN_ENOUGH_DB).flatten()
        gains += (after - before).flatten()[~untouched].tolist()
        clean += after.flatten()[untouched].tolist()
    generator.load_state_dict(current)
    return {
        **{name: float(np.mean([row[name] for row in totals])) for name in totals[0]},
        "valid_si_sdr_gain_db": float(np.mean(gains)) if gains else math.nan,
        "valid_clean_si_sdr_db": float(np.mean(clean)) if clean else math.nan,
    }


class Trainer:
    """One training run in a folder: steps, checkpoints, curve."""

    def __init__(self, out: Path, generator: BandSplitGenerator, options: TrainingOptions) -> None:
        self.out = out
        self.options = options
        self.generator = generator
        self.loss = EnhancementLoss(generator.config.sample_rate)
        self.optimizer = torch.optim.AdamW(
            generator.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.98)
        )
        self.average = AveragedWeights(generator)
        self.step_count = 0
        self.minutes = 0.0

    @property
    def examples(self) -> int:
        return self.step_count * self.options.batch

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.out / TRAINING_NAME
        if not path.exists():
            return False
        tensors, metadata = read_tensors(path)
        progress = json.loads(metadata["progress"])
        wanted = asdict(self.generator.config)
        if json.loads(metadata["config"]) != json.loads(json.dumps(wanted)):
            raise ValueError(
                f"{path} belongs to a generator of configuration {metadata['config']}, wanted {json.dumps(wanted)}"
            )
        self.generator.load_state_dict(
            {n.removeprefix("last."): t for n, t in tensors.items() if n.startswith("last.")}
        )
        self.average.values = {n.removeprefix("average."): t for n, t in tensors.items() if n.startswith("average.")}
        restore_optimizer(self.optimizer, tensors)
        self.step_count, self.minutes = int(progress["steps"]), float(progress["minutes"])
        return True

    def save(self, facts: dict[str, object]) -> None:
        """Write the averaged weights and what resuming needs."""
        tensors = {f"last.{name}": value for name, value in self.generator.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        tensors |= optimizer_tensors(self.optimizer)
        progress = {"steps": self.step_count, "minutes": self.minutes}
        metadata = {"progress": json.dumps(progress), "config": json.dumps(asdict(self.generator.config))}
        write_tensors(self.out / TRAINING_NAME, tensors, metadata)
        audio_hours = self.examples * self.options.seconds / 3600
        facts = {**facts, **progress, "audio_hours": audio_hours, "options": asdict(self.options)}
        save_generator(self.out / WEIGHTS_NAME, self.generator, self.average.values, facts)

    def step(self, batch: Batch) -> dict[str, float]:
        """One step of gradient descent; the parts of the loss."""
        rate = learning_rate_at(self.minutes / self.options.minutes, self.options.learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        value, parts = self.loss(self.generator(batch.degraded, batch.controls), batch)
        self.optimizer.zero_grad()
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), GRADIENT_NORM)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self.average.update(self.generator, self.step_count)
        self.step_count += 1
        return {
            "learning_rate": rate,
            "loss": float(value.detach()),
            **{name: float(part) for name, part in parts.items()},
        }

    def write_curve(self, row: dict[str, float]) -> None:
        path = self.out / CURVE_NAME
        fresh = not path.exists()
        with open(path, "a", newline="", encoding="utf-8") as output:
            rows = csv.DictWriter(output, CURVE_COLUMNS)
            if fresh:
                rows.writeheader()
            rows.writerow({name: f"{row[name]:.6g}" for name in CURVE_COLUMNS})

    def run(self, training: Iterator[Batch], fixed: Sequence[Batch], facts: dict[str, object]) -> None:
        """Train until the minutes are used up, with a checkpoint and a row of the curve every few minutes."""
        bar = tqdm(
            total=round(self.options.minutes, 2),
            initial=round(min(self.minutes, self.options.minutes), 2),
            unit="min",
            bar_format="{l_bar}{bar}| {n:.1f}/{total:.1f} min [{postfix}]",
        )
        recent: list[dict[str, float]] = []
        saved = self.minutes
        last = time.monotonic()
        while self.minutes < self.options.minutes:
            recent.append(self.step(next(training)))
            now = time.monotonic()
            self.minutes += (now - last) / 60
            bar.update(min((now - last) / 60, bar.total - bar.n))
            last = now
            bar.set_postfix_str(
                f"loss {recent[-1]['loss']:.3f}, {self.examples * self.options.seconds / 3600:.2f} h heard"
            )
            if self.minutes - saved >= self.options.checkpoint_minutes or self.minutes >= self.options.minutes:
                means = {name: float(np.mean([row[name] for row in recent])) for name in recent[0]}
                figures = validate(self.generator, self.average.values, self.loss, fixed)
                hours = self.examples * self.options.seconds / 3600
                self.write_curve(
                    {"minutes": self.minutes, "examples": self.examples, "audio_hours": hours, **means, **figures}
                )
                self.save(facts)
                recent, saved = [], self.minutes
                last = time.monotonic()
        bar.close()


def initial_generator(config: BandSplitConfig, weights: Path | None) -> BandSplitGenerator:
    """A generator with random weights, or with those of a file, which must be of the same configuration."""
    if weights is None:
        return BandSplitGenerator(config)
    generator, _ = load_generator(weights)
    if generator.config != config:
        raise ValueError(f"{weights} holds a generator of {generator.config}, wanted {config}")
    return generator.train()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--audio", type=Path, default=DEFAULT_AUDIO, help="folder of recordings (default: ../shared/audio)"
    )
    parser.add_argument(
        "--licences", default="all", help='which may teach: "all", "permissive", or SPDX names, by commas'
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an earlier run there goes on")
    parser.add_argument(
        "--degradations",
        default=DEFAULT_RECIPE,
        help=f"what happens to the music, as models/data/recipes.py explains (default: {DEFAULT_RECIPE})",
    )
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="folder for decoded audio and simulated rooms"
    )
    parser.add_argument("--minutes", type=float, required=True, help="training time in all, over all sittings")
    parser.add_argument("--batch", type=int, default=TrainingOptions.batch, help="examples a step")
    parser.add_argument("--seconds", type=float, default=TrainingOptions.seconds, help="length of an example")
    parser.add_argument("--learning-rate", type=float, default=TrainingOptions.learning_rate)
    parser.add_argument("--blocks", type=int, default=BandSplitConfig.blocks)
    parser.add_argument("--channels", type=int, default=BandSplitConfig.channels)
    parser.add_argument("--rooms", type=int, default=400, help="how many rooms to simulate, once")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="processor threads of the network")
    parser.add_argument("--initial-weights", type=Path, help="weights to begin a new run with (default: random)")
    parser.add_argument("--workers", type=int, default=TrainingOptions.workers, help="processes that prepare examples")
    parser.add_argument("--seed", type=int, default=TrainingOptions.seed)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options_given = parse(arguments)
    licences = [name.strip() for name in options_given.licences.split(",")]
    options = TrainingOptions(
        minutes=options_given.minutes,
        batch=options_given.batch,
        seconds=options_given.seconds,
        learning_rate=options_given.learning_rate,
        seed=options_given.seed,
        workers=options_given.workers,
        degradations=str(Recipe.parse(options_given.degradations)),
    )
    torch.manual_seed(options.seed)
    torch.set_num_threads(options_given.threads)
    recordings = find_recordings(options_given.audio, "train", licences)
    out: Path = options_given.out
    out.mkdir(parents=True, exist_ok=True)
    config = BandSplitConfig(blocks=options_given.blocks, channels=options_given.channels)
    generator = initial_generator(config, options_given.initial_weights)
    trainer = Trainer(out, generator, options)
    resumed = trainer.resume()
    rooms = simulated_rooms(options_given.rooms, options.seed, options_given.cache)
    material = load_material(recordings, rooms, options_given.cache)
    write_data_card(out / CARD_NAME, recordings)
    minutes = sum(len(x) for x in material.clean) / SAMPLE_RATE / 60
    print(
        f"{'resumed' if resumed else 'started'} {out}: {len(material.clean)} recordings of {minutes:.0f} min, "
        f"{len(material.noise)} noises, {len(material.rooms)} rooms, "
        f"{sum(p.numel() for p in generator.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )
    watched = watched_material(options_given.audio, licences, options_given.cache) or material
    watching = batches(watched, options, first_example=0, seed=WATCHING_SEED, workers=0)
    fixed = [next(watching) for _ in range(options.valid_batches)]
    facts: dict[str, object] = {"licences": licences, "recordings": len(recordings), "seed": options.seed}
    trainer.run(batches(material, options, trainer.examples, options.seed, options.workers), fixed, facts)


if __name__ == "__main__":
    main()
