"""Drums that play alone, of kits as Hydrogen stores them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.drum_kits import LICENCES, ROLES, main, played, random_beat, read_kit
from models.data.recordings import find_recordings
from models.data.rendered import PEAK

RATE = 48000
KIT = "VariBreaks"
INSTRUMENT = "<instrument><name>{name}</name>{layers}</instrument>"
LAYER = "<layer><filename>{file}</filename><min>0</min><max>{highest}</max><gain>{gain}</gain></layer>"


def burst(seed: int, seconds: float = 0.1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 0.3 * random.standard_normal(int(seconds * RATE)) * np.exp(-np.arange(int(seconds * RATE)) / 1000)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kick, a snare of two layers, a hat; one instrument whose sample is missing, one that has none."""
    folder = tmp_path / KIT
    folder.mkdir()
    for seed, name in enumerate(("kick.wav", "soft.wav", "hard.wav", "hat.wav")):
        soundfile.write(folder / name, burst(seed), RATE)
    parts = [
        ("Kick 1", LAYER.format(file="kick.wav", highest=1, gain=1)),
        # The louder one first, as some kits have it
        (
            "Snare Rock",
            LAYER.format(file="hard.wav", highest=1, gain=2) + LAYER.format(file="soft.wav", highest=0.5, gain=1),
        ),
        ("Closed HH", "<filename>hat.wav</filename>"),
        ("Crash", LAYER.format(file="lost.wav", highest=1, gain=1)),
        ("17", ""),
    ]
    instruments = "".join(INSTRUMENT.format(name=name, layers=layers) for name, layers in parts)
    text = f'<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><instrumentList>{instruments}</instrumentList>'
    (folder / "drumkit.xml").write_text(f"{text}</drumkit_info>")
    return folder


def test_a_kit_is_read_with_its_layers_and_roles(kit: Path) -> None:
    instruments = read_kit(kit)
    assert [one.name for one in instruments] == ["Kick 1", "Snare Rock", "Closed HH"]
    assert [one.role for one in instruments] == ["kick", "snare", "hat"]
    snare = instruments[1]
    assert [layer.highest for layer in snare.layers] == [0.5, 1.0]
    np.testing.assert_allclose(snare.struck(0.5), 0.5 * burst(1), atol=1e-3)
    np.testing.assert_allclose(snare.struck(0.8), 0.8 * 2.0 * burst(2), atol=1e-3)
    np.testing.assert_allclose(instruments[2].struck(1.0), burst(3), atol=1e-3)


def test_a_beat_keeps_time(kit: Path) -> None:
    """Every bar begins with the kick, and its second half, or its second and fourth quarter, with the snare."""
    instruments = read_kit(kit)
    for seed in range(20):
        steps: dict[str, set[int]] = {one.name: set() for one in instruments}
        for step, what, velocity in random_beat(instruments, 4, np.random.default_rng(seed)):
            assert 0 <= step < 4 * 16
            assert 0.0 < velocity <= 1.0
            steps[what.name].add(step)
        assert {0, 16, 32, 48} <= steps["Kick 1"]
        snare = steps["Snare Rock"]
        assert {8, 24, 40, 56} <= snare or {4, 12, 20, 28, 36, 44, 52} <= snare


def test_pieces_last_as_long_as_asked_and_a_seed_repeats_them(kit: Path) -> None:
    instruments = read_kit(kit)
    one, same, other = (played(instruments, 12.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.allclose(one, other)
    for piece in (one, other):
        assert 8.0 < len(piece) / RATE < 17.0
        assert np.abs(piece).max() == pytest.approx(PEAK)
        # Never silent for longer than a slow bar
        frames = np.abs(piece[: -RATE - len(piece[:-RATE]) % (4 * RATE) or None]).reshape(-1, 4 * RATE)
        assert (frames.max(axis=1) > 0.05).all()


def test_pieces_are_written_as_training_reads_them(kit: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    main([str(kit), "--out", str(out), "--pieces", "2", "--seconds", "5"])
    found = find_recordings(out, "train", ["all"])
    assert [recording.title for recording in found] == ["drums_varibreaks_1_000.flac", "drums_varibreaks_1_001.flac"]
    with (out / "SOURCES.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["spdx"] for row in rows] == [LICENCES[KIT][0]] * 2
    assert LICENCES[KIT][1] in rows[0]["attribution"]


def test_what_is_no_kit_says_so(kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"is no drum kit of Hydrogen's: drumkit.xml"):
        read_kit(tmp_path)
    (tmp_path / "drumkit.xml").write_text("<drumkit_info>")
    with pytest.raises(ValueError, match=r"is no drum kit of Hydrogen's: drumkit.xml"):
        read_kit(tmp_path)
    (tmp_path / "drumkit.xml").write_text("<drumkit_info/>")
    with pytest.raises(ValueError, match="names no sample that is there"):
        read_kit(tmp_path)
    for name in ("kick.wav", "soft.wav", "hard.wav", "hat.wav"):
        soundfile.write(kit / name, np.zeros(100), RATE)
    for given, message in (
        ([str(kit)], "the kit gave silence"),
        ([str(tmp_path)], "is not known; wanted --spdx, or one of Audiophob"),
        ([str(tmp_path), "--spdx", "CC0-1.0"], "names no sample"),
        ([str(kit), "--pieces", "0"], "got 0 pieces"),
    ):
        out = tmp_path / f"out{len(message)}"
        with pytest.raises(SystemExit):
            main([*given, "--out", str(out)])
        assert message in capsys.readouterr().err
        assert not (out / "SOURCES.csv").exists()


def test_what_is_no_sample_and_no_number_is_named(kit: Path) -> None:
    table = kit / "drumkit.xml"
    whole = table.read_text()
    for number in ("loud", "nan", "inf"):
        table.write_text(whole.replace("<gain>2</gain>", f"<gain>{number}</gain>"))
        with pytest.raises(ValueError, match=f"drumkit.xml: gain of hard.wav: got '{number}', wanted a number"):
            read_kit(kit)
    table.write_text(whole)
    for content in (b"", b"no audio at all"):
        (kit / "hat.wav").write_bytes(content)
        with pytest.raises(ValueError, match=r"hat.wav, a sample of the kit, is no audio"):
            read_kit(kit)


def test_every_role_has_its_words_in_lower_case() -> None:
    assert all(word == word.lower() for words in ROLES.values() for word in words)
