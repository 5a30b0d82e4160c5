"""Music that the project plays itself, written as training reads it: a folder with music/train/ and SOURCES.csv."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data.recordings import SAMPLE_RATE, SOURCES, write_sources

Samples = NDArray[np.float64]
PEAK = 0.5
SILENT = 1e-4


class Rendering(NamedTuple):
    """A piece [samples] at 48 kHz by the name of its file, without the folder; what `played` it, and under which SPDX
    licence and with which attribution that may be passed on."""

    name: str
    samples: Samples
    played: str
    spdx: str
    attribution: str


def add_rendering_arguments(parser: argparse.ArgumentParser, pieces: int, of: str = "") -> None:
    """Where pieces go, how many, how long, and the seed."""
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="must not hold a SOURCES.csv yet")
    parser.add_argument("--pieces", type=int, default=pieces, help=f"how many{of} (default: %(default)d)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a piece, about (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1)


def check_rendering(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """End with a message where the arguments ask for nothing, or for a folder that is in use."""
    table = given.out / SOURCES
    if given.pieces < 1 or given.seconds <= 0:
        parser.error(f"got {given.pieces} pieces of {given.seconds:g} s, wanted at least one of more than 0 s")
    if table.exists():
        parser.error(f"{table} is there already: pass a new folder, then join the two")


def at_peak(samples: Samples, player: str) -> Samples:
    """The samples at a peak of PEAK. Raises ValueError where the `player` gave silence."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak < SILENT:
        raise ValueError(f"{player} gave silence (a peak of {peak:g}), wanted music")
    return samples * (PEAK / peak)


def write_renderings(out: Path, source: str, pieces: Iterable[Rendering]) -> None:
    """Each of the pieces as a file, and what is to be known of them, `source` first of all, in SOURCES.csv."""
    rows = []
    for piece in pieces:
        name = f"music/train/{piece.name}.flac"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(out / name, piece.samples, SAMPLE_RATE, subtype="PCM_16")
        rows.append(
            {
                "file": name,
                "seconds": f"{len(piece.samples) / SAMPLE_RATE:.2f}",
                "sample_rate": SAMPLE_RATE,
                "channels": 1,
                "source_repo": source,
                "path_in_repo": piece.played,
                "licence": piece.spdx,
                "spdx": piece.spdx,
                "attribution": piece.attribution,
                "encoder_cutoff_hz": 0,
                "note": "RENDERED",
            }
        )
    write_sources(out, rows)
