"""The systems on the command line: any subset, in the order of the study."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.study.systems import System, open_refined, open_system
from models.refining import add_refinement_options

REFINED = "refined"
SYSTEMS = {
    "plain": "the U-Net, trained by its reconstruction loss alone",
    "gan": "trained on with a discriminator",
    REFINED: "a generator whose samples a discriminator refines as they are made",
    "distilled": "trained towards its own refined outputs",
    "streaming": "the band-split generator, for comparison",
}
"""By option: what the weights are of."""


def add_systems(parser: argparse.ArgumentParser) -> None:
    """Add the options that name weights, and where results go."""
    for name, what in SYSTEMS.items():
        if name == REFINED:
            parser.add_argument(f"--{name}", type=Path, nargs=2, metavar=("WEIGHTS", "DISCRIMINATOR"), help=what)
        else:
            parser.add_argument(f"--{name}", type=Path, metavar="WEIGHTS", help=what)
    add_refinement_options(parser.add_argument_group("refinement"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")


def open_systems(options: argparse.Namespace) -> list[System]:
    """Those whose weights are given. Raises ValueError where none are."""
    systems = []
    for name in SYSTEMS:
        if (given := getattr(options, name)) is None:
            continue
        if name == REFINED:
            weights, discriminator = given
            systems.append(open_refined(name, weights, discriminator, options))
        else:
            systems.append(open_system(name, given))
    if not systems:
        raise ValueError(f"systems: got no weights, wanted at least one of --{', --'.join(SYSTEMS)}")
    return systems
