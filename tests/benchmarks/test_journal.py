"""The journal keeps what is finished, and only that."""

from __future__ import annotations

from pathlib import Path

from benchmarks.journal import Journal


def test_what_was_added_is_there_the_next_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new/journal.jsonl")
    journal.add("a", {"si_sdr_db": 1.25, "kept_db": None})
    again = Journal(tmp_path / "new/journal.jsonl")
    assert "a" in again
    assert "b" not in again
    assert again["a"] == {"si_sdr_db": 1.25, "kept_db": None}


def test_a_line_that_was_cut_off_is_forgotten_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("a", {"visqol": 4.0})
    journal.add("b", {"visqol": 3.0})
    path.write_bytes(path.read_bytes()[:-9])
    resumed = Journal(path)
    assert "b" not in resumed
    resumed.add("c", {"visqol": 2.0})
    last = Journal(path)
    assert len(last) == 2
    assert last["a"] == {"visqol": 4.0}
    assert last["c"] == {"visqol": 2.0}
