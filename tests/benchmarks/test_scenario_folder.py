"""The layout of scenario folders, and what is said of folders that do not have it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.scenario_folder import choose, read_audio, read_recordings
from studiomic.errors import AudioFormatError, AudioReadError


def test_every_clip_of_every_scenario_is_found_the_clean_ones_first(scenarios: Path) -> None:
    recordings = read_recordings(scenarios)
    found = [(recording.scenario, recording.clip.name, recording.clip.cutoff_hz) for recording in recordings]
    assert found == [
        ("clean", "first", 24000.0),
        ("clean", "second", 15000.0),
        ("hiss", "first", 24000.0),
        ("hiss", "second", 15000.0),
    ]
    assert recordings[2].path == scenarios / "hiss/first.wav"
    assert recordings[2].reference == scenarios / "clean/first.wav"


def test_scenarios_and_clips_are_chosen_by_name(scenarios: Path) -> None:
    recordings = read_recordings(scenarios)
    assert [recording.path.name for recording in choose(recordings, ["hiss"])] == ["first.wav", "second.wav"]
    assert [recording.scenario for recording in choose(recordings, None, ["second"])] == ["clean", "hiss"]
    assert choose(recordings, None) == recordings


def test_unknown_names_are_refused_with_the_known_ones(scenarios: Path) -> None:
    recordings = read_recordings(scenarios)
    with pytest.raises(AudioReadError, match="no scenario rain: choose from clean, hiss"):
        choose(recordings, ["rain"])
    with pytest.raises(AudioReadError, match="no clip third: choose from first, second"):
        choose(recordings, None, ["third"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: shutil.rmtree(folder), ["clips.csv", "No such file", "clip, seconds, cutoff_hz"]),
        (lambda folder: (folder / "clips.csv").unlink(), ["clips.csv cannot be read", "clip, seconds, cutoff_hz"]),
        (lambda folder: shutil.rmtree(folder / "clean"), ["no folder clean/", "reference of each clip"]),
        (lambda folder: (folder / "hiss/second.wav").unlink(), ["second.wav is missing", "lists the clip second"]),
        (lambda folder: (folder / "empty").mkdir(), ["empty/first.wav is missing", "every folder beside clips.csv"]),
        (lambda folder: (folder / "clips.csv").write_text("clip\nfirst\n"), ["columns clip, but", "cutoff_hz were"]),
        (lambda folder: (folder / "clips.csv").write_text("clip,seconds,cutoff_hz\n"), ["lists no clip"]),
        (
            lambda folder: (folder / "clips.csv").write_text("clip,seconds,cutoff_hz\nfirst,2,high\n"),
            ["cutoff_hz 'high'", "up to 24000"],
        ),
        (
            lambda folder: (folder / "clips.csv").write_text("clip,seconds,cutoff_hz\nfirst,2,48000\n"),
            ["cutoff_hz '48000'", "up to 24000"],
        ),
    ],
)
def test_another_layout_is_refused(scenarios: Path, spoil, words: list[str]) -> None:  # type: ignore[no-untyped-def] # rows
    spoil(scenarios)
    for word in words:
        with pytest.raises(AudioReadError, match=word):
            read_recordings(scenarios)


def test_another_rate_or_more_channels_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 44100)
    soundfile.write(tmp_path / "wide.wav", np.zeros((100, 2)), 48000)
    with pytest.raises(AudioFormatError, match="44100 Hz and 1 channels, but 48000 Hz and 1 were wanted"):
        read_audio(tmp_path / "slow.wav")
    with pytest.raises(AudioFormatError, match="48000 Hz and 2 channels"):
        read_audio(tmp_path / "wide.wav")


def test_what_is_not_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(AudioReadError, match=r"text.wav cannot be read as audio .* 48 kHz mono WAV was wanted"):
        read_audio(tmp_path / "text.wav")
