"""Quality figures of a model bundle on a folder of scenarios: python -m benchmarks.quality FOLDER

FOLDER has the layout of benchmarks/scenario_folder.py: clips.csv, clean/ with the references, and one folder for each
scenario, all 48 kHz mono WAV. Each recording is enhanced, blind, and measured against its clean reference beside the
recording itself: SI-SDR, ViSQOL, log-spectral distances and level, read together, for each of them alone can be raised
by a change that the ear regrets; and two guards. The first and last half second are left out.

  kept dB          in scenarios lpNk (low-passed at N kHz): SI-SDR of output to input below 0.9 N kHz; it must stay
                   high, as what was there has to remain (the input's own is the limit of 100 dB)
  late/direct dB   in the scenario reverb: late reverberation (after 50 ms) against direct sound; it must fall

Finished measurements are kept in WORK/journal.jsonl by the content of the audio: a run that was stopped goes on where
it was, and the inputs are measured once, whatever bundle comes next. Enhanced clips stay in WORK/outputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import studiomic
from benchmarks import measures
from benchmarks.enhancing import bundle_in_words, enhance_all
from benchmarks.journal import Journal
from benchmarks.machine import machine_in_words
from benchmarks.measures import GROUPS, Figures, Triple
from benchmarks.noise import write_synthetic_scenarios
from benchmarks.quality_report import MeasuredClip, summarise, table
from benchmarks.scenario_folder import RATE, Recording, choose, read_audio, read_recordings
from benchmarks.workers import spread
from studiomic import Controls
from studiomic.errors import InvalidAudioError, StudiomicError

DEFAULT_WORK = Path("runs/quality")
DEFAULT_JOBS = 2
LEAST_SECONDS = 2.0
"""A shorter clip leaves less than a second between the edges: too little for ViSQOL."""
DIGITS_OF_HASH = 12
INTERRUPTED = 130
"""What a shell returns for a program ended by Ctrl-C."""


@dataclass(frozen=True)
class Task:
    """One group of figures to take of one file."""

    group: str
    recording: Recording
    judged: Path

    def key(self, content: str) -> str:
        """A hash of all that the figures depend on; `content` is the files' own."""
        clip = self.recording.clip
        facts = [measures.MEASURES_VERSION, self.group, self.recording.scenario, clip.cutoff_hz, content]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def measure(self) -> Figures:
        """Do it. Raises InvalidAudioError where the files' lengths do not fit."""
        reference, recorded, judged = (
            read_audio(path) for path in (self.recording.reference, self.recording.path, self.judged)
        )
        if not len(reference) == len(recorded) == len(judged) or len(reference) < LEAST_SECONDS * RATE:
            raise InvalidAudioError(
                f"{self.recording.path} has {len(recorded)} samples, its reference {len(reference)} and the output "
                f"{len(judged)}, but one length of at least {LEAST_SECONDS:g} s was wanted: cut or pad them."
            )
        clip = self.recording.clip
        return GROUPS[self.group](Triple(self.recording.scenario, clip.cutoff_hz, reference, recorded, judged))


def measure_folder(
    recordings: Sequence[Recording], outputs: dict[Recording, Path], groups: Sequence[str], journal: Journal, jobs: int
) -> list[MeasuredClip]:
    """The figures of each recording and of its output, where `outputs` has one; remembered ones are not taken again."""
    judged = [(recording, recording.path) for recording in recordings] + list(outputs.items())
    contents = dict(spread(_content, judged, jobs, "looking up"))
    tasks = [Task(group, *pair) for pair in judged for group in groups]
    keys = {task: task.key(contents[task.recording, task.judged]) for task in tasks}
    missing = list({key: task for task, key in keys.items() if key not in journal}.values())
    for task, figures in spread(Task.measure, missing, jobs, "measuring"):
        journal.add(keys[task], figures)

    def figures_of(recording: Recording, path: Path) -> Figures:
        together: Figures = {}
        for group in groups:
            together |= journal[keys[Task(group, recording, path)]]
        return together

    return [
        MeasuredClip(
            recording.scenario,
            recording.clip.name,
            recording.clip.cutoff_hz,
            figures_of(recording, recording.path),
            figures_of(recording, outputs[recording]) if recording in outputs else None,
        )
        for recording in recordings
    ]


def _content(judged: tuple[Recording, Path]) -> str:
    """A hash of the samples that a measurement takes in; not of the files: float WAV carries the time of writing."""
    recording, path = judged
    digest = hashlib.sha256()
    for file in (recording.reference, recording.path, path):
        digest.update(hashlib.sha256(read_audio(file).tobytes()).digest())
    return digest.hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the scenarios")
    parser.add_argument("--bundle", help="a bundle's name or folder (default: the embedded one)")
    parser.add_argument(
        "--controls", type=float, nargs=3, default=(1.0, 1.0, 1.0), metavar=("DENOISE", "DEREVERB", "EXTEND")
    )
    parser.add_argument("--inputs-only", action="store_true", help="measure the recordings themselves; enhance nothing")
    parser.add_argument("--synthetic-noise", action="store_true", help="add white and pink noise at 5 and 15 dB")
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help="only these")
    parser.add_argument(
        "--figures", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups (ViSQOL takes seconds a clip)"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the results here: means and every clip")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="journal, outputs (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=DEFAULT_JOBS, help="processes (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        recordings = read_recordings(options.folder)
        if options.synthetic_noise:
            recordings += write_synthetic_scenarios(recordings, options.work / "synthetic")
        recordings = choose(recordings, options.scenarios)
        controls, outputs = Controls(*options.controls), {}
        results: dict[str, Any] = {"machine": machine_in_words(), "studiomic": studiomic.__version__}
        if not options.inputs_only:
            results["bundle"], results["controls"] = bundle_in_words(options.bundle), list(options.controls)
            at_controls = "-".join(f"{value:g}" for value in options.controls)
            name = f"{results['bundle']['name']}-{results['bundle']['manifest_sha256'][:DIGITS_OF_HASH]}-{at_controls}"
            folder = options.work / "outputs" / name
            outputs = enhance_all(recordings, folder, options.bundle, controls, options.jobs)
        journal = Journal(options.work / "journal.jsonl")
        clips = measure_folder(recordings, outputs, options.figures, journal, options.jobs)
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped; what was measured is kept: run the same command to go on.", file=sys.stderr)
        return INTERRUPTED
    summaries = summarise(clips)
    print(table(summaries))
    if options.out:
        results |= {"scenarios": summaries, "clips": [clip.as_json() for clip in clips]}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
