"""Which recordings teach: folders of audio, with what SOURCES.csv says of each, decoded once into a cache.

A root in the project's layout holds music/train, voice/train, noise/train and rir/train; one with MAESTRO's table is
read by that; any other folder is taken as music. Noise and rooms that are not there are synthesised.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.data import maestro

SAMPLE_RATE = 48000
NYQUIST = SAMPLE_RATE / 2
KINDS = ("music", "voice", "noise", "rir")
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}
UNKNOWN_LICENCE = "unknown"
# What "permissive" stands for in a licence filter: no share-alike, no copyleft.
PERMISSIVE = (
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "MIT",
    "BSD-3-Clause",
    "Apache-2.0",
    "LicenseRef-Public-Domain",
    "Public Domain",
)
INTEGER_SCALE = 32767
RATE_KNOWN_SHARE = 0.96  # of half a sample rate: recordings of 44.1 kHz end from 21.1 kHz on
SOURCES = "SOURCES.csv"
"""The table of a folder in the project's layout: where each recording comes from, and what is known of it."""


@dataclass(frozen=True)
class Recording:
    """One file that may teach, and where it comes from. `title`: its name without the folders of its kind and split.
    `cutoff_hz`: a lossy encoder left nothing above it. `collection`: what else is of the same origin shares it.
    """

    path: Path
    name: str
    kind: str
    licence: str = UNKNOWN_LICENCE
    attribution: str = ""
    origin: str = ""
    cutoff_hz: float = NYQUIST
    title: str = ""
    collection: str = ""


def licence_allowed(licence: str, allowed: Iterable[str]) -> bool:
    """Whether every part of an SPDX expression "A AND B" is in `allowed` ("all" allows any, "permissive" the list
    above).
    """
    names = set(allowed)
    if "all" in names:
        return True
    if "permissive" in names:
        names |= set(PERMISSIVE)
    return all(part.strip() in names for part in licence.split(" AND "))


def read_sources(root: Path) -> dict[str, dict[str, str]]:
    """Rows of ROOT/SOURCES.csv by file name; empty where there is none."""
    table = root / SOURCES
    if not table.exists():
        return {}
    with open(table, newline="", encoding="utf-8") as lines:
        return {row["file"]: row for row in csv.DictReader(lines)}


def write_sources(root: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write ROOT/SOURCES.csv, whole: at least one row, all of the same columns."""
    table = root / SOURCES
    partial = table.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(table)


def keeps_aside(root: Path, split: str) -> bool:
    """Whether `root` keeps music or voice of `split` apart from the rest; a plain folder does not."""
    table = maestro.find_table(root)
    if table is not None:
        return bool(maestro.read_pieces(table, split))
    return any((root / kind / split).is_dir() for kind in ("music", "voice"))


def find_recordings(root: Path, split: str, licences: Iterable[str] = ("all",)) -> list[Recording]:
    """The recordings below `root` that `licences` let teach, sorted by name within their kind. `split` is train, valid,
    or, of MAESTRO, test; a plain folder gives all it has for any. Raises ValueError where there are none, or where
    MAESTRO's table is wrong.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; wanted one with recordings")
    licences = list(licences)
    table = maestro.find_table(root)
    found = _in_folders(root, split, licences) if table is None else _in_maestro(table, split, licences)
    if not any(recording.kind in ("music", "voice") for recording in found):
        raise ValueError(f"{root} holds no music or voice for '{split}' under the licences {', '.join(licences)}")
    return found


def _in_maestro(table: Path, split: str, licences: list[str]) -> list[Recording]:
    if not licence_allowed(maestro.LICENCE, licences):
        return []
    return [
        Recording(
            path=table.parent / piece.audio_filename,
            name=piece.audio_filename,
            kind="music",
            title=Path(piece.audio_filename).name,
            licence=maestro.LICENCE,
            attribution=f"{maestro.ATTRIBUTION}: {piece.composer}, {piece.title}",
            origin=table.name,
        )
        for piece in maestro.read_pieces(table, split)
    ]


def _in_folders(root: Path, split: str, licences: list[str]) -> list[Recording]:
    sources = read_sources(root)
    structured = any((root / kind / split).is_dir() for kind in KINDS)
    folders = [(kind, root / kind / split) for kind in KINDS] if structured else [("music", root)]
    found = []
    for kind, folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
            name = path.relative_to(root).as_posix()
            row = sources.get(name, {})
            licence = row.get("spdx", "") or UNKNOWN_LICENCE
            if licence_allowed(licence, licences):
                found.append(
                    Recording(
                        path=path,
                        name=name,
                        kind=kind,
                        title=path.relative_to(folder).as_posix(),
                        licence=licence,
                        attribution=row.get("attribution", ""),
                        origin="/".join(filter(None, (row.get("source_repo", ""), row.get("path_in_repo", "")))),
                        collection=row.get("source_repo", ""),
                        cutoff_hz=float(row.get("encoder_cutoff_hz") or 0) or NYQUIST,
                    )
                )
    return found


def decode(path: Path) -> NDArray[np.int16]:
    """Mono samples at 48 kHz, 16 bits. Of an impulse response the first channel, else the mean of all channels."""
    samples, rate = soundfile.read(path, always_2d=True, dtype="float32")
    mono = samples[:, 0] if "rir" in path.parts else samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, "HQ")
    integers: NDArray[np.int16] = np.round(np.clip(mono, -1.0, 1.0) * INTEGER_SCALE).astype(np.int16)
    return integers


def known_below_hz(recording: Recording) -> float:
    """The frequency above which a recording says nothing: its encoder's cutoff, or where a lower sample rate ends."""
    rate = float(soundfile.info(recording.path).samplerate)
    return min(recording.cutoff_hz, RATE_KNOWN_SHARE * rate / 2 if rate < SAMPLE_RATE else NYQUIST)


def load_cached(recording: Recording, cache: Path) -> NDArray[np.int16]:
    """`decode`d samples as a memory map in the folder `cache`, decoded on first use."""
    status = recording.path.stat()
    key = hashlib.sha256(f"{recording.name}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:24]
    file = cache / f"{key}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = cache / f"{key}.{os.getpid()}.partial"
        with open(partial, "wb") as output:
            np.save(output, decode(recording.path))
        partial.replace(file)
    samples: NDArray[np.int16] = np.load(file, mmap_mode="r")
    return samples


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(INTEGER_SCALE)
