"""What each format can hold, and which encoding keeps a source's width."""

from __future__ import annotations

from pathlib import Path

import pytest

from studiomic.audio_formats import (
    AIFF,
    CONTAINER_SUFFIXES,
    FLAC,
    MP3,
    OPUS,
    RF64,
    VORBIS,
    WAV,
    WRITTEN_FORMATS,
    AudioFormat,
    format_for,
)
from studiomic.errors import AudioFormatError


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.wav", WAV),
        ("A.WAVE", WAV),
        ("a.rf64", RF64),
        ("a.b.flac", FLAC),
        ("a.aif", AIFF),
        ("a.ogg", VORBIS),
        ("a.opus", OPUS),
        ("a.Mp3", MP3),
    ],
)
def test_the_name_tells_the_format(name: str, form: AudioFormat) -> None:
    assert format_for(Path(name)) is form


@pytest.mark.parametrize(
    "name", ["a.txt", "a", "wav", "a.wav.gz", *(f"a{suffix}" for suffix in sorted(CONTAINER_SUFFIXES))]
)
def test_other_names_are_refused_with_the_formats_that_are_written(name: str) -> None:
    with pytest.raises(AudioFormatError) as caught:
        format_for(Path(name))
    assert name in str(caught.value)
    assert all(form.name in str(caught.value) for form in WRITTEN_FORMATS)


@pytest.mark.parametrize(
    ("form", "source", "wanted"),
    [
        (WAV, "PCM_16", "PCM_16"),
        (WAV, "PCM_U8", "PCM_U8"),
        (WAV, "PCM_S8", "PCM_U8"),
        (WAV, "DOUBLE", "DOUBLE"),
        (WAV, "ULAW", "PCM_16"),
        (WAV, "MPEG_LAYER_III", "PCM_24"),
        (WAV, "AAC", "PCM_24"),
        (FLAC, "PCM_24", "PCM_24"),
        (FLAC, "PCM_32", "PCM_24"),
        (FLAC, "FLOAT", "PCM_24"),
        (FLAC, "PCM_U8", "PCM_S8"),
        (AIFF, "PCM_U8", "PCM_16"),
        (AIFF, "FLOAT", "FLOAT"),
        (MP3, "PCM_24", "MPEG_LAYER_III"),
        (OPUS, "FLOAT", "OPUS"),
        (VORBIS, "OPUS", "VORBIS"),
    ],
)
def test_the_encoding_keeps_the_width_of_the_source(form: AudioFormat, source: str, wanted: str) -> None:
    assert form.encoding_for(source) == wanted


@pytest.mark.parametrize(
    ("form", "rate", "wanted"),
    [(OPUS, 44100, 48000), (OPUS, 24000, 24000), (MP3, 96000, 48000), (MP3, 44100, 44100), (WAV, 192000, 192000)],
)
def test_a_rate_that_does_not_fit_becomes_48_khz(form: AudioFormat, rate: int, wanted: int) -> None:
    assert form.rate_for(rate) == wanted


@pytest.mark.parametrize(
    ("form", "rate", "channels", "words"),
    [
        (MP3, 96000, 2, ("MP3", "96000", "48000")),
        (OPUS, 44100, 1, ("Opus", "44100", "48000")),
        (WAV, 400_000, 1, ("WAV", "400000", "192000")),
        (MP3, 48000, 64, ("MP3", "64", "1 to 2")),
        (FLAC, 48000, 9, ("FLAC", "9", "1 to 8")),
        (VORBIS, 48000, 256, ("Ogg Vorbis", "256", "1 to 255")),
    ],
)
def test_what_does_not_fit_is_refused_by_name(form: AudioFormat, rate: int, channels: int, words: tuple[str]) -> None:
    with pytest.raises(AudioFormatError) as caught:
        form.check(Path("out.x"), rate, channels)
    assert all(word in str(caught.value) for word in ("out.x", *words))
