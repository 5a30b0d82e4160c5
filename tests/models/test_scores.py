"""Random scores, and what plays them."""

import csv
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.recordings import find_recordings
from models.data.rendered import PEAK
from models.data.scores import PROGRAMS, SCALES, main, piece, random_score

PLAYER = """#!{python}
import sys, numpy, soundfile
open(sys.argv[-2], "rb").close()
assert open(sys.argv[-1], "rb").read(4) == b"MThd"
tone = {gain} * numpy.sin(numpy.arange(48000) / 20)
soundfile.write(sys.argv[sys.argv.index("-F") + 1], numpy.stack([tone, 3 * tone], 1), 48000, subtype="FLOAT")
"""
"""Stands in for fluidsynth, which tests do not need: it plays a tone, whatever the score."""


@pytest.fixture
def sound_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install_player(tmp_path, 0.1)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    font = tmp_path / "any.sf2"
    font.write_bytes(b"RIFF")
    return font


def install_player(folder: Path, gain: float) -> None:
    player = folder / "fluidsynth"
    player.write_text(PLAYER.format(python=sys.executable, gain=gain))
    player.chmod(player.stat().st_mode | stat.S_IXUSR)


def test_scores_are_music_that_ends() -> None:
    programs, drums = set(), 0
    for seed in range(40):
        score = random_score(12.0, np.random.default_rng(seed))
        assert 6.0 < score.length < 20.0
        heard: set[int] = set()
        for track in score.tracks[1:]:
            sounding: set[int] = set()
            for message in track:
                assert message.time >= 0
                if message.type == "program_change" and message.channel != 9:
                    programs.add(message.program)
                elif message.type == "note_on":
                    assert message.note not in sounding
                    sounding.add(message.note)
                    drums += message.channel == 9
                    heard |= set() if message.channel == 9 else {message.note % 12}
                elif message.type == "note_off":
                    sounding.discard(message.note)
            assert not sounding
        assert any(heard <= {(root + step) % 12 for step in scale} for root in range(12) for scale in SCALES)
    assert len(programs) > 40
    assert max(programs) < PROGRAMS
    assert drums > 0


def test_a_seed_gives_the_same_score() -> None:
    one, same, other = (random_score(5.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [list(track) for track in one.tracks] == [list(track) for track in same.tracks]
    assert [list(track) for track in one.tracks] != [list(track) for track in other.tracks]


def test_pieces_are_written_as_training_reads_them(sound_font: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    main(["--sound-font", str(sound_font), "--out", str(out), "--pieces", "2", "--seconds", "3"])
    found = find_recordings(out, "train", ["permissive"])
    assert [recording.licence for recording in found] == ["MIT", "MIT"]
    samples, rate = soundfile.read(found[0].path)
    assert rate == 48000
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=1e-4)
    with (out / "SOURCES.csv").open(newline="") as table:
        assert [row["note"] for row in csv.DictReader(table)] == ["RENDERED", "RENDERED"]
    with pytest.raises(SystemExit):
        main(["--sound-font", str(sound_font), "--out", str(out)])


def test_what_cannot_play_says_so(sound_font: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = random_score(2.0, np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"none.sf2 is missing, but a sound font"):
        piece(score, tmp_path / "none.sf2")
    install_player(tmp_path, 0.0)
    with pytest.raises(ValueError, match="gave silence"):
        piece(score, sound_font)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="the command fluidsynth is missing"):
        piece(score, sound_font)
