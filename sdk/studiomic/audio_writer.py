"""Sound files that appear whole or not at all, written block by block."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from studiomic.audio_file import BLOCK_FRAMES, ForwardFile
from studiomic.audio_formats import RF64, WAV, AudioFormat
from studiomic.errors import AudioFormatError, AudioWriteError
from studiomic.pcm import PCM_BITS, quantize
from studiomic.tags import read_tags, write_tags
from studiomic.whole_file import write_error, written_whole

_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a sample in the formats whose size is limited."""

_PROBE_BYTES = 4096
"""A block of a file system: the least by which a file on a disk grows."""


class AudioWriter:
    """Takes blocks; made by `writing_audio`.

    frames: how many were written; saturated: how many samples did not fit the integers of the encoding;
    tags_left_out: the names of the tags that the format did not keep as they were, known once the file is proved whole.
    """

    def __init__(
        self,
        file: soundfile.SoundFile,
        partial: Path,
        destination: Path,
        largest_frames: int | None,
    ) -> None:
        self.frames = 0
        self.saturated = 0
        self.tags_left_out: tuple[str, ...] = ()
        self._file = file
        self._partial = partial
        self._destination = destination
        self._largest_frames = largest_frames
        self._bits = PCM_BITS.get(file.subtype)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append float32 [frames, channels]; integers saturate and are counted, floats are written as they are.

        Raises AudioWriteError where the disk is full or the format's size limit is reached.
        """
        if not len(block):
            return
        if self._largest_frames is not None and self.frames + len(block) > self._largest_frames:
            raise AudioWriteError(
                f"{self._destination}: would exceed the 4 GiB that {self._file.format} can count; choose a name that "
                "ends in .rf64 or .flac; nothing was left behind"
            )
        samples: NDArray[np.float32] | NDArray[np.int16] | NDArray[np.int32] = block
        if self._bits is not None:
            samples, saturated = quantize(block, self._bits)
            self.saturated += saturated
        with _write_errors(self._partial, self._destination):
            self._file.write(samples)
        self.frames += len(block)


@contextmanager
def writing_audio(
    destination: Path,
    form: AudioFormat,
    encoding: str,
    rate: int,
    channels: int,
    *,
    tags: Mapping[str, str],
    expected_frames: int | None,
    overwrite: bool,
) -> Iterator[AudioWriter]:
    """Give an AudioWriter whose file appears at `destination` once the body has succeeded and the file proved whole.

    A WAV that is expected to exceed 4 GiB is written as RF64, under the same name. Raises AudioFormatError for what the
    format cannot hold, and AudioWriteError for what the place or the disk cannot; then nothing is left behind.
    """
    form.check(destination, rate, channels)
    frame_bytes = channels * _BYTES.get(encoding, 0)
    if form.largest_bytes is not None and (expected_frames or 0) * frame_bytes > form.largest_bytes:
        form = _larger_form(form, destination)
    largest_frames = form.largest_bytes // frame_bytes if form.largest_bytes is not None else None
    with written_whole(destination, overwrite=overwrite) as partial:
        with _write_errors(partial, destination):
            file = ForwardFile(
                partial, "w", rate, channels, encoding, format=form.container, compression_level=form.compression
            )
        try:
            writer = AudioWriter(file, partial, destination, largest_frames)
            write_tags(file, tags)
            yield writer
        finally:
            with _write_errors(partial, destination):
                file.close()
        _check_room(partial, destination)
        kept = _prove_whole(partial, destination, writer.frames)
        writer.tags_left_out = tuple(name for name, text in tags.items() if kept.get(name) != text)


@contextmanager
def _write_errors(partial: Path, destination: Path) -> Iterator[None]:
    """Turn what libsndfile says, and the assertion that fails in python-soundfile after a short write, into ours."""
    try:
        yield
    except (soundfile.LibsndfileError, AssertionError) as error:
        _check_room(partial, destination)  # libsndfile only says "System error"; the system itself says more
        raise AudioWriteError(f"{destination}: cannot be written ({error}); nothing was left behind") from error


def _check_room(partial: Path, destination: Path) -> None:
    """Raise AudioWriteError, with the system's own words, where the file cannot grow any more.

    The encoders write their last bytes on closing, where libsndfile reports no failure: a disk that is full then is
    full now.
    """
    try:
        size = partial.stat().st_size
        with partial.open("ab", buffering=0) as stream:
            try:
                room = stream.write(bytes(_PROBE_BYTES))
                os.fsync(stream.fileno())
            finally:
                stream.truncate(size)
    except OSError as error:
        raise write_error(destination, error) from error
    if room != _PROBE_BYTES:
        raise write_error(destination, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _larger_form(form: AudioFormat, destination: Path) -> AudioFormat:
    if form is WAV:
        return RF64
    raise AudioFormatError(
        f"{destination}: {form.name} cannot hold more than 4 GiB of sound, and this would be more; choose a name that "
        "ends in .wav, .rf64 or .flac"
    )


def _prove_whole(partial: Path, destination: Path, frames: int) -> dict[str, str]:
    """Raise AudioWriteError unless the file can be read again to its last frame; return the tags that it then has."""
    found = 0
    try:
        with soundfile.SoundFile(partial) as file:
            start = max(0, file.frames - BLOCK_FRAMES)
            file.seek(start)
            found = start + len(file.read(BLOCK_FRAMES, dtype="float32", always_2d=True))
            kept = read_tags(file)
    except soundfile.SoundFileError as error:
        raise AudioWriteError(
            f"{destination}: cannot be read again after writing ({error}): is the disk full? Nothing was left behind"
        ) from error
    if found != frames:
        raise AudioWriteError(
            f"{destination}: {frames} frames were written but {found} can be read again: is the disk full? "
            "Nothing was left behind"
        )
    return kept
