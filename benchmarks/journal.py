"""A file that remembers finished measurements, so that a run that was stopped goes on where it was.

One JSON object a line, {"key": ..., "figures": {...}}, appended as each measurement ends. The key is a hash of all that
went in, so a remembered figure is never an old one.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.measures import Figures


class Journal:
    """The measurements in one file, read once and appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        if lines[-1]:  # the process was stopped within a line: that measurement is made again
            path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
        entries = (json.loads(line) for line in lines[:-1])
        self._figures: dict[str, Figures] = {entry["key"]: entry["figures"] for entry in entries}

    def __contains__(self, key: str) -> bool:
        return key in self._figures

    def __getitem__(self, key: str) -> Figures:
        return self._figures[key]

    def __len__(self) -> int:
        return len(self._figures)

    def add(self, key: str, figures: Figures) -> None:
        """Remember a finished measurement at once."""
        with self._path.open("ab") as file:
            file.write(json.dumps({"key": key, "figures": figures}).encode() + b"\n")
        self._figures[key] = figures
