"""A file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studiomic.errors import AudioWriteError
from studiomic.whole_file import check_destination, make_folder, written_whole


def test_nothing_is_visible_until_the_body_has_succeeded(tmp_path: Path) -> None:
    destination = tmp_path / "a.bin"
    with written_whole(destination, overwrite=False) as partial:
        partial.write_bytes(b"whole")
        assert not destination.exists()
        assert partial.parent == tmp_path
        assert partial.name.startswith(".")
    assert destination.read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_stops_the_body_leaves_the_folder_as_it_was(tmp_path: Path, interruption: type[BaseException]) -> None:
    destination = tmp_path / "a.bin"
    destination.write_bytes(b"earlier")

    def be_stopped() -> None:
        with written_whole(destination, overwrite=True) as partial:
            partial.write_bytes(b"half")
            raise interruption

    with pytest.raises(interruption):
        be_stopped()
    assert destination.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"earlier")
    link.symlink_to(target)
    with written_whole(link, overwrite=True) as partial:
        partial.write_bytes(b"later")
    assert link.is_symlink()
    assert target.read_bytes() == b"later"


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    destination = tmp_path / "a.bin"

    def be_second() -> None:
        with written_whole(destination, overwrite=False) as partial:
            partial.write_bytes(b"mine")
            destination.write_bytes(b"of another")

    with pytest.raises(AudioWriteError, match="exists already"):
        be_second()
    assert destination.read_bytes() == b"of another"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    destination = tmp_path / ("ü" * 125 + ".wav")
    with written_whole(destination, overwrite=False) as partial:
        partial.write_bytes(b"whole")
    assert destination.read_bytes() == b"whole"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AudioWriteError, match="cannot be made"):
        make_folder(tmp_path / "file" / "folder")


def test_devices_are_no_destination() -> None:
    with pytest.raises(AudioWriteError, match="no regular file"):
        check_destination(Path("/dev/null"), overwrite=True)
