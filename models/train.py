"""Train a generator: python -m models.train --out runs/first --minutes 60

Recordings come from --audio: a folder with music/train, voice/train, noise/train and rir/train (and, if there,
SOURCES.csv and .../valid), MAESTRO's folder, or any folder of music; noise and rooms that are not there are
synthesised. --degradations says what happens to the music, as models/data/recipes.py explains. The run stops after
--minutes of training and goes on from its last checkpoint when called again with more.

--generator band_split, the default, is the streaming generator; --generator unet the study's, at any sample rate:

    python -m models.train --generator unet --sample-rate 10000 --window 4096 --degradations "resample 5000" ...

With --discriminator it goes on as a GAN: the generator alone first, then both. With --distil the generator learns what
collaborative sampling with a trained (and shaped: models.shape) discriminator makes of its output. With --autoencoder
distances at an autoencoder's bottleneck (models.learn_identity) count, too.

It uses a GPU where there is one; under torchrun as many processes (and GPUs) as that starts, --batch examples each:

    torchrun --nproc-per-node 2 -m models.train --out runs/first --minutes 60

OUT/generator.safetensors   the averaged weights, for export        OUT/curve.csv       loss and figures over time
OUT/training.safetensors    what resuming needs                     OUT/data_card.csv   which recordings taught
OUT/discriminator.safetensors, where there is one
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.adversarial import ADVERSARIAL_KINDS, AdversarialWeights
from models.autoencoder import BottleneckLoss, load_autoencoder
from models.checkpoint import BAND_SPLIT, GENERATORS, UNET, Generator, load_generator
from models.data.recipes import DEFAULT_RECIPE, Recipe
from models.data_card import write_data_card
from models.discriminators.stored import DISCRIMINATOR_KINDS, discriminator_for
from models.distillation import Distillation
from models.generators.band_split import (
    COPY_HERTZ,
    EIGHTHS,
    HALF_OVERLAP,
    BandSplitConfig,
    BandSplitGenerator,
    copy_shifts,
)
from models.generators.resizing import resized
from models.generators.unet import UNet, UNetConfig, layer_sizes
from models.opponent import Opponent
from models.precision import PRECISIONS
from models.processes import Processes, joined_processes, prepare_process
from models.reconstruction import WAVEFORM_KINDS, ReconstructionWeights
from models.refining import add_refinement_options, load_refiner
from models.restoring import restored_at
from models.run_arguments import Lessons, add_degradations, add_run_arguments, licences
from models.trainer import Trainer, TrainingOptions

CARD_NAME = "data_card.csv"
SIZES: dict[str, dict[str, Any]] = {
    BAND_SPLIT: {
        "sample_rate": BandSplitConfig.sample_rate,
        "window": BandSplitConfig.window,
        "hop_eighths": BandSplitConfig.hop_eighths,
        "blocks": BandSplitConfig.blocks,
        "time_blocks": BandSplitConfig.time_blocks,
        "channels": BandSplitConfig.channels,
        "time_hidden": BandSplitConfig.time_hidden,
        "band_hidden": BandSplitConfig.band_hidden,
        "channel_hidden": BandSplitConfig.channel_hidden,
        "bin_hidden": BandSplitConfig.bin_hidden,
        "most_units": BandSplitConfig.most_units,
        "colour_hidden": BandSplitConfig.colour_hidden,
        "room_hidden": BandSplitConfig.room_hidden,
        "envelope_hidden": BandSplitConfig.envelope_hidden,
        "declipping": BandSplitConfig.declipping,
        "declipping_wait": BandSplitConfig.declipping_wait,
        "evening": BandSplitConfig.evening,
        "empty_db": BandSplitConfig.empty_db,
        "copy_hertz": list(COPY_HERTZ),
    },
    UNET: {
        "sample_rate": UNetConfig.sample_rate,
        "window": UNetConfig.window,
        "depth": 4,
        "width": 12,
        "dropout": UNetConfig.dropout,
    },
}
"""By kind of generator: its options, and their defaults."""
HIDDEN_UNITS = {
    "time": "over time, in each band",
    "band": "across bands",
    "channel": "across channels",
    "bin": "each bin's features",
}
"""Of a streaming generator: what mixes, and what."""
RECONSTRUCTION_DEFAULTS = {BAND_SPLIT: ReconstructionWeights("none", 1.0), UNET: ReconstructionWeights("l2", 0.0)}


def new_generator(config: BandSplitConfig | UNetConfig) -> Generator:
    """A generator with random weights."""
    return UNet(config) if isinstance(config, UNetConfig) else BandSplitGenerator(config)


def initial_generator(config: BandSplitConfig | UNetConfig, weights: Path | None) -> Generator:
    """A generator with random weights, or with those of a file, which must be of the same configuration; of a streaming
    generator what `resized` changes may differ.
    """
    if weights is None:
        return new_generator(config)
    generator, _ = load_generator(weights)
    if isinstance(generator, BandSplitGenerator) and isinstance(config, BandSplitConfig):
        generator = resized(generator, config)
    if generator.config != config:
        raise ValueError(f"{weights} holds a generator of {generator.config}, wanted {config}")
    return generator.train()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options = TrainingOptions
    add_run_arguments(parser, options.batch, options.seconds, options.workers, options.seed)
    add_degradations(parser, DEFAULT_RECIPE)
    parser.add_argument("--learning-rate", type=float, default=TrainingOptions.learning_rate)
    parser.add_argument(
        "--initial-weights",
        type=Path,
        help="weights to begin a new run with, at any window, hop and number of blocks (default: random)",
    )
    parser.add_argument("--generator", choices=GENERATORS, default=BAND_SPLIT)
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=TrainingOptions.precision, help="auto: bf16 on GPUs that have it"
    )
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
    parser.add_argument(
        "--log-spectral-weight",
        type=float,
        default=ReconstructionWeights.log_spectral,
        help="weight of the log-spectral distance",
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
    gan.add_argument(
        "--judged-samples",
        type=int,
        default=AdversarialWeights.judged_samples,
        help="length of the random excerpts that it judges (default: whole clips, or windows)",
    )
    gan.add_argument("--discriminator-learning-rate", type=float, default=AdversarialWeights.learning_rate)
    distillation = parser.add_argument_group("distillation of collaborative sampling")
    distillation.add_argument("--distil", type=Path, metavar="DISCRIMINATOR", help="learn what it refines, too")
    distillation.add_argument("--distil-weight", type=float, default=1.0, help="beside the reconstruction's 1")
    add_refinement_options(distillation)
    features = parser.add_argument_group("autoencoder feature loss")
    features.add_argument("--autoencoder", type=Path, metavar="AUTOENCODER", help="as models.learn_identity writes it")
    features.add_argument("--autoencoder-weight", type=float, default=1.0, help="beside the reconstruction's 1")
    both = parser.add_argument_group("the generator's sizes")
    both.add_argument("--sample-rate", type=int, help=f"in hertz; default: {_default('sample_rate')}")
    both.add_argument("--window", type=int, help=f"in samples; default: {_default('window')}")
    streaming = parser.add_argument_group("of --generator band_split")
    streaming.add_argument(
        "--hop-eighths",
        type=int,
        choices=range(HALF_OVERLAP, EIGHTHS),
        help=f"frames begin so many eighths of a window apart; default: {_default('hop_eighths')}",
    )
    streaming.add_argument("--blocks", type=int, help=f"default: {_default('blocks')}")
    streaming.add_argument(
        "--time-blocks",
        type=int,
        help=f"so many of the last mix over time alone; default: {_default('time_blocks')}",
    )
    streaming.add_argument("--channels", type=int, help=f"default: {_default('channels')}")
    for mixing, across in HIDDEN_UNITS.items():
        streaming.add_argument(
            f"--{mixing}-hidden", type=int, help=f"units that mix {across}; default: {_default(f'{mixing}_hidden')}"
        )
    streaming.add_argument(
        "--most-units", type=int, help=f"sets of weights in a band at most; default: {_default('most_units')}"
    )
    streaming.add_argument(
        "--colour-hidden",
        type=int,
        help=f"units of the equaliser, 0 for none; default: {_default('colour_hidden')}",
    )
    streaming.add_argument(
        "--room-hidden",
        type=int,
        help=f"units of the gate of rooms, 0 for none; default: {_default('room_hidden')}",
    )
    streaming.add_argument(
        "--envelope-hidden",
        type=int,
        help=f"units of the envelope of missing highs, 0 for none; default: {_default('envelope_hidden')}",
    )
    streaming.add_argument(
        "--declipping", action="store_true", default=None, help="draw peaks again that a converter cut off"
    )
    streaming.add_argument(
        "--declipping-wait",
        type=int,
        help=f"samples beyond a hop that the ends of cuts are waited for; default: {_default('declipping_wait')}",
    )
    streaming.add_argument(
        "--evening", action="store_true", default=None, help="even out or sharpen what is copied, bin by bin"
    )
    streaming.add_argument(
        "--empty-db",
        type=float,
        help=f"below it a bin is empty, in dB full scale, 12 more for half the window; default: {_default('empty_db')}",
    )
    streaming.add_argument(
        "--copy-hertz", type=float, nargs="+", help="how far copies are shifted upwards; default: every 2 kHz to 12 kHz"
    )
    unet = parser.add_argument_group("of --generator unet")
    unet.add_argument("--depth", type=int, help=f"blocks down, and up; default: {_default('depth')}")
    unet.add_argument("--width", type=int, help=f"channels at the top, paper: 128; default: {_default('width')}")
    unet.add_argument("--dropout", type=float, help=f"share of activations; default: {_default('dropout')}")
    given = parser.parse_args(arguments)
    for name in {name for sizes in SIZES.values() for name in sizes} - set(SIZES[given.generator]):
        if getattr(given, name) is not None:
            parser.error(f"--{name.replace('_', '-')} is no option of --generator {given.generator}")
    for name, value in SIZES[given.generator].items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def _default(name: str) -> str:
    """An option's defaults in words."""
    found = {kind: sizes[name] for kind, sizes in SIZES.items() if name in sizes}
    if len(set(found.values())) == 1:
        return str(next(iter(found.values())))
    return ", ".join(f"{value} ({kind})" for kind, value in found.items())


