"""The folder layout that the quality figures are measured on.

    FOLDER/clips.csv                clip,seconds,cutoff_hz   (above its cutoff the reference says nothing)
    FOLDER/clean/CLIP.wav           the reference: dry, free of noise, full-band
    FOLDER/SCENARIO/CLIP.wav        what a microphone made of it, as long and in time with the reference

All files are 48 kHz mono. The clean clips are a scenario too: they must come out as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from studiomic.errors import AudioFormatError, AudioReadError

RATE = 48000
TABLE_NAME = "clips.csv"
REFERENCE_SCENARIO = "clean"
COLUMNS = ("clip", "seconds", "cutoff_hz")


@dataclass(frozen=True)
class Clip:
    """One reference, and the frequency in hertz up to which it holds anything."""

    name: str
    cutoff_hz: float


@dataclass(frozen=True)
class Recording:
    """One clip in one scenario, and where its files lie."""

    scenario: str
    clip: Clip
    path: Path
    reference: Path


def read_recordings(folder: Path) -> list[Recording]:
    """Every recording of a folder of the layout above: the clean ones first, then scenario by scenario.

    Raises AudioReadError, naming what is missing, where the folder does not have the layout.
    """
    clips = _read_table(folder / TABLE_NAME)
    clean = folder / REFERENCE_SCENARIO
    if not clean.is_dir():
        raise AudioReadError(f"{folder} has no folder {REFERENCE_SCENARIO}/ with the reference of each clip: add it.")
    others = sorted(path.name for path in folder.iterdir() if path.is_dir() and path != clean)
    recordings = [
        Recording(scenario, clip, folder / scenario / f"{clip.name}.wav", clean / f"{clip.name}.wav")
        for scenario in (REFERENCE_SCENARIO, *others)
        for clip in clips
    ]
    for recording in recordings:
        if not recording.path.is_file():
            raise AudioReadError(
                f"{recording.path} is missing, but {TABLE_NAME} lists the clip {recording.clip.name}: every folder "
                f"beside {TABLE_NAME} is a scenario and must hold every clip as WAV."
            )
    return recordings


def choose(
    recordings: Sequence[Recording], scenarios: Sequence[str] | None, clips: Sequence[str] | None = None
) -> list[Recording]:
    """Those of the wanted scenarios and clips; all where none are named. Raises AudioReadError for unknown names."""
    for kind, wanted, known in (
        ("scenario", scenarios, {recording.scenario for recording in recordings}),
        ("clip", clips, {recording.clip.name for recording in recordings}),
    ):
        if unknown := sorted(set(wanted or ()) - known):
            raise AudioReadError(f"There is no {kind} {', '.join(unknown)}: choose from {', '.join(sorted(known))}.")
    return [
        recording
        for recording in recordings
        if (not scenarios or recording.scenario in scenarios) and (not clips or recording.clip.name in clips)
    ]


def read_audio(path: Path) -> NDArray[np.float64]:
    """The samples of a 48 kHz mono file, [samples].

    Raises AudioReadError for a file that is not audio, AudioFormatError for another rate or more channels.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioReadError(f"{path} cannot be read as audio ({error}): a 48 kHz mono WAV was wanted.") from error
    if rate != RATE or samples.shape[1] != 1:
        raise AudioFormatError(
            f"{path} has {rate} Hz and {samples.shape[1]} channels, but {RATE} Hz and 1 were wanted: convert it."
        )
    return np.asarray(samples[:, 0], dtype=np.float64)


def _read_table(path: Path) -> list[Clip]:
    """The clips that the table lists."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, rows = tuple(reader.fieldnames or ()), list(reader)
    except OSError as error:
        raise AudioReadError(
            f"{path} cannot be read ({error.strerror}): a scenario folder holds {TABLE_NAME} with the columns "
            f"{', '.join(COLUMNS)}."
        ) from error
    if not set(COLUMNS) <= set(columns):
        raise AudioReadError(f"{path} has the columns {', '.join(columns)}, but {', '.join(COLUMNS)} were wanted.")
    if not rows:
        raise AudioReadError(f"{path} lists no clip, but at least one was wanted: add a row for each reference.")
    return [Clip(row["clip"], _hertz(row["cutoff_hz"], path)) for row in rows]


def _hertz(text: str, path: Path) -> float:
    """A frequency from the table."""
    try:
        hertz = float(text)
    except (TypeError, ValueError):
        hertz = float("nan")
    if not 0 < hertz <= RATE / 2:
        raise AudioReadError(f"{path} has the cutoff_hz {text!r}, but a number up to {RATE // 2} was wanted.")
    return hertz
