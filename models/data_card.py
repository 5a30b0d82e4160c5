"""The data card: which recordings taught some weights, under which licences, by whom."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from models.data.recordings import Recording

COLUMNS = ("file", "kind", "spdx", "attribution", "origin")


def write_data_card(path: Path, recordings: Iterable[Recording]) -> None:
    """Write the card as CSV, one row a recording, whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "w", newline="", encoding="utf-8") as output:
        rows = csv.writer(output)
        rows.writerow(COLUMNS)
        for recording in recordings:
            rows.writerow((recording.name, recording.kind, recording.licence, recording.attribution, recording.origin))
    partial.replace(path)