def generator_config(given: argparse.Namespace) -> BandSplitConfig | UNetConfig:
    """The configuration that the command line asks for."""
    if given.generator == BAND_SPLIT:
        return BandSplitConfig(
            sample_rate=given.sample_rate,
            window=given.window,
            hop_eighths=given.hop_eighths,
            blocks=given.blocks,
            time_blocks=given.time_blocks,
            channels=given.channels,
            time_hidden=given.time_hidden,
            band_hidden=given.band_hidden,
            channel_hidden=given.channel_hidden,
            bin_hidden=given.bin_hidden,
            most_units=given.most_units,
            colour_hidden=given.colour_hidden,
            room_hidden=given.room_hidden,
            envelope_hidden=given.envelope_hidden,
            declipping=given.declipping,
            declipping_wait=given.declipping_wait,
            evening=given.evening,
            empty_db=given.empty_db,
            copy_shifts=copy_shifts(given.copy_hertz, given.sample_rate, given.window, given.hop_eighths),
        )
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
        log_spectral=given.log_spectral_weight,
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
        judged_samples=given.judged_samples,
    )


def train(given: argparse.Namespace, processes: Processes) -> None:
    """The run that the command line asks for."""
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
        precision=given.precision,
    )
    prepare_process(options.seed + processes.rank, given.threads)
    out: Path = given.out
    generator = initial_generator(generator_config(given), given.initial_weights)
    opponent = None
    if options.adversarial is not None:
        config = discriminator_for(generator, given.discriminator, given.conditional)
        opponent = Opponent(config, options.adversarial, processes, options.precision)
    trainer = Trainer(out, generator, options, opponent, processes=processes)
    if given.distil is not None:
        refiner = load_refiner(given.distil, given, processes.device)
        trainer.terms.append(Distillation(generator, refiner, trainer.loss, given.distil_weight))
    if given.autoencoder is not None:
        autoencoder = load_autoencoder(given.autoencoder).to(processes.device)
        trainer.terms.append(BottleneckLoss(autoencoder, generator.config.sample_rate, given.autoencoder_weight))
    resumed = trainer.resume()
    lessons = Lessons.find(given, options.degradations, restored_at(generator))
    training = lessons.training(trainer.examples + processes.rank)
    facts: dict[str, object] = {
        "licences": licences(given),
        "recordings": len(lessons.recordings),
        "seed": options.seed,
        "processes": processes.size,
        "distilled": given.distil is not None,
        "autoencoder_features": given.autoencoder is not None,
    }
    if not processes.first:
        trainer.run(training, [], facts)
        return
    out.mkdir(parents=True, exist_ok=True)
    write_data_card(out / CARD_NAME, lessons.recordings)
    print(
        f"{'resumed' if resumed else 'started'} {out}: {lessons}, "
        f"{sum(p.numel() for p in generator.parameters()) / 1e6:.2f} M parameters, "
        f"{processes.size} processes, {processes.device}",
        flush=True,
    )
    trainer.run(training, lessons.fixed(), facts)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    with joined_processes() as processes:
        train(given, processes)


if __name__ == "__main__":
    main()
