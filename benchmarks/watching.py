"""What commands have in common that judge weights as models.train writes them, so that a run can be watched."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import machine_in_words
from benchmarks.scenario_folder import RATE, REFERENCE_SCENARIO, choose, read_audio, read_recordings
from benchmarks.study.systems import System, check_rates, open_system
from studiomic.errors import StudiomicError

DEFAULT_RATIO_DB = 5.0


def noise_parser(module: str, description: str) -> argparse.ArgumentParser:
    """What `python -m benchmarks.<module>` takes, which brings noise to clean clips."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights", type=Path, nargs="+", help="generators, as models.train writes them")
    parser.add_argument("--scenarios", type=Path, required=True, help="folder whose clean clips are taken")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these")
    parser.add_argument(
        "--ratio", type=float, default=DEFAULT_RATIO_DB, help="A-weighted, in dB (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="every figure as JSON")
    return parser


def clean_clips(options: argparse.Namespace) -> dict[str, NDArray[np.float64]]:
    """The clips that `noise_parser` asks for by name, [samples] each. Raises StudiomicError where a folder is not of
    the layout."""
    recordings = choose(read_recordings(options.scenarios), [REFERENCE_SCENARIO], options.clips)
    return {recording.clip.name: read_audio(recording.path) for recording in recordings}


def open_systems(weights: Sequence[Path]) -> list[System]:
    """The generators in files, named by their paths, on one thread each. Raises ValueError where one is no such file or
    does not work at 48 kHz."""
    systems = [open_system(str(path), path) for path in weights]
    check_rates(systems, RATE)
    torch.set_num_threads(1)
    return systems


def write_results(out: Path | None, results: Mapping[str, Any]) -> None:
    """Results and the machine that they are of as JSON, where a file is named."""
    if out is not None:
        out.write_text(json.dumps({"machine": machine_in_words(), **results}, indent=1) + "\n", encoding="utf-8")


def exit_code(run: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """0 once it ran; 2 where it cannot, which is said in a line."""
    try:
        run(options)
    except (StudiomicError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
