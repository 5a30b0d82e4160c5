"""Every bad input is answered with its own error, which names what came and what was wanted."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest
import soundfile

from studiomic import enhance_file, whole_file
from studiomic.errors import (
    AudioFormatError,
    AudioReadError,
    AudioWriteError,
    BundleNotFoundError,
    InvalidAudioError,
    InvalidLayoutError,
    InvalidRateError,
    StudiomicError,
)

RATE = 48000
SHORT = (0.1 * np.random.default_rng(5).standard_normal((4000, 1))).astype(np.float32)


def write_bytes(content: bytes) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        path.write_bytes(content)

    return made


def write_sound(
    samples: np.ndarray = SHORT, rate: int = RATE, subtype: str | None = None, format: str | None = None
) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, rate, subtype, format=format)


def cut(count: int, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """The first bytes only of what `make` makes."""

    def made(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[:count])

    return made


def with_value(value: float, index: int, channels: int = 1) -> np.ndarray:
    samples = np.repeat(SHORT, channels, axis=1)
    samples[index, channels - 1] = value
    return samples


def nothing(path: Path) -> None:
    """Make no file."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


RATELESS_HEADER = b"RIFF" + struct.pack("<I", 44) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 0, 0, 2, 16)


class Case(NamedTuple):
    """`source` made by `make` and enhanced into `destination` raises `error`, whose message matches all of `words`."""

    name: str
    source: str
    make: Callable[[Path], None]
    error: type[StudiomicError]
    words: tuple[str, ...]
    destination: str = "out.wav"
    options: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed


