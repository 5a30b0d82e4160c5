"""Which recordings teach, and the card that names them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.recordings import (
    SAMPLE_RATE,
    Recording,
    as_float,
    decode,
    find_recordings,
    keeps_aside,
    known_below_hz,
    licence_allowed,
    load_cached,
)
from models.data_card import write_data_card

MAESTRO_HEADER = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"
MAESTRO_ROWS = (
    'Franz Schubert,"Sonata in B-flat, D. 960",train,2004,2004/b.midi,2004/b.wav,0.25',
    "Alban Berg,Sonata Op. 1,train,2018,2018/a.midi,2018/a.wav,0.25",
    "Frédéric Chopin,Ballade,validation,2008,2008/c.midi,2008/c.wav,0.25",
    "Joseph Haydn,Fantasia,test,2009,2009/d.midi,2009/d.wav,0.25",
)
HEADER = ["file", "spdx", "attribution", "source_repo", "path_in_repo", "encoder_cutoff_hz"]


def write_tone(path: Path, rate: int = SAMPLE_RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "music/train/free.wav",
        "music/train/shared.wav",
        "voice/train/said.wav",
        "noise/train/hiss.wav",
        "rir/train/hall.wav",
        "music/valid/kept.wav",
    ):
        write_tone(tmp_path / name)
    with open(tmp_path / "SOURCES.csv", "w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(HEADER)
        rows.writerow(["music/train/free.wav", "CC0-1.0", "Ann", "a/b", "c.wav", "0"])
        rows.writerow(["music/train/shared.wav", "CC-BY-SA-4.0", "Bob", "a/b", "d.wav", "16000"])
        rows.writerow(["voice/train/said.wav", "CC-BY-3.0 AND CC0-1.0", "Cy", "", "", ""])
    return tmp_path


@pytest.mark.parametrize(
    ("rate", "cutoff_hz", "known_hz"),
    [(48000, 24000.0, 24000.0), (96000, 24000.0, 24000.0), (44100, 24000.0, 21168.0), (44100, 16000.0, 16000.0)],
)
def test_a_recording_says_nothing_above_its_encoders_cutoff_or_where_its_sample_rate_ends(
    tmp_path: Path, rate: int, cutoff_hz: float, known_hz: float
) -> None:
    soundfile.write(tmp_path / "music.wav", np.zeros(100), rate)
    recording = Recording(tmp_path / "music.wav", "music.wav", "music", cutoff_hz=cutoff_hz)
    assert known_below_hz(recording) == pytest.approx(known_hz)


def test_the_project_layout_is_read_with_its_sources(root: Path) -> None:
    found = {recording.name: recording for recording in find_recordings(root, "train")}
    assert [r.kind for r in found.values()] == ["music", "music", "voice", "noise", "rir"]
    assert found["music/train/free.wav"].cutoff_hz == 24000
    assert found["music/train/shared.wav"].cutoff_hz == 16000
    assert found["music/train/shared.wav"].attribution == "Bob"
    assert found["music/train/free.wav"].origin == "a/b/c.wav"
    assert found["noise/train/hiss.wav"].licence == "unknown"
    assert not any("valid" in name for name in found)


def test_licences_choose_who_teaches(root: Path) -> None:
    names = [recording.name for recording in find_recordings(root, "train", ["permissive"])]
    assert names == ["music/train/free.wav", "voice/train/said.wav"]
    with pytest.raises(ValueError, match="no music or voice for 'train' under the licences MIT"):
        find_recordings(root, "train", ["MIT"])


@pytest.mark.parametrize(
    ("licence", "allowed", "answer"),
    [
        ("CC0-1.0", ["permissive"], True),
        ("CC-BY-SA-4.0", ["permissive"], False),
        ("CC-BY-3.0 AND CC0-1.0", ["permissive"], True),
        ("CC-BY-SA-3.0 AND CC0-1.0", ["permissive"], False),
        ("GPL", ["all"], True),
        ("GPL", ["permissive", "GPL"], True),
        ("unknown", ["permissive"], False),
    ],
)
def test_every_part_of_a_licence_must_be_allowed(licence: str, allowed: list[str], answer: bool) -> None:
    assert licence_allowed(licence, allowed) is answer


def test_any_folder_is_music(tmp_path: Path) -> None:
    write_tone(tmp_path / "deep" / "song.wav", rate=44100, channels=2)
    found = find_recordings(tmp_path, "train")
    assert [(r.name, r.kind) for r in found] == [("deep/song.wav", "music")]


def test_titles_leave_out_the_folders_of_kind_and_split(root: Path) -> None:
    write_tone(root / "noise" / "train" / "street" / "trams.wav")
    titles = [recording.title for recording in find_recordings(root, "train") if recording.kind == "noise"]
    assert titles == ["hiss.wav", "street/trams.wav"]


@pytest.fixture
def maestro(tmp_path: Path) -> Path:
    for name in ("2004/b.wav", "2018/a.wav", "2008/c.wav", "2009/d.wav", "2009/unlisted.wav"):
        write_tone(tmp_path / name, rate=44100, channels=2)
    (tmp_path / "maestro-v3.0.0.csv").write_text("\n".join([MAESTRO_HEADER, *MAESTRO_ROWS]) + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("split", "names"),
    [("train", ["2004/b.wav", "2018/a.wav"]), ("valid", ["2008/c.wav"]), ("test", ["2009/d.wav"])],
)
def test_maestro_is_read_by_its_table(maestro: Path, split: str, names: list[str]) -> None:
    found = find_recordings(maestro, split)
    assert [(r.name, r.kind) for r in found] == [(name, "music") for name in names]
    assert keeps_aside(maestro, split)
    assert all(len(decode(r.path)) == pytest.approx(SAMPLE_RATE / 4, abs=2) for r in found)


def test_maestro_brings_its_licence_and_whom_to_name(maestro: Path) -> None:
    schubert = find_recordings(maestro, "train", ["CC-BY-NC-SA-4.0"])[0]
    assert schubert.licence == "CC-BY-NC-SA-4.0"
    assert schubert.attribution.endswith("Franz Schubert, Sonata in B-flat, D. 960")
    with pytest.raises(ValueError, match="holds no music or voice for 'train' under the licences permissive"):
        find_recordings(maestro, "train", ["permissive"])


def test_a_subset_of_maestro_need_not_keep_any_aside(maestro: Path) -> None:
    (maestro / "maestro-v3.0.0.csv").write_text("\n".join([MAESTRO_HEADER, MAESTRO_ROWS[1]]) + "\n")
    assert not keeps_aside(maestro, "valid")
    with pytest.raises(ValueError, match="holds no music or voice for 'valid'"):
        find_recordings(maestro, "valid")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("audio_filename,", "audio,", r"has no column audio_filename; wanted canonical_composer, .*duration"),
        ("train,2018", "training,2018", r"line 3 has the split 'training'; wanted one of train, validation, test"),
        ("2018/a.wav,0.25", "2018/a.wav", r"line 3 has fewer fields than the 7 columns wanted"),
        ("2018/a.wav,0.25", "2018/a.wav,0.25,9", r"line 3 has more fields than the 7 columns wanted"),
        ("2018/a.wav,0.25", "2018/a.wav,long", r"line 3 has the duration 'long'; wanted a number of seconds above 0"),
        ("2018/a.wav,0.25", "2018/a.wav,nan", r"line 3 has the duration 'nan'"),
        ("2018/a.wav,0.25", "2018/a.wav,-1", r"line 3 has the duration '-1'"),
        ("2018/a.wav", "", r"line 3 has the audio_filename ''; wanted a path below the table's folder"),
        ("2018/a.wav", "../a.wav", r"line 3 has the audio_filename '../a.wav'; wanted a path below"),
        ("2018/a.wav", "2018/z.wav", r"1 of the 2 recordings for 'train' .* are not there \(line 3: 2018/z.wav\)"),
        ("Alban", '"Alban', r"is no readable table: .*; wanted CSV in UTF-8"),
    ],
)
def test_what_is_wrong_with_maestro_is_named(maestro: Path, old: str, new: str, complaint: str) -> None:
    table = maestro / "maestro-v3.0.0.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        find_recordings(maestro, "train")


def test_maestro_refuses_what_it_does_not_have(maestro: Path) -> None:
    with pytest.raises(ValueError, match="no split 'night'; wanted one of train, valid, test"):
        find_recordings(maestro, "night")
    (maestro / "maestro-v3.0.0.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is no readable table"):
        find_recordings(maestro, "train")
    (maestro / "maestro-v2.0.0.csv").touch()
    with pytest.raises(ValueError, match=r"has the tables maestro-v2.0.0.csv, maestro-v3.0.0.csv; wanted one"):
        find_recordings(maestro, "train")


@pytest.mark.parametrize("folder", ["missing", "."])
def test_a_folder_without_music_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ValueError, match=r"no folder|holds no music"):
        find_recordings(tmp_path / folder, "train")


def test_decoding_gives_mono_at_48_khz(tmp_path: Path) -> None:
    write_tone(tmp_path / "song.wav", rate=44100, channels=2)
    samples = as_float(decode(tmp_path / "song.wav"))
    assert len(samples) == pytest.approx(SAMPLE_RATE / 4, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(samples))) * SAMPLE_RATE / len(samples) == pytest.approx(440, abs=4)
    assert np.max(np.abs(samples[1000:-1000])) == pytest.approx(0.25, abs=0.01)


def test_the_cache_follows_the_file(tmp_path: Path) -> None:
    write_tone(tmp_path / "music" / "song.wav")
    recording = find_recordings(tmp_path / "music", "train")[0]
    first = np.array(load_cached(recording, tmp_path / "cache"))
    soundfile.write(recording.path, np.zeros(100), SAMPLE_RATE)
    assert len(first) == SAMPLE_RATE // 4
    assert len(load_cached(recording, tmp_path / "cache")) == 100
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_the_data_card_names_every_recording(root: Path) -> None:
    write_data_card(root / "card.csv", find_recordings(root, "train"))
    with open(root / "card.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 5
    assert rows[1] == {
        "file": "music/train/shared.wav",
        "kind": "music",
        "spdx": "CC-BY-SA-4.0",
        "attribution": "Bob",
        "origin": "a/b/d.wav",
    }
