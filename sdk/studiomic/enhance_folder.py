"""A folder of recordings in, a folder of better ones out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studiomic.audio_formats import CONTAINER_SUFFIXES, READ_SUFFIXES, WRITTEN_FORMATS
from studiomic.enhance_file import FileReport
from studiomic.errors import AudioReadError, AudioWriteError, StudiomicError
from studiomic.whole_file import make_folder

_WRITTEN_SUFFIXES = frozenset(suffix for form in WRITTEN_FORMATS for suffix in form.suffixes)
_ADDED_SUFFIX = ".wav"
"""Put behind the names of files that are read but not written (videos): appended, so that no two names become one."""


@dataclass(frozen=True)
class FolderReport:
    """done, failed (with the error that stopped each), and how many files were skipped since they are not audio."""

    done: tuple[FileReport, ...]
    failed: tuple[tuple[Path, StudiomicError], ...]
    skipped: int


def enhance_folder(source: Path, destination: Path, enhance_one: Callable[[Path, Path], FileReport]) -> FolderReport:
    """Call `enhance_one(file, its place in destination)` for each sound file or video below `source`, in sorted order.

    Folders are mirrored and made as needed; hidden files are passed over; a file that fails is noted and the next one
    follows. Raises AudioReadError where `source` is no folder, AudioWriteError where `destination` cannot be one.
    """
    if not source.is_dir():
        raise AudioReadError(f"{source}: is no folder")
    if destination.exists() and not destination.is_dir():
        raise AudioWriteError(f"{destination}: is a file; since {source} is a folder, wanted a folder's name")
    if destination.exists() and destination.samefile(source):
        raise AudioWriteError(f"{destination}: is the source itself, whose files are never replaced; choose another")
    files, skipped = _listed(source, destination)
    done: list[FileReport] = []
    failed: list[tuple[Path, StudiomicError]] = []
    for file in files:
        place = destination / _written_name(file.relative_to(source))
        try:
            make_folder(place.parent)
            done.append(enhance_one(file, place))
        except StudiomicError as error:
            failed.append((file, error))
    return FolderReport(tuple(done), tuple(failed), skipped)


def _listed(source: Path, destination: Path) -> tuple[list[Path], int]:
    """The files to enhance, listed before the first is written, and the number of those that are not audio."""
    files = sorted(_walk(source, destination.resolve()))
    audio = [file for file in files if file.suffix.lower() in READ_SUFFIXES | CONTAINER_SUFFIXES]
    return audio, len(files) - len(audio)


def _walk(source: Path, left_out: Path) -> Iterator[Path]:
    """All files below `source` that are not hidden, but for the folder `left_out`."""
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = [
            name for name in subfolders if not name.startswith(".") and (Path(folder) / name).resolve() != left_out
        ]
        yield from (Path(folder) / name for name in names if not name.startswith("."))


def _written_name(relative: Path) -> Path:
    if relative.suffix.lower() in _WRITTEN_SUFFIXES:
        return relative
    return relative.with_name(relative.name + _ADDED_SUFFIX)
