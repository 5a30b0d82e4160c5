"""Music out of Debian packages, and where encoders cut it off."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter

from models.data.encoder_cutoff import encoder_cutoff_hz
from models.data.packages import NOT_TOLD, main, spdx
from models.data.recordings import find_recordings, read_sources

RATE = 44100
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001 Programmers
License: GPL-2+

Files: data/music/*
Copyright: 2002 Somebody Musical
License: CC-BY-SA-3.0

Files: data/music/theme.*
Copyright: 2003 Somebody Else
License: CC0

License: GPL-2+
 Text.

License: CC-BY-SA-3.0
 Text.

License: CC0
 Text.
"""


def noise(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(1).standard_normal(round(seconds * rate))).astype(np.float32)


def encoded(samples: NDArray[np.float32], rate: int = RATE, kind: str = "OGG") -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1 if samples.ndim == 1 else samples.shape[1], format=kind) as out:
        out.artist = "A. Player"
        out.write(samples)
    return file.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def debian_package(path: Path, files: dict[str, bytes], name: str = "game-data") -> Path:
    """A .deb as dpkg builds it: an ar archive (one header of 60 bytes before each member) of two tars."""
    control = tar({"control": f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: all\n".encode()})
    members = {"debian-binary": b"2.0\n", "control.tar.xz": control, "data.tar.xz": tar(files)}
    package = b"!<arch>\n"
    for member, content in members.items():
        package += f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        package += content + b"\n" * (len(content) % 2)
    path.write_bytes(package)
    return path


def table(folder: Path) -> dict[str, dict[str, str]]:
    return {row["path_in_repo"].split("/")[-1]: row for row in read_sources(folder).values()}


def test_music_of_packages_is_written_as_training_reads_it(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("audio/tunes/hidden.flac", encoded(noise(3.0), kind="FLAC"))
        packed.writestr("audio/readme.txt", "none")
    game = "usr/share/games/game"
    stereo = np.stack([noise(4.0), np.zeros(4 * RATE, np.float32)], 1)
    deb = debian_package(
        tmp_path / "game.deb",
        {
            "usr/share/doc/game-data/copyright": COPYRIGHT.encode(),
            f"{game}/music/theme.ogg": encoded(noise(10.0)),
            f"{game}/music/other song.ogg": encoded(stereo),
            f"{game}/public.zip": archive.getvalue(),
            f"{game}/music/short.ogg": encoded(noise(0.5)),
            f"{game}/music/silent.ogg": encoded(np.zeros(3 * RATE, np.float32)),
            f"{game}/music/old.ogg": encoded(noise(3.0, 22050), 22050),
            f"{game}/music/broken.ogg": encoded(noise(3.0))[:100],
            f"{game}/sfx/gun.ogg": encoded(noise(3.0)),
        },
    )
    out = tmp_path / "out"
    main([str(deb), "--out", str(out), "--seconds", "5", "--least-seconds", "2"])
    found = {recording.origin.split("/")[-1]: recording for recording in find_recordings(out, "train")}
    assert set(found) == {"theme.ogg", "other song.ogg", "hidden.flac"}
    assert found["theme.ogg"].origin.startswith("Debian/game-data_1:2.0-1/usr/share")
    assert [found[name].licence for name in ("theme.ogg", "other song.ogg", "hidden.flac")] == [
        "CC0-1.0",
        "CC-BY-SA-3.0",
        "GPL-2.0-or-later",
    ]
    assert found["theme.ogg"].attribution == "A. Player; 2003 Somebody Else"
    assert float(table(out)["theme.ogg"]["seconds"]) == 5.0
    samples, rate = soundfile.read(found["other song.ogg"].path)
    assert rate == RATE
    assert samples.shape == (4 * RATE,)
    assert np.std(samples) == pytest.approx(0.05, rel=0.1)
    with pytest.raises(SystemExit):
        main([str(deb), "--out", str(out)])


def test_a_copyright_file_in_prose_leaves_the_licence_to_debian(tmp_path: Path) -> None:
    files = {
        "usr/share/doc/game-data/copyright": b"This package was debianized by somebody.\n",
        "usr/share/game/tune.ogg": encoded(noise(3.0)),
    }
    main([str(debian_package(tmp_path / "a.deb", files)), "--out", str(tmp_path / "out"), "--least-seconds", "2"])
    row = table(tmp_path / "out")["tune.ogg"]
    assert row["spdx"] == NOT_TOLD
    assert row["attribution"] == "A. Player; see copyright in game-data"


def test_bad_packages_are_named_and_leave_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = debian_package(tmp_path / "whole.deb", {"usr/share/a/tune.ogg": encoded(noise(3.0))}).read_bytes()
    contents = {"text.deb": b"no package", "empty.deb": b"", "cut.deb": whole[: len(whole) // 2]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SystemExit):
            main([str(tmp_path / name), "--out", str(tmp_path / "out"), "--least-seconds", "2"])
        assert name in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "missing.deb"), "--out", str(tmp_path / "out")])
    assert "missing.deb" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "whole.deb"), "--out", str(tmp_path / "out"), "--least-seconds", "4"])
    assert "no recording of 4 s or more" in capsys.readouterr().err
    assert not (tmp_path / "out" / "SOURCES.csv").exists()


@pytest.mark.parametrize(
    ("debian", "expected"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("CC-BY-SA-3.0 and GPL-3+", "CC-BY-SA-3.0 AND GPL-3.0-or-later"),
        ("GPL-2 or CC0", "GPL-2.0-only OR CC0-1.0"),
        ("public-domain", "LicenseRef-Public-Domain"),
        ("my own licence", "LicenseRef-my-own-licence"),
    ],
)
def test_licences_get_their_spdx_names(debian: str, expected: str) -> None:
    assert spdx(debian) == expected


@pytest.mark.parametrize("cutoff_hz", [12000.0, 16000.0, 19500.0])
def test_an_encoders_edge_is_found(cutoff_hz: float) -> None:
    cut = lfilter(firwin(1025, cutoff_hz, fs=RATE), 1.0, noise(5.0)).astype(np.float32)
    assert encoder_cutoff_hz(cut, RATE) == pytest.approx(cutoff_hz, abs=300.0)


def test_music_that_falls_off_by_itself_has_no_edge() -> None:
    slope = lfilter([0.1], [1.0, -0.9], noise(5.0)).astype(np.float32)
    gap = noise(5.0) - lfilter(firwin(2049, [12000, 14000], fs=RATE, pass_zero=False), 1.0, noise(5.0))
    assert encoder_cutoff_hz(noise(5.0), RATE) == 0.0
    assert encoder_cutoff_hz(slope, RATE) == 0.0
    assert encoder_cutoff_hz(gap.astype(np.float32), RATE) == 0.0
    assert encoder_cutoff_hz(noise(0.01), RATE) == 0.0
    assert encoder_cutoff_hz(noise(5.0, 16000), 16000) == 0.0
