"""The sound of videos and of m4a files, through PyAV."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from studiomic.audio_file import open_audio
from studiomic.errors import AudioReadError, MissingExtraError

RATE = 44100
SECONDS = 2


def tone(channels: int) -> NDArray[np.float32]:
    time = np.arange(RATE * SECONDS) / RATE
    return np.stack([0.3 * np.sin(2 * np.pi * 440 * (k + 1) * time) for k in range(channels)]).astype(np.float32)


def encode(path: Path, codec: str, samples: NDArray[np.float32], *, picture: bool = False) -> None:
    """Write samples [channels, frames], and a black picture a second where wanted."""
    with av.open(str(path), "w") as container:
        container.metadata.update(title="A title", artist="Someone", track="3")
        video = container.add_stream("mpeg4", rate=1) if picture else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        track = container.add_stream(codec, rate=RATE, layout="mono" if len(samples) == 1 else "stereo")
        assert isinstance(track, av.AudioStream)
        if video is not None:
            for _ in range(SECONDS):
                picture_frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                container.mux(video.encode(picture_frame))
            container.mux(video.encode(None))
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=track.layout.name)
            frame.sample_rate, frame.pts = RATE, start
            container.mux(track.encode(frame))
        container.mux(track.encode(None))


@pytest.mark.parametrize(("name", "codec", "picture"), [("a.m4a", "aac", False), ("a.mp4", "aac", True)])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_sound_comes_out_in_time(tmp_path: Path, name: str, codec: str, picture: bool, channels: int) -> None:
    path = tmp_path / name
    samples = tone(channels)
    encode(path, codec, samples, picture=picture)
    with open_audio(path) as reader:
        assert (reader.rate, reader.channels) == (RATE, channels)
        assert reader.tags == {"title": "A title", "artist": "Someone", "tracknumber": "3"}
        decoded = np.concatenate(list(reader.blocks())).T
        assert reader.warnings == []
        assert reader.frames is not None
        assert abs(reader.frames - decoded.shape[1]) < 0.1 * RATE
    # AAC is not exact, but a delay of a few samples would turn a tone's phase and fail here.
    count = min(decoded.shape[1], samples.shape[1]) - 2048
    difference = decoded[:, 2048:count] - samples[:, 2048:count]
    assert np.sqrt(np.mean(difference**2)) < 0.02
    assert decoded.dtype == np.float32


def test_lossless_sound_in_a_container_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    samples = tone(2)
    encode(path, "pcm_f32le", samples)
    with open_audio(path) as reader:
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks())).T, samples)


def test_a_video_without_sound_is_refused_and_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=1)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
    with pytest.raises(AudioReadError, match=r"a\.mp4: holds no sound track \(only video\)"):
        open_audio(path)


def test_a_truncated_video_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    encode(path, "pcm_f32le", tone(1))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_audio(path) as reader:
        count = sum(map(len, reader.blocks()))
        assert 0 < count < RATE * SECONDS
        assert any("truncated" in warning or "damaged" in warning for warning in reader.warnings)


def test_a_video_that_lost_its_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    encode(path, "aac", tone(1))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioReadError, match=r"a\.m4a: cannot be read"):
        open_audio(path)


def test_without_pyav_the_answer_is_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"a\.mp4.*pip install 'studiomic\[video\]'"):
        open_audio(path)
