"""The embedded sample and the recipe that made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from benchmarks.noise import a_weighted_power
from benchmarks.sample import SAMPLES_FOLDER, degrade, main, room_noise, room_response
from benchmarks.score import PARTS, Part, midi_file

MOST_BYTES = 2e6


def power_between(samples: NDArray[np.float64], low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 48000)
    return float(np.sum(power[(hertz >= low_hz) & (hertz < high_hz)]) / np.sum(power))


@pytest.fixture(scope="module")
def truth() -> NDArray[np.float64]:
    return np.asarray(soundfile.read(SAMPLES_FOLDER / "truth.flac")[0])


@pytest.fixture(scope="module")
def take() -> NDArray[np.float64]:
    return np.asarray(soundfile.read(SAMPLES_FOLDER / "take.flac")[0])


def test_the_files_are_small_mono_and_as_long_as_each_other() -> None:
    files = [SAMPLES_FOLDER / name for name in ("take.flac", "truth.flac")]
    facts = [soundfile.info(file) for file in files]
    assert {(fact.samplerate, fact.channels, fact.frames, fact.subtype) for fact in facts} == {
        (48000, 1, 552000, "PCM_16")
    }
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_the_truth_has_highs_and_the_take_has_lost_them(truth: NDArray[np.float64], take: NDArray[np.float64]) -> None:
    assert power_between(truth, 12000, 20000) > 1e-3
    assert power_between(take, 12000, 20000) < 1e-8


def test_the_take_is_what_the_recipe_makes_of_the_truth(truth: NDArray[np.float64], take: NDArray[np.float64]) -> None:
    made = degrade(truth)
    assert np.max(np.abs(made - take)) < 2e-3  # the truth was not yet rounded to 16 bits
    assert np.array_equal(made, degrade(truth))


def test_the_room_has_a_direct_sound_of_energy_one_below_its_reflections() -> None:
    response = room_response()
    assert np.argmax(np.abs(response)) == 0
    assert np.sum(response[:120] ** 2) == pytest.approx(1.0)
    assert 10 * np.log10(np.sum(response[120:] ** 2)) == pytest.approx(3.0)


def test_the_room_noise_hums_and_hisses() -> None:
    noise = room_noise(np.random.default_rng(0), 480000)
    assert power_between(noise, 99, 101) > 10 * power_between(noise, 105, 107)
    assert 0.001 < power_between(noise, 5000, 20000) < 0.2
    assert a_weighted_power(noise) > 0


def test_the_score_is_a_midi_file_of_all_parts() -> None:
    data = midi_file()
    assert data[:14] == b"MThd" + bytes([0, 0, 0, 6, 0, 1, 0, len(PARTS) + 1, 1, 224])
    assert data.count(b"MTrk") == len(PARTS) + 1
    assert b"\xff\x51\x03" + (625000).to_bytes(3) in data


def test_notes_begin_and_end_where_the_score_says() -> None:
    part = Part("test", 1, 25, 100, ("C4:1:80 -:0.5:0", "C#5+Bb3:0.25:90"), ring=0.5)
    track = midi_file((part,)).split(b"MTrk")[2][4:]
    events = [
        (0, [0xC1, 25]), (0, [0xB1, 7, 100]), (0, [0x91, 60, 80]), (720, [0x81, 60, 0]),
        (0, [0x91, 73, 90]), (0, [0x91, 58, 90]), (360, [0x81, 73, 0]), (0, [0x81, 58, 0]),
    ]  # fmt: skip
    wanted = b""
    for ticks, message in events:
        wanted += (bytes([ticks]) if ticks < 128 else bytes([0x80 | ticks >> 7, ticks & 0x7F])) + bytes(message)
    assert track == wanted + b"\x00\xff\x2f\x00"


def test_a_ringing_note_ends_where_its_pitch_is_struck_again() -> None:
    part = Part("test", 0, 0, 100, ("C4:0.1:80 C4:0.1:70",), ring=1.0)
    track = midi_file((part,)).split(b"MTrk")[2][4:]
    assert track[7:] == b"\x00\x90\x3c\x50\x30\x80\x3c\x00\x00\x90\x3c\x46\x84\x10\x80\x3c\x00\x00\xff\x2f\x00"


def test_a_note_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'H4' is no pitch"):
        midi_file((Part("test", 0, 0, 100, ("H4:1:80",)),))


def test_every_part_has_four_bars_of_four_beats_and_a_last_chord() -> None:
    for part in PARTS:
        assert [sum(float(note.split(":")[1]) for note in bar.split()) for bar in part.bars] == [4, 4, 4, 4, 2.5]


def test_a_missing_sound_font_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sound-font", str(tmp_path / "none.sf2"), "--out", str(tmp_path)]) == 66
    assert "none.sf2 is missing, but a sound font (.sf2) was wanted" in capsys.readouterr().err
