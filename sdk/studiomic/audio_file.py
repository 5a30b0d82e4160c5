"""Sound files read block by block, in constant memory, whatever their format and length."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from studiomic.audio_formats import CONTAINER_SUFFIXES, WRITTEN_NAMES
from studiomic.errors import AudioReadError
from studiomic.tags import read_tags

BLOCK_FRAMES = 4096
"""Frames a block: at 48 kHz 85 ms, so that little is lost behind a damaged place, and each call costs little."""

_UNKNOWN_SIZES = (0, 2**32 - 1, 2**31 - 1)
"""What recorders and pipes write into a header where they do not know the size yet: no sign of a truncated file."""
_DECLARED_BYTES = re.compile(r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", re.MULTILINE)
_DECLARED_FRAMES = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
_LAST_PAGES_BYTES = 1 << 17
"""Holds at least one whole Ogg page, which has at most 65 307 bytes."""
_LAST_PAGE_FLAG = 0x04


class AudioReader(ABC):
    """A source of sound. Use it in a `with` statement and read its blocks once.

    rate in Hz; channels; frames: how many the file declares, None where it does not say; encoding as libsndfile names
    it; tags by name; warnings: what was wrong with the file, complete once all blocks are read.
    """

    path: Path
    rate: int
    channels: int
    frames: int | None
    encoding: str
    tags: Mapping[str, str]
    warnings: list[str]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield float32 [frames, channels], full scale at 1, to the end of the sound.

        What a damaged file still holds is given, and the damage is noted in `warnings`.
        Raises AudioReadError where there is nothing to give.
        """
        count = 0
        for block in self._decoded():
            count += len(block)
            yield block
        if count == 0:
            raise AudioReadError(
                f"{self.path}: holds no sound (0 frames), wanted at least one; check the recording"
                + "".join(f" ({warning})" for warning in self.warnings)
            )
        self._note_loss(count)

    @abstractmethod
    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks until the end, or until damage that is then noted in `warnings`."""

    @abstractmethod
    def _note_loss(self, count: int) -> None:
        """Note in `warnings` where the file declares more than the `count` frames that were read."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_audio(path: Path) -> AudioReader:
    """Open a sound file, or a video for its sound, by its name's ending.

    Raises AudioReadError for a file that is missing, empty, not permitted or not audio, and MissingExtraError for a
    video where PyAV is not installed.
    """
    _check_source(path)
    if path.suffix.lower() in CONTAINER_SUFFIXES:
        from studiomic.video_file import ContainerReader

        return ContainerReader(path)
    return SoundFileReader(path)


class ForwardFile(soundfile.SoundFile):
    """A sound file that is only read or written onwards.

    python-soundfile seeks to where it is already after every block of a file that can be sought in. In Opus that is not
    exact: the last samples of a file would come out wrong.
    """

    def seekable(self) -> bool:
        """Say no, although a file on a disk could be sought in."""
        return False


class SoundFileReader(AudioReader):
    """WAV, RF64, FLAC, AIFF, Ogg Vorbis, Opus, MP3 and what else libsndfile reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings = []
        try:
            self._file = ForwardFile(path)
        except soundfile.LibsndfileError as error:
            raise AudioReadError(
                f"{path}: cannot be read as sound ({error.error_string.rstrip('.')}); wanted: {WRITTEN_NAMES}, or a "
                "video's name such as .mp4"
            ) from error
        self.rate = self._file.samplerate
        self.channels = self._file.channels
        self.encoding = self._file.subtype
        self.frames = self._file.frames
        self.tags = read_tags(self._file)
        self._declared = _declared_frames(self._file.extra_info, self.frames)

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        while True:
            try:
                block = self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                self.warnings.append(f"decoding stopped at a damaged place ({str(error) or 'unreadable data'})")
                return
            if not len(block):
                return
            yield block

    def _note_loss(self, count: int) -> None:
        if count < self._declared:
            self.warnings.append(
                f"the file declares {self._declared} frames but holds {count}: it is truncated or damaged"
            )
        elif self._file.format == "OGG" and not _ends_with_last_page(self.path):
            self.warnings.append("the Ogg stream has no last page: it is truncated")

    def close(self) -> None:
        self._file.close()


def _check_source(path: Path) -> None:
    """Raise AudioReadError for what is no file with bytes in it that may be read."""
    try:
        if path.is_dir():
            raise AudioReadError(f"{path}: is a folder, wanted a sound file")
        if not path.exists():
            raise AudioReadError(f"{path}: no such file; wanted a sound file: {WRITTEN_NAMES}, or a video")
        if not path.is_file():
            raise AudioReadError(f"{path}: is no regular file, wanted a sound file")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise AudioReadError(f"{path}: is empty (0 bytes), wanted a sound file")
    except OSError as error:
        if isinstance(error, AudioReadError):
            raise
        raise AudioReadError(f"{path}: cannot be opened: {error.strerror or error}; wanted a readable file") from error


def _declared_frames(log: str, frames: int) -> int:
    """How many frames the header promised, out of libsndfile's log of what it met; `frames` where it says no more."""
    if match := _DECLARED_FRAMES.search(log):
        return max(frames, int(match[2]))
    if match := _DECLARED_BYTES.search(log):
        declared, present = int(match[1]), int(match[2])
        if declared not in _UNKNOWN_SIZES and present > 0:
            return max(frames, round(frames * declared / present))
    return frames


def _ends_with_last_page(path: Path) -> bool:
    """Whether an Ogg file's last page is marked as the last one (RFC 3533, section 6: header_type_flag)."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LAST_PAGES_BYTES))
        end = stream.read()
    page = end.rfind(b"OggS")
    return page >= 0 and len(end) > page + 5 and bool(end[page + 5] & _LAST_PAGE_FLAG)
