"""Train a generator: python -m models.train --out runs/first --minutes 60

Recordings come from --audio: a folder with music/train, voice/train, noise/train and rir/train (and, if there,
SOURCES.csv and .../valid), MAESTRO's folder, or any folder of music; noise and rooms that are not there are
synthesised. --degradations says what happens to the music, as models/data/recipes.py explains. The run stops after
--minutes of training and goes on from its last checkpoint when called again with more.

--generator band_split, the default, is the streaming generator; --generator unet the study's, at any sample rate:

    python -m models.train --generator unet --sample-rate 10000 --window 4096 --degradations "resample 5000" ...

With --discriminator it goes on as a GAN: the generator alone first, then both.

OUT/generator.safetensors   the averaged weights, for export        OUT/curve.csv       loss and figures over time
OUT/training.safetensors    what resuming needs                     OUT/data_card.csv   which recordings taught
OUT/discriminator.safetensors, where there is one
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from models.adversarial import ADVERSARIAL_KINDS, AdversarialWeights
from models.batches import batches, load_material, watched_material
from models.checkpoint import BAND_SPLIT, GENERATORS, UNET, Generator, load_any_generator
from models.data.recipes import DEFAULT_RECIPE, Recipe
from models.data.recordings import SAMPLE_RATE, find_recordings
from models.data.rooms import simulated_rooms
from models.data_card import write_data_card
from models.discriminators.stored import DISCRIMINATOR_KINDS, discriminator_for
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig, layer_sizes
from models.opponent import Opponent
from models.reconstruction import WAVEFORM_KINDS, ReconstructionWeights
from models.trainer import Trainer, TrainingOptions

CARD_NAME = "data_card.csv"
DEFAULT_AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"
DEFAULT_CACHE = Path.home() / ".cache" / "studiomic"
WATCHING_SEED = 1_000_003
BAND_SPLIT_DEFAULTS: dict[str, float] = {"blocks": BandSplitConfig.blocks, "channels": BandSplitConfig.channels}
UNET_DEFAULTS: dict[str, float] = {
    "sample_rate": UNetConfig.sample_rate,
    "window": UNetConfig.window,
    "depth": 4,
    "width": 12,
    "dropout": UNetConfig.dropout,
}
RECONSTRUCTION_DEFAULTS = {BAND_SPLIT: ReconstructionWeights("none", 1.0), UNET: ReconstructionWeights("l2", 0.0)}


def new_generator(config: BandSplitConfig | UNetConfig) -> Generator:
    """A generator with random weights."""
    return UNet(config) if isinstance(config, UNetConfig) else BandSplitGenerator(config)


def initial_generator(config: BandSplitConfig | UNetConfig, weights: Path | None) -> Generator:
    """A generator with random weights, or with those of a file, which must be of the same configuration."""
    if weights is None:
        return new_generator(config)
    generator, _ = load_any_generator(weights)
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
    parser.add_argument("--rooms", type=int, default=400, help="how many rooms to simulate, once")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="processor threads of the network")
    parser.add_argument("--initial-weights", type=Path, help="weights to begin a new run with (default: random)")
    parser.add_argument("--workers", type=int, default=TrainingOptions.workers, help="processes that prepare examples")
    parser.add_argument("--seed", type=int, default=TrainingOptions.seed)
    parser.add_argument("--generator", choices=GENERATORS, default=BAND_SPLIT)
    parser.add_argument(
        "--waveform-loss",
        choices=WAVEFORM_KINDS,
        help="distance of waveforms to minimise (default: none for band_split, l2 for unet)",
    )
    parser.add_argument(
        "--spectral-weight",
        type=float,
        help="weight of the multi-resolution spectral loss (default: 1 for band_split, 0 for unet)",
    )
    gan = parser.add_argument_group("the discriminator")
    gan.add_argument("--discriminator", choices=("none", *DISCRIMINATOR_KINDS), default="none")
    gan.add_argument("--conditional", action="store_true", help="it sees the degraded audio, too")
    gan.add_argument("--adversarial-kind", choices=ADVERSARIAL_KINDS, default=AdversarialWeights.kind)
    gan.add_argument("--adversarial-weight", type=float, default=AdversarialWeights.adversarial)
    gan.add_argument("--feature-weight", type=float, default=AdversarialWeights.features, help="of feature matching")
    gan.add_argument(
        "--alone-share",
        type=float,
        default=AdversarialWeights.alone_share,
        help="of the minutes, in which the generator trains alone",
    )
    gan.add_argument("--discriminator-learning-rate", type=float, default=AdversarialWeights.learning_rate)
    streaming = parser.add_argument_group("of --generator band_split")
    streaming.add_argument("--blocks", type=int, help=f"default: {BAND_SPLIT_DEFAULTS['blocks']}")
    streaming.add_argument("--channels", type=int, help=f"default: {BAND_SPLIT_DEFAULTS['channels']}")
    unet = parser.add_argument_group("of --generator unet")
    unet.add_argument("--sample-rate", type=int, help=f"in hertz; default: {UNET_DEFAULTS['sample_rate']}")
    unet.add_argument("--window", type=int, help=f"in samples; default: {UNET_DEFAULTS['window']}")
    unet.add_argument("--depth", type=int, help=f"blocks down, and up; default: {UNET_DEFAULTS['depth']}")
    unet.add_argument("--width", type=int, help=f"channels at the top, paper: 128; default: {UNET_DEFAULTS['width']}")
    unet.add_argument("--dropout", type=float, help=f"share of activations; default: {UNET_DEFAULTS['dropout']}")
    given = parser.parse_args(arguments)
    streams = given.generator == BAND_SPLIT
    ours, others = (BAND_SPLIT_DEFAULTS, UNET_DEFAULTS) if streams else (UNET_DEFAULTS, BAND_SPLIT_DEFAULTS)
    for name in others:
        if getattr(given, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is no option of --generator {given.generator}")
    for name, value in ours.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def generator_config(given: argparse.Namespace) -> BandSplitConfig | UNetConfig:
    """The configuration that the command line asks for."""
    if given.generator == BAND_SPLIT:
        return BandSplitConfig(blocks=given.blocks, channels=given.channels)
    channels, filters = layer_sizes(given.depth, given.width)
    return UNetConfig(
        sample_rate=given.sample_rate,
        window=given.window,
        channels=channels,
        filters=filters,
        dropout=given.dropout,
    )


def reconstruction_weights(given: argparse.Namespace) -> ReconstructionWeights:
    """The reconstruction loss that the command line asks for."""
    default = RECONSTRUCTION_DEFAULTS[given.generator]
    return ReconstructionWeights(
        waveform=given.waveform_loss or default.waveform,
        spectral=default.spectral if given.spectral_weight is None else given.spectral_weight,
    )


def opponent_weights(given: argparse.Namespace) -> AdversarialWeights | None:
    """How much the discriminator counts, or None where the generator trains alone."""
    if given.discriminator == "none":
        return None
    return AdversarialWeights(
        kind=given.adversarial_kind,
        adversarial=given.adversarial_weight,
        features=given.feature_weight,
        alone_share=given.alone_share,
        learning_rate=given.discriminator_learning_rate,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    licences = [name.strip() for name in given.licences.split(",")]
    options = TrainingOptions(
        minutes=given.minutes,
        batch=given.batch,
        seconds=given.seconds,
        learning_rate=given.learning_rate,
        seed=given.seed,
        workers=given.workers,
        degradations=str(Recipe.parse(given.degradations)),
        reconstruction=reconstruction_weights(given),
        adversarial=opponent_weights(given),
    )
    torch.manual_seed(options.seed)
    torch.set_num_threads(given.threads)
    recordings = find_recordings(given.audio, "train", licences)
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    generator = initial_generator(generator_config(given), given.initial_weights)
    opponent = None
    if options.adversarial is not None:
        config = discriminator_for(generator, given.discriminator, given.conditional)
        opponent = Opponent(config, options.adversarial)
    trainer = Trainer(out, generator, options, opponent)
    resumed = trainer.resume()
    rooms = simulated_rooms(given.rooms, options.seed, given.cache)
    material = load_material(recordings, rooms, given.cache)
    write_data_card(out / CARD_NAME, recordings)
    minutes = sum(len(x) for x in material.clean) / SAMPLE_RATE / 60
    print(
        f"{'resumed' if resumed else 'started'} {out}: {len(material.clean)} recordings of {minutes:.0f} min, "
        f"{len(material.noise)} noises, {len(material.rooms)} rooms, "
        f"{sum(p.numel() for p in generator.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )
    watched = watched_material(given.audio, licences, given.cache) or material
    common = (options.degradations, options.seconds, options.batch)
    restored_at = generator.config.sample_rate if isinstance(generator, UNet) else None
    watching = batches(watched, *common, seed=WATCHING_SEED, restored_at=restored_at)
    fixed = [next(watching) for _ in range(options.valid_batches)]
    training = batches(material, *common, options.seed, trainer.examples, options.workers, restored_at)
    facts: dict[str, object] = {"licences": licences, "recordings": len(recordings), "seed": options.seed}
    trainer.run(training, fixed, facts)


if __name__ == "__main__":
    main()
