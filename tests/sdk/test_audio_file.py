"""What is written is read again: samples, widths, tags; whole or not at all; damage is told."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from studiomic import audio_formats
from studiomic.audio_file import BLOCK_FRAMES, open_audio
from studiomic.audio_formats import AIFF, FLAC, RF64, WAV, WRITTEN_FORMATS, AudioFormat
from studiomic.audio_writer import writing_audio
from studiomic.errors import AudioFormatError, AudioReadError, AudioWriteError
from studiomic.tags import TAG_NAMES

FRAMES = 2 * BLOCK_FRAMES + 123
LOSSLESS = [
    (form, encoding) for form in (WAV, RF64, FLAC, AIFF) for encoding in form.encodings if encoding not in ("DOUBLE",)
]


def noise(frames: int = FRAMES, channels: int = 2, scale: float = 0.2) -> NDArray[np.float32]:
    samples = scale * np.random.default_rng(7).standard_normal((frames, channels))
    return samples.astype(np.float32)


def write(path: Path, form: AudioFormat, encoding: str, samples: NDArray[np.float32], rate: int = 48000) -> int:
    with writing_audio(
        path,
        form,
        encoding,
        rate,
        samples.shape[1],
        tags={"title": "A title"},
        expected_frames=len(samples),
        overwrite=True,
    ) as writer:
        for start in range(0, len(samples), 1000):
            writer.write(samples[start : start + 1000])
    return writer.saturated


def read(path: Path) -> NDArray[np.float32]:
    with open_audio(path) as reader:
        return np.concatenate(list(reader.blocks()))


@pytest.mark.parametrize(("form", "encoding"), LOSSLESS, ids=lambda value: getattr(value, "name", value))
def test_lossless_files_give_back_what_their_width_holds(tmp_path: Path, form: AudioFormat, encoding: str) -> None:
    path = tmp_path / f"a{form.suffixes[0]}"
    samples = noise()
    assert write(path, form, encoding, samples) == 0
    bits = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 24, "FLOAT": 24}[encoding]
    assert np.abs(read(path) - samples).max() <= 0.5 / 2 ** (bits - 1)
    with open_audio(path) as reader:
        assert (reader.encoding, reader.rate, reader.channels, reader.frames) == (encoding, 48000, 2, FRAMES)


@pytest.mark.parametrize("encoding", ["PCM_U8", "PCM_16", "PCM_24"])
def test_integers_survive_reading_and_writing_unchanged(tmp_path: Path, encoding: str) -> None:
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    write(first, WAV, encoding, noise(scale=0.4))
    write(second, WAV, encoding, read(first))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("form", WRITTEN_FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("frames", [1, 577, FRAMES])
def test_every_format_keeps_the_length_in_blocks(tmp_path: Path, form: AudioFormat, frames: int) -> None:
    path = tmp_path / f"a{form.suffixes[0]}"
    write(path, form, form.encoding_for("PCM_16"), noise(frames))
    with open_audio(path) as reader:
        blocks = list(reader.blocks())
        assert reader.warnings == []
    assert sum(map(len, blocks)) == frames
    assert max(map(len, blocks)) <= BLOCK_FRAMES
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize(("encoding", "bits"), [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24), ("PCM_32", 32)])
def test_integers_saturate_and_are_counted(tmp_path: Path, encoding: str, bits: int) -> None:
    path = tmp_path / "a.wav"
    samples = np.array([[2.0], [-2.0], [-1.0], [1.0], [0.5]], dtype=np.float32)
    assert write(path, WAV, encoding, samples) == 3
    step = 2.0 ** (1 - bits)
    np.testing.assert_allclose(read(path)[:, 0], [1 - step, -1, -1, 1 - step, 0.5], atol=2**-24)


def test_floats_beyond_full_scale_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.array([[3.0], [-7.5]], dtype=np.float32)
    assert write(path, WAV, "FLOAT", samples) == 0
    np.testing.assert_array_equal(read(path), samples)


HELD_TAGS = {
    ".wav": set(TAG_NAMES) - {"license"},
    ".rf64": set(TAG_NAMES) - {"license"},
    ".flac": set(TAG_NAMES),
    ".ogg": set(TAG_NAMES),
    ".opus": set(TAG_NAMES),
    ".mp3": {"title", "artist", "album", "date", "comment", "genre", "tracknumber"},
    ".aiff": {"title", "artist", "comment"},
}


@pytest.mark.parametrize("form", WRITTEN_FORMATS, ids=lambda form: form.name)
def test_tags_are_kept_where_the_format_can(tmp_path: Path, form: AudioFormat) -> None:
    path = tmp_path / f"a{form.suffixes[0]}"
    tags = {name: f"Große {name}" for name in TAG_NAMES} | {"date": "2024", "tracknumber": "7"}
    encoding = form.encoding_for("PCM_16")
    with writing_audio(path, form, encoding, 48000, 1, tags=tags, expected_frames=None, overwrite=False) as writer:
        writer.write(noise(channels=1))
    held = HELD_TAGS[form.suffixes[0]]
    with open_audio(path) as reader:
        assert {name: reader.tags.get(name) for name in held} == {name: tags[name] for name in held}
    assert set(writer.tags_left_out) == set(TAG_NAMES) - held


def test_a_text_that_mp3_cannot_spell_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    tags = {"title": "Чайковский", "artist": "Dvorak"}
    form = audio_formats.MP3
    with writing_audio(
        path, form, "MPEG_LAYER_III", 48000, 1, tags=tags, expected_frames=None, overwrite=False
    ) as writer:
        writer.write(noise(channels=1))
    assert writer.tags_left_out == ("title",)
    with open_audio(path) as reader:
        assert reader.tags == {"artist": "Dvorak"}


def test_a_wav_that_would_exceed_its_counters_becomes_rf64(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    too_many = audio_formats.RIFF_LARGEST_BYTES // 2 + 1
    with writing_audio(path, WAV, "PCM_16", 48000, 1, tags={}, expected_frames=too_many, overwrite=False) as writer:
        writer.write(noise(channels=1))
    assert soundfile.info(path).format == "RF64"


def test_an_aiff_that_would_exceed_its_counters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.aiff"
    too_many = audio_formats.RIFF_LARGEST_BYTES // 2 + 1
    with (
        pytest.raises(AudioFormatError, match=r"AIFF cannot hold more than 4 GiB.*\.flac"),
        writing_audio(path, AIFF, "PCM_16", 48000, 1, tags={}, expected_frames=too_many, overwrite=False),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_wav_that_grows_beyond_its_counters_unexpectedly_is_stopped(tmp_path: Path) -> None:
    small = AudioFormat("WAV", "WAV", (".wav",), ("PCM_16",), most_channels=2, largest_bytes=4000)

    def write_too_much() -> None:
        path = tmp_path / "a.wav"
        with writing_audio(path, small, "PCM_16", 48000, 1, tags={}, expected_frames=None, overwrite=False) as writer:
            writer.write(noise(1999, 1))
            writer.write(noise(2, 1))

    with pytest.raises(AudioWriteError, match=r"4 GiB.*\.rf64"):
        write_too_much()
    assert list(tmp_path.iterdir()) == []


@contextmanager
def full_disk_after(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("form", WRITTEN_FORMATS, ids=lambda form: form.name)
def test_a_full_disk_is_noticed_wherever_it_strikes(tmp_path: Path, form: AudioFormat) -> None:
    path = tmp_path / f"a{form.suffixes[0]}"
    encoding = form.encoding_for("PCM_16")
    write(path, form, encoding, noise())
    good = path.read_bytes()
    size = len(good)
    # The encoders write the header first, blocks as they come, and their last bytes on closing.
    for limit in sorted({0, 1, 45, size // 2, *range(max(0, size - 2000), size, 400), *range(size - 128, size, 30)}):
        with full_disk_after(limit), pytest.raises(AudioWriteError, match="File too large") as caught:
            write(path, form, encoding, noise())
        assert str(path) in str(caught.value)
        assert path.read_bytes() == good
        assert os.listdir(tmp_path) == [path.name]


def truncated(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("form", WRITTEN_FORMATS, ids=lambda form: form.name)
def test_a_truncated_file_gives_what_it_holds_and_says_so(tmp_path: Path, form: AudioFormat) -> None:
    path = tmp_path / f"a{form.suffixes[0]}"
    samples = noise(100_000)
    write(path, form, form.encoding_for("PCM_16"), samples)
    whole = read(path)
    truncated(path, 0.6)
    with open_audio(path) as reader:
        rest = np.concatenate(list(reader.blocks()))
        warnings = " ".join(reader.warnings)
    assert 40_000 < len(rest) < 70_000
    np.testing.assert_array_equal(rest[:40_000], whole[:40_000])
    assert "truncated" in warnings


def test_a_recorder_that_never_wrote_its_sizes_has_lost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write(path, WAV, "PCM_16", noise(1000))
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with open_audio(path) as reader:
        assert sum(map(len, reader.blocks())) >= 1000
        assert reader.warnings == []


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((0, 1)), 48000)
    with open_audio(path) as reader, pytest.raises(AudioReadError, match="0 frames"):
        list(reader.blocks())
