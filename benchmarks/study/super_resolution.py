"""Super-resolution from a 5 to a 10 kHz sample rate, as in the study that the project grew out of.

Recordings are brought to 10 kHz, their degraded twins went through 5 kHz first (the recipe "resample 5000" of
models/data/recipes.py, as in training). Figures: SI-SDR; the study's log-spectral distance (log10, Hann 1024, hop 512,
all bins) and its ratio to that of the input; the natural-log one of all other tables, up to 5 kHz. Music differs from
set to set, so ratios are compared with the study's, not distances. ViSQOL says nothing of audio at 10 kHz.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soxr
from tqdm import tqdm

from benchmarks.machine import machine_in_words
from benchmarks.measures import bounded
from benchmarks.study.options import add_systems, open_systems
from benchmarks.study.report import markdown_table, number
from benchmarks.study.systems import Samples, System, check_rates
from models.data.material import Material
from models.data.recipes import Recipe
from models.data.recordings import SAMPLE_RATE, Recording, as_float, decode, find_recordings
from studiomic.figures import log10_spectral_distance, log_spectral_distance, si_sdr
from studiomic.spectrogram import Panel, write_spectrograms

RATE = 10000
RECIPE = "resample 5000"
INPUT = "input"
STUDY = {"input": 2.2662, "U-Net, window 2048": 1.5919, "U-Net, window 4096": 1.3184}
"""log10 LSD on MAESTRO, after 5 epochs of 2 hours of music."""
DEFAULT_SECONDS = 30.0
PICTURE_SECONDS = 6.0


@dataclass(frozen=True)
class Pair:
    """A recording at 10 kHz as it is and as it comes back from 5 kHz, [samples] each."""

    name: str
    truth: Samples
    degraded: Samples


@dataclass(frozen=True)
class Figures:
    """Of one restored recording, or mean figures of many."""

    si_sdr_db: float
    log10_lsd: float
    lsd: float


@dataclass(frozen=True)
class Row:
    """A system's mean figures over a set, the ratio of its log10 LSD to the input's, and its minutes of training."""

    system: str
    figures: Figures
    lsd_ratio: float
    minutes: float | None


def degraded_pair(recording: Recording, seconds: float) -> Pair:
    """The first `seconds` of a recording and its degraded twin."""
    clean = as_float(decode(recording.path)[: round(seconds * SAMPLE_RATE)])
    clip = Recipe.parse(RECIPE).degrade(clean, recording.cutoff_hz, Material(), np.random.default_rng(0))
    truth, degraded = (
        np.asarray(soxr.resample(samples, SAMPLE_RATE, RATE, "HQ"), dtype=np.float64)
        for samples in (clip.clean, clip.degraded)
    )
    return Pair(recording.title, truth, degraded)


def measure(judged: Samples, truth: Samples) -> Figures:
    """The figures of a restored recording [samples] at 10 kHz. Raises ValueError where the truth is silence."""
    decibels = bounded(si_sdr(judged, truth))
    if decibels is None:
        raise ValueError("SI-SDR: got a silent recording, wanted music")
    return Figures(
        si_sdr_db=decibels,
        log10_lsd=log10_spectral_distance(judged, truth),
        lsd=log_spectral_distance(judged, truth, rate=RATE, band=(0.0, RATE / 2)),
    )


def compare(pairs: Sequence[Pair], systems: Sequence[System], label: str) -> tuple[list[Row], dict[str, list[Figures]]]:
    """Mean rows, the input's first, and the figures of every recording by system."""
    found: dict[str, list[Figures]] = {INPUT: [measure(pair.degraded, pair.truth) for pair in pairs]}
    for system in systems:
        bar = tqdm(pairs, desc=f"{label}, {system.name}", leave=False)
        found[system.name] = [measure(system.restore(pair.degraded), pair.truth) for pair in bar]
    minutes = {system.name: system.minutes for system in systems}
    means = {name: _mean(figures) for name, figures in found.items()}
    reference = means[INPUT].log10_lsd
    rows = [Row(name, mean, mean.log10_lsd / reference, minutes.get(name)) for name, mean in means.items()]
    return rows, found


def _mean(figures: Sequence[Figures]) -> Figures:
    columns = zip(*(asdict(one).values() for one in figures), strict=True)
    return Figures(*(float(np.mean(column)) for column in columns))


def study_rows() -> list[list[str]]:
    """The study's own figures, where they are known."""
    reference = STUDY[INPUT]
    return [
        [f"study, {name}", "-", number(value, 3), number(value / reference, 2), "-", "-"]
        for name, value in STUDY.items()
    ]


def table(sets: dict[str, list[Row]]) -> str:
    """All sets in one table, the study's figures below."""
    head = ["set, system", "SI-SDR dB", "LSD log10", "ratio to input", "LSD ln", "minutes trained"]
    rows = [
        [
            f"{name}, {row.system}",
            number(row.figures.si_sdr_db, 2),
            number(row.figures.log10_lsd, 3),
            number(row.lsd_ratio, 2),
            number(row.figures.lsd, 3),
            number(row.minutes, 1),
        ]
        for name, found in sets.items()
        for row in found
    ]
    return markdown_table(head, [*rows, *study_rows()])


def draw(path: Path, pair: Pair, systems: Sequence[System]) -> None:
    """Spectrograms of the input, what each system makes of it, and the truth: the middle of the recording."""
    length = min(len(pair.truth), round(PICTURE_SECONDS * RATE))
    start = (len(pair.truth) - length) // 2
    sounds = {
        INPUT: pair.degraded,
        **{system.name: system.restore(pair.degraded) for system in systems},
        "truth": pair.truth,
    }
    panels = [Panel(name, samples[start : start + length]) for name, samples in sounds.items()]
    write_spectrograms(path, panels, RATE, overwrite=True)


def _sets(given: Sequence[str]) -> Iterator[tuple[str, list[Recording]]]:
    """NAME=FOLDER to the music that the folder keeps aside."""
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--test: got {text!r}, wanted NAME=FOLDER")
        recordings = [found for found in find_recordings(Path(folder), "valid") if found.kind == "music"]
        if not recordings:
            raise ValueError(f"--test: got {folder}, which keeps no music aside, wanted a folder that does")
        yield name, recordings


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "super_resolution",
        help="from a 5 to a 10 kHz sample rate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--test", nargs="+", required=True, metavar="NAME=FOLDER", help="sets: the music that a folder keeps aside"
    )
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="of each recording at most")
    add_systems(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compare, and write OUT/super_resolution.md, OUT/super_resolution.json and a picture a set."""
    systems = open_systems(options)
    check_rates(systems, RATE)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    sets, clips = {}, {}
    for name, recordings in _sets(options.test):
        pairs = [degraded_pair(recording, options.seconds) for recording in recordings]
        rows, found = compare(pairs, systems, name)
        sets[name] = rows
        clips[name] = {
            pair.name: {system: asdict(figures[index]) for system, figures in found.items()}
            for index, pair in enumerate(pairs)
        }
        draw(out / f"super_resolution-{name}.png", pairs[0], systems)
    results = {
        "task": RECIPE,
        "sample_rate": RATE,
        "machine": machine_in_words(),
        "study": STUDY,
        "sets": {name: [asdict(row) for row in rows] for name, rows in sets.items()},
        "clips": clips,
    }
    text = table(sets)
    (out / "super_resolution.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "super_resolution.md").write_text(text, encoding="utf-8")
    print(text)