CASES = [
    # what cannot be read
    Case("missing", "in.wav", nothing, AudioReadError, ("in.wav", "no such file", "wanted")),
    Case("empty", "in.wav", write_bytes(b""), AudioReadError, ("in.wav", "0 bytes", "wanted")),
    Case("one byte", "in.wav", write_bytes(b"R"), AudioReadError, ("in.wav", "wanted", "FLAC")),
    Case("folder", "in.wav", Path.mkdir, AudioReadError, ("in.wav", "is a folder", "wanted a sound file")),
    Case("pipe", "in.wav", fifo, AudioReadError, ("in.wav", "no regular file", "wanted a sound file")),
    Case("text", "in.wav", write_bytes(b"Dear diary, today\n" * 100), AudioReadError, ("in.wav", "wanted", "WAV")),
    Case("zeros", "in.wav", write_bytes(bytes(10_000)), AudioReadError, ("in.wav", "wanted")),
    Case("text as MP3", "in.mp3", write_bytes(b"Dear diary, today\n" * 100), AudioReadError, ("in.mp3", "wanted")),
    Case("text as Ogg", "in.ogg", write_bytes(b"Dear diary, today\n" * 100), AudioReadError, ("in.ogg", "wanted")),
    Case("text as FLAC", "in.flac", write_bytes(b"fLaC diary, today\n" * 100), AudioReadError, ("in.flac", "wanted")),
    Case("text as video", "in.mp4", write_bytes(b"Dear diary, today\n" * 100), AudioReadError, ("in.mp4", "wanted")),
    Case("empty video", "in.mov", write_bytes(b""), AudioReadError, ("in.mov", "0 bytes", "wanted")),
    Case("missing video", "in.mkv", nothing, AudioReadError, ("in.mkv", "no such file")),
    Case("picture", "in.jpg", write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0"), AudioReadError, ("in.jpg", "wanted")),
    Case("WAV header cut", "in.wav", cut(20, write_sound()), AudioReadError, ("in.wav", "wanted")),
    Case("WAV without sound", "in.wav", cut(44, write_sound()), AudioReadError, ("in.wav", "0 frames", "wanted")),
    Case("FLAC header cut", "in.flac", cut(20, write_sound()), AudioReadError, ("in.flac", "wanted")),
    Case("FLAC without sound", "in.flac", cut(90, write_sound()), AudioReadError, ("in.flac",)),
    Case("Ogg header cut", "in.ogg", cut(200, write_sound()), AudioReadError, ("in.ogg", "wanted")),
    Case(
        "Opus header cut", "in.opus", cut(60, write_sound(format="OGG", subtype="OPUS")), AudioReadError, ("in.opus",)
    ),
    Case("AIFF header cut", "in.aiff", cut(16, write_sound()), AudioReadError, ("in.aiff", "wanted")),
    Case("length 0", "in.wav", write_sound(SHORT[:0]), AudioReadError, ("in.wav", "0 frames", "wanted at least one")),
    Case("length 0 FLAC", "in.flac", write_sound(SHORT[:0]), AudioReadError, ("in.flac", "0 bytes")),
    Case("rate 0", "in.wav", write_bytes(RATELESS_HEADER + b"data\x08\0\0\0" + bytes(8)), AudioReadError, ("in.wav",)),
    # samples and rates that cannot be enhanced
    Case(
        "NaN",
        "in.wav",
        write_sound(with_value(np.nan, 1234), RATE, "FLOAT"),
        InvalidAudioError,
        ("in.wav", "nan", "1234"),
    ),
    Case(
        "infinity",
        "in.wav",
        write_sound(with_value(np.inf, 7, 2), RATE, "FLOAT"),
        InvalidAudioError,
        ("in.wav", "inf", "7"),
    ),
    Case(
        "absurdly loud",
        "in.wav",
        write_sound(with_value(1e30, 9), RATE, "DOUBLE"),
        InvalidAudioError,
        ("in.wav", "9"),
    ),
    Case("rate 4000", "in.wav", write_sound(rate=4000), InvalidRateError, ("in.wav", "4000", "8000")),
    Case("rate 384000", "in.wav", write_sound(rate=384_000), InvalidRateError, ("in.wav", "384000", "192000")),
    # what cannot be written
    Case(
        "same file",
        "in.wav",
        write_sound(),
        AudioWriteError,
        ("in.wav", "never replaced"),
        "in.wav",
        {"overwrite": True},
    ),
    Case(
        "no folder",
        "in.wav",
        write_sound(),
        AudioWriteError,
        ("'.*nowhere' does not exist", "create it"),
        "nowhere/out.wav",
    ),
    Case("file as folder", "in.wav", write_sound(), AudioWriteError, ("is not a folder",), "in.wav/out.wav"),
    Case("no ending", "in.wav", write_sound(), AudioFormatError, ("without an ending", "wanted", "FLAC"), "out"),
    Case("unknown ending", "in.wav", write_sound(), AudioFormatError, (r"\.xyz", "wanted", "FLAC"), "out.xyz"),
    Case("a video's ending", "in.wav", write_sound(), AudioFormatError, (r"\.mp4", "only sound", "FLAC"), "out.mp4"),
    Case("an m4a", "in.wav", write_sound(), AudioFormatError, (r"\.m4a", "not written", "FLAC"), "out.m4a"),
    Case(
        "64 channels to MP3",
        "in.wav",
        write_sound(np.repeat(SHORT, 64, axis=1)),
        AudioFormatError,
        ("MP3", "64 channels", "1 to 2"),
        "out.mp3",
    ),
    Case(
        "9 channels to FLAC",
        "in.wav",
        write_sound(np.repeat(SHORT, 9, axis=1)),
        AudioFormatError,
        ("FLAC", "9 channels", "1 to 8"),
        "out.flac",
    ),
    Case(
        "44100 Hz to Opus",
        "in.wav",
        write_sound(),
        AudioFormatError,
        ("Opus", "44100", "48000"),
        "out.opus",
        {"output_rate": 44100},
    ),
    Case(
        "96 kHz to MP3",
        "in.wav",
        write_sound(),
        AudioFormatError,
        ("MP3", "96000", "44100"),
        "out.mp3",
        {"output_rate": 96000},
    ),
    Case(
        "output rate 0",
        "in.wav",
        write_sound(),
        InvalidRateError,
        ("output rate: got 0", "8000"),
        "out.wav",
        {"output_rate": 0},
    ),
    Case(
        "output rate 4000",
        "in.wav",
        write_sound(),
        InvalidRateError,
        ("4000", "8000"),
        "out.wav",
        {"output_rate": 4000},
    ),
    # options that do not fit
    Case("groups", "in.wav", write_sound(), InvalidLayoutError, ("1",), "out.wav", {"channel_groups": [(0, 1)]}),
    Case(
        "bundle",
        "in.wav",
        write_sound(),
        BundleNotFoundError,
        ("no_such_bundle",),
        "out.wav",
        {"bundle": "no_such_bundle"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bad_case_is_named_and_leaves_nothing_behind(tmp_path: Path, tiny_bundle: Path, case: Case) -> None:
    source = tmp_path / case.source
    case.make(source)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(case.error) as caught:
        enhance_file(source, tmp_path / case.destination, **{"bundle": tiny_bundle, **case.options})
    for word in case.words:
        assert caught.match(word)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    write_sound()(source)
    destination.write_bytes(b"earlier")
    with pytest.raises(AudioWriteError, match=r"out\.wav: exists already.*--overwrite"):
        enhance_file(source, destination, bundle=tiny_bundle)
    assert destination.read_bytes() == b"earlier"
    enhance_file(source, destination, bundle=tiny_bundle, overwrite=True)
    assert soundfile.info(destination).frames == len(SHORT)


def test_a_folder_is_no_destination_for_a_file(tmp_path: Path, tiny_bundle: Path) -> None:
    write_sound()(tmp_path / "in.wav")
    (tmp_path / "out.wav").mkdir()
    with pytest.raises(AudioWriteError, match="is a folder, wanted a file's name"):
        enhance_file(tmp_path / "in.wav", tmp_path / "out.wav", bundle=tiny_bundle, overwrite=True)


def test_the_place_of_a_nan_is_counted_over_the_whole_file(tmp_path: Path, tiny_bundle: Path) -> None:
    samples = np.zeros((100_000, 2), np.float32)
    samples[72_000, 1] = np.nan
    soundfile.write(tmp_path / "in.wav", samples, RATE, "FLOAT")
    with pytest.raises(InvalidAudioError, match=r"in\.wav.*at 1\.500 s.*72000.*nan"):
        enhance_file(tmp_path / "in.wav", tmp_path / "out.wav", bundle=tiny_bundle)
    assert not (tmp_path / "out.wav").exists()


def refuse(*_: object, **__: object) -> NoReturn:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_source_that_may_not_be_read_is_told(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sound()(tmp_path / "in.wav")
    monkeypatch.setattr(Path, "open", refuse)  # a file's mode would not stop the superuser
    with pytest.raises(AudioReadError, match=r"in\.wav: cannot be opened: Permission denied; wanted a readable file"):
        enhance_file(tmp_path / "in.wav", tmp_path / "out.wav", bundle=tiny_bundle)


def test_a_place_that_may_not_be_written_is_told(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sound()(tmp_path / "in.wav")
    monkeypatch.setattr(whole_file.os, "open", refuse)
    with pytest.raises(AudioWriteError, match=r"out\.wav: cannot be written: Permission denied; nothing was left"):
        enhance_file(tmp_path / "in.wav", tmp_path / "out.wav", bundle=tiny_bundle)
