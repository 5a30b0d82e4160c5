"""The systems on a folder of scenarios, at 48 kHz: what benchmarks/quality.py measures of a bundle, of each of them.

FOLDER has the layout of benchmarks/scenario_folder.py. Every recording is restored blind, at full controls; the first
and last half second are left out. Measurements are remembered in OUT/journal.jsonl: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

from benchmarks.journal import Journal
from benchmarks.machine import machine_in_words
from benchmarks.measures import GROUPS
from benchmarks.quality import measure_folder
from benchmarks.quality_report import summarise
from benchmarks.scenario_folder import RATE, Recording, choose, read_audio, read_recordings
from benchmarks.study.options import add_systems, open_systems
from benchmarks.study.report import markdown_table, number
from benchmarks.study.systems import System, check_rates
from studiomic.spectrogram import Panel, write_spectrograms

FIGURES = {"si_sdr_db": ("SI-SDR dB", 2), "lsd": ("LSD ln", 3), "log10_lsd": ("LSD log10", 3), "visqol": ("ViSQOL", 2)}
"""The table's title and decimals of each figure; the JSON holds all that was measured."""
INPUT = "input"


def restore_all(system: System, recordings: Sequence[Recording], folder: Path) -> dict[Recording, Path]:
    """Each recording through a system into `folder`/SYSTEM/SCENARIO/CLIP.wav."""
    outputs = {}
    for recording in tqdm(recordings, desc=f"restoring, {system.name}", leave=False):
        path = folder / system.name / recording.scenario / f"{recording.clip.name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, system.restore(read_audio(recording.path)), RATE, subtype="FLOAT")
        outputs[recording] = path
    return outputs


def table(summaries: dict[str, dict[str, dict[str, Any]]], minutes: dict[str, float | None]) -> str:
    """Mean figures by scenario and system, the input first; `summaries` by system as `summarise` gives them."""
    first = next(iter(summaries.values()))
    figures = [name for name in FIGURES if name in next(iter(first.values()))["input"]]
    head = ["scenario, system", *(FIGURES[name][0] for name in figures), "minutes trained"]
    rows = []
    for scenario, summary in first.items():
        means = {INPUT: summary["input"]} | {name: found[scenario]["output"] for name, found in summaries.items()}
        rows += [
            [
                f"{scenario}, {name}",
                *(number(mean[figure], FIGURES[figure][1]) for figure in figures),
                number(minutes.get(name), 1),
            ]
            for name, mean in means.items()
        ]
    return markdown_table(head, rows)


def draw(path: Path, recording: Recording, outputs: dict[str, Path]) -> None:
    """Spectrograms of the input, what each system made of it, and the truth."""
    sounds = {INPUT: recording.path, **outputs, "truth": recording.reference}
    panels = [Panel(name, read_audio(sound)) for name, sound in sounds.items()]
    write_spectrograms(path, panels, RATE, overwrite=True)


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser(
        "scenarios",
        help="the systems on a folder of scenarios",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the scenarios")
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these")
    parser.add_argument(
        "--figures", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups (ViSQOL takes seconds a clip)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure (default: %(default)s)")
    add_systems(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compare, and write OUT/scenarios.md, OUT/scenarios.json and a picture a scenario."""
    systems = open_systems(options)
    check_rates(systems, RATE)
    recordings = choose(read_recordings(options.folder), options.scenarios, options.clips)
    out: Path = options.out
    journal = Journal(out / "journal.jsonl")
    summaries: dict[str, dict[str, dict[str, Any]]] = {}
    results: dict[str, Any] = {"machine": machine_in_words(), "systems": {}}
    outputs = {}
    for system in systems:
        outputs[system.name] = restore_all(system, recordings, out / "outputs")
        clips = measure_folder(recordings, outputs[system.name], options.figures, journal, options.jobs)
        summaries[system.name] = summarise(clips)
        results["systems"][system.name] = {
            "minutes": system.minutes,
            "scenarios": summaries[system.name],
            "clips": [clip.as_json() for clip in clips],
        }
    pictured = {recording.scenario: recording for recording in reversed(recordings)}
    for scenario, recording in pictured.items():
        draw(out / f"scenarios-{scenario}.png", recording, {name: made[recording] for name, made in outputs.items()})
    text = table(summaries, {system.name: system.minutes for system in systems})
    (out / "scenarios.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "scenarios.md").write_text(text, encoding="utf-8")
    print(text)
