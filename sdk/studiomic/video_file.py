"""The sound of videos, and of sound files that libsndfile does not read, through PyAV (extra `video`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studiomic.audio_file import AudioReader
from studiomic.errors import AudioReadError
from studiomic.extras import require
from studiomic.tags import TAG_NAMES

if TYPE_CHECKING:
    import av

_TRACK_TAG = "track"
"""FFmpeg's name of what libsndfile calls tracknumber."""
_DURATION_TOLERANCE_SECONDS = 0.5
"""Containers round durations, and count the encoder's padding."""


class ContainerReader(AudioReader):
    """The first sound track of m4a, mp4, mov, mkv, webm and other containers."""

    def __init__(self, path: Path) -> None:
        av_module = require("av", "video", f"reading the sound of {path.name}")
        self.path = path
        self.warnings = []
        self._errors = (av_module.FFmpegError, ValueError)
        try:
            self._container = av_module.open(str(path), metadata_errors="replace")
        except self._errors as error:
            raise AudioReadError(
                f"{path}: cannot be read as a video or sound container ({_reason(error)}); wanted a whole file"
            ) from error
        try:
            self._open_track(av_module)
        except BaseException:
            self._container.close()
            raise

    def _open_track(self, av_module: Any) -> None:
        if not self._container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            raise AudioReadError(f"{self.path}: holds no sound track (only {kinds}), wanted at least one")
        track = self._container.streams.audio[0]
        self._frames_of_track = self._container.decode(track)
        try:
            self._first = next(self._frames_of_track, None)
        except self._errors as error:
            raise AudioReadError(f"{self.path}: its sound cannot be decoded ({_reason(error)})") from error
        if self._first is None:
            raise AudioReadError(f"{self.path}: its sound track is empty (0 frames), wanted at least one")
        self.rate = self._first.sample_rate
        self.channels = len(self._first.layout.channels)
        self.encoding = track.codec_context.name.upper()
        self.tags = _tags({**self._container.metadata, **track.metadata})
        self.frames = self._declared(track, av_module.time_base)
        self._converter = av_module.AudioResampler(format="fltp", layout=self._first.layout, rate=self.rate)

    def _declared(self, track: av.AudioStream, container_ticks: int) -> int | None:
        """Frames by the declared duration: an estimate."""
        if track.duration is not None and track.time_base is not None:
            return round(float(track.duration * track.time_base) * self.rate)
        duration: int | None = self._container.duration
        return None if duration is None else round(duration / container_ticks * self.rate)

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        try:
            frame = self._first
            while frame is not None:
                yield from self._converted(frame)
                frame = next(self._frames_of_track, None)
            yield from self._converted(None)
        except self._errors as error:
            self.warnings.append(f"decoding stopped at a damaged place ({_reason(error)})")

    def _converted(self, frame: av.AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        """The frame's samples in another layout of memory; None drains the converter."""
        for converted in self._converter.resample(frame):
            yield np.ascontiguousarray(converted.to_ndarray().T, dtype=np.float32)

    def _note_loss(self, count: int) -> None:
        if self.frames is not None and self.frames - count > _DURATION_TOLERANCE_SECONDS * self.rate:
            self.warnings.append(
                f"the file declares {self.frames} frames but holds {count}: it is truncated or damaged"
            )

    def close(self) -> None:
        self._container.close()


def _reason(error: Exception) -> str:
    """FFmpeg's own words, without the path, which every message names already."""
    return getattr(error, "strerror", None) or str(error)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    """FFmpeg's metadata under the names that libsndfile uses."""
    lower = {name.lower(): text for name, text in metadata.items()}
    if _TRACK_TAG in lower:
        lower["tracknumber"] = lower[_TRACK_TAG]
    return {name: lower[name] for name in TAG_NAMES if lower.get(name)}
