"""Scenarios made of any recordings, in the small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from benchmarks import own_scenarios
from benchmarks.own_scenarios import RECIPES, excerpt, main
from benchmarks.scenario_folder import RATE, read_audio, read_recordings
from models.data.noise import a_weighted_power
from tests.benchmarks.conftest import tune

SECONDS = "2"


def write(path: Path, samples: NDArray[np.float64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A folder in the project's layout: two pieces of music, one too short, one silent, a noise, a room."""
    folder = tmp_path / "audio"
    write(folder / "music/valid/first.wav", tune(1))
    write(folder / "music/valid/second.wav", tune(2))
    write(folder / "music/valid/short.wav", tune(3)[:RATE])
    write(folder / "music/valid/silent.wav", np.zeros(3 * RATE))
    random = np.random.default_rng(0)
    write(folder / "noise/valid/hiss.wav", 0.1 * random.standard_normal(3 * RATE))
    decay = 0.2 * random.standard_normal(RATE // 4) * np.exp(-np.arange(RATE // 4) / 2000)
    decay[:240] = 0.0  # nothing follows the direct sound for 5 ms
    decay[0] = 0.9
    write(folder / "rir/valid/room.wav", decay)
    return folder


def make(audio: Path, out: Path, *options: str) -> int:
    return main([str(out), "--audio", str(audio), "--seconds", SECONDS, "--cache", str(out.parent / "cache"), *options])


def test_every_scenario_holds_every_clip_at_its_strength(audio: Path, tmp_path: Path) -> None:
    assert make(audio, tmp_path / "out") == 0
    recordings = read_recordings(tmp_path / "out")
    names = ["music_valid_first", "music_valid_second"]
    assert [(r.scenario, r.clip.name) for r in recordings] == [
        (scenario, name) for scenario in ("clean", *sorted(RECIPES)) for name in names
    ]
    heard = {recording.scenario: read_audio(recording.path) for recording in recordings[:: len(names)]}
    clean = heard["clean"]
    assert len(clean) == 2 * RATE
    assert 20 * np.log10(np.std(clean)) == pytest.approx(-23, abs=0.01)
    for scenario, ratio_db in (("noise5", 5.0), ("noise15", 15.0)):
        noise = heard[scenario] - clean
        assert 10 * np.log10(a_weighted_power(clean) / a_weighted_power(noise)) == pytest.approx(ratio_db, abs=0.1)
    for scenario, hertz in (("lp8k", 8000), ("lp4k", 4000), ("take", 11000)):
        powers = np.abs(np.fft.rfft(heard[scenario] * np.hanning(len(clean)))) ** 2
        above = powers[int(1.1 * hertz * len(clean) / RATE) :]
        assert above.sum() < 1e-6 * powers.sum()
    assert np.abs(heard["clipped"]).max() < 0.5 * np.abs(clean).max()
    for scenario in ("reverb", "covered", "codec"):
        assert np.std(heard[scenario] - clean) > 0.05 * np.std(clean)
        assert np.corrcoef(heard[scenario], clean)[0, 1] > 0.3, "in time with the truth"


def test_the_same_again_and_more_music_changes_nothing(audio: Path, tmp_path: Path) -> None:
    assert make(audio, tmp_path / "once") == 0
    write(audio / "music/valid/another.wav", tune(4))
    assert make(audio, tmp_path / "again") == 0
    for recording in read_recordings(tmp_path / "once"):
        again = tmp_path / "again" / recording.scenario / recording.path.name
        np.testing.assert_array_equal(read_audio(again), read_audio(recording.path))
    assert (tmp_path / "again/clean/music_valid_another.wav").is_file()


def test_a_folder_of_music_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_scenarios, "SIMULATED_ROOMS", 1)
    write(tmp_path / "music/piece.wav", np.tile(tune(1), 3))
    assert make(tmp_path / "music", tmp_path / "out", "--excerpts", "2") == 0
    clean, again = (read_audio(tmp_path / f"out/clean/piece_{number}.wav") for number in (1, 2))
    assert np.abs(clean - again).max() > 0.01
    for scenario in ("noise5", "reverb"):
        assert np.std(read_audio(tmp_path / "out" / scenario / "piece_1.wav") - clean) > 0.05 * np.std(clean)


def test_sound_is_found_beside_silence() -> None:
    samples = np.concatenate([np.zeros(4 * RATE), 10000 * np.ones(RATE)]).astype(np.int16)
    samples[::2] *= -1
    found = [excerpt(samples, RATE, np.random.default_rng(seed)) for seed in range(5)]
    assert all(part is not None and np.abs(part).max() > 0.05 for part in found)
    assert excerpt(samples[: 4 * RATE], RATE, np.random.default_rng(0)) is None
    assert excerpt(samples, 6 * RATE, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--excerpts", "0"], "got 0 excerpts of 2 s each, wanted at least 1 of 2 to 600 s"),
        (["--seconds", "nan"], "got 1 excerpts of nan s each"),
        (["--seconds", "30"], "got no recording of 30 s that is not silent"),
        (["--audio", "nowhere"], "nowhere is no folder; wanted one with recordings"),
    ],
)
def test_what_cannot_be_made_is_told_and_leaves_nothing(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    before = sorted(tmp_path.iterdir())
    assert make(audio, tmp_path / "out", *options) == 2
    assert words in capsys.readouterr().err
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


def test_a_folder_that_is_there_stays_as_it_is(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    assert make(audio, tmp_path / "out") == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_failure_midway_leaves_nothing(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("benchmarks.own_scenarios.soundfile.write", fail)
    assert make(audio, tmp_path / "out") == 2
    assert "the disk is full" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "cache"]


def test_a_file_that_is_no_audio_is_named(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (audio / "music/valid/notes.wav").write_text("no audio")
    assert make(audio, tmp_path / "out") == 2
    assert "notes.wav" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_files_that_differ_in_their_ending_alone_both_come(audio: Path, tmp_path: Path) -> None:
    write(audio / "music/valid/first.flac", tune(5))
    assert make(audio, tmp_path / "out") == 0
    first, second = (read_audio(tmp_path / f"out/clean/music_valid_first{end}.wav") for end in ("", "_"))
    assert np.abs(first - second).max() > 0.01
