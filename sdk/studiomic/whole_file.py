"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studiomic.errors import AudioWriteError

_KEPT_NAME_LENGTH = 40
"""How much of the name a partial file repeats: file systems allow 255 bytes, and a character may take 4."""


def check_destination(destination: Path, *, overwrite: bool) -> None:
    """Raise AudioWriteError unless a file can be put there; what only the attempt can tell is left to the attempt."""
    folder = destination.parent
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise AudioWriteError(f"{destination}: the folder '{folder}' {state}; create it first, or choose another")
    if destination.is_dir():
        raise AudioWriteError(f"{destination}: is a folder, wanted a file's name")
    if destination.exists():
        if not destination.is_file():
            raise AudioWriteError(f"{destination}: is no regular file, wanted a file's name")
        if not overwrite:
            raise AudioWriteError(
                f"{destination}: exists already; choose another name, or let it be replaced with --overwrite "
                "(overwrite=True)"
            )


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing; raise AudioWriteError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioWriteError(f"{folder}: cannot be made: {error.strerror or error}; choose another folder") from error


@contextmanager
def written_whole(destination: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give the path of a new, empty, hidden file beside `destination`, which takes its place when the body succeeds.

    Whatever stops the body, an interruption from the keyboard included, the partial file is removed and `destination`
    is what it was. Raises AudioWriteError for a place that cannot be written to, or a disk that cannot take the file.
    """
    check_destination(destination, overwrite=overwrite)
    target = destination.resolve()  # a link stays a link, and what it points to is replaced
    partial = target.with_name(f".{target.name[:_KEPT_NAME_LENGTH]}.{secrets.token_hex(4)}.partial")
    try:
        try:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except OSError as error:
            raise write_error(destination, error) from error
        yield partial
        try:
            _synchronise(partial)
            check_destination(destination, overwrite=overwrite)  # another one may have written it meanwhile
            os.replace(partial, target)
        except OSError as error:
            if isinstance(error, AudioWriteError):
                raise
            raise write_error(destination, error) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_error(destination: Path, error: OSError) -> AudioWriteError:
    """The one way to say that the system refused to write."""
    return AudioWriteError(f"{destination}: cannot be written: {error.strerror or error}; nothing was left behind")


def _synchronise(path: Path) -> None:
    """Wait until the bytes are on the disk: network and quota systems report a full disk only here."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
