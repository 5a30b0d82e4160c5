"""MAESTRO's table (Hawthorne et al. 2019, "Enabling factorized piano music modeling and generation with the MAESTRO
dataset"): which piano recordings there are, and which of them teach, validate and test.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE_PATTERN = "maestro*.csv"
COLUMNS = (
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
)
SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # ours: MAESTRO's
LICENCE = "CC-BY-NC-SA-4.0"
ATTRIBUTION = "MAESTRO (Google LLC, International Piano-e-Competition)"
MOST_FAULTS_NAMED = 3


@dataclass(frozen=True)
class Piece:
    """A row of the table; `audio_filename` counts from the table's folder, `seconds` is its length."""

    composer: str
    title: str
    split: str
    audio_filename: str
    seconds: float


def find_table(root: Path) -> Path | None:
    """MAESTRO's table in `root`, or None. Raises ValueError where there are several."""
    tables = sorted(root.glob(TABLE_PATTERN))
    if len(tables) > 1:
        raise ValueError(f"{root} has the tables {', '.join(t.name for t in tables)}; wanted one {TABLE_PATTERN}")
    return tables[0] if tables else None


def read_pieces(table: Path, split: str) -> list[Piece]:
    """The pieces of `split` (train, valid or test), sorted by file name. Raises ValueError where a column is not there,
    a row of any split is wrong, or a recording of this split is missing, with the number of the table's line.
    """
    if split not in SPLITS:
        raise ValueError(f"MAESTRO has no split {split!r}; wanted one of {', '.join(SPLITS)}")
    try:
        with open(table, newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines, strict=True)
            absent = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if absent:
                raise ValueError(f"{table} has no column {', '.join(absent)}; wanted {', '.join(COLUMNS)}")
            pieces = [(rows.line_num, _piece(table, rows.line_num, row)) for row in rows]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{table} is no readable table: {error}; wanted CSV in UTF-8") from error
    chosen = [(line, piece) for line, piece in pieces if piece.split == SPLITS[split]]
    missing = [(line, piece) for line, piece in chosen if not (table.parent / piece.audio_filename).is_file()]
    if missing:
        named = "; ".join(f"line {line}: {piece.audio_filename}" for line, piece in missing[:MOST_FAULTS_NAMED])
        raise ValueError(
            f"{len(missing)} of the {len(chosen)} recordings for '{split}' that {table} lists are not there ({named}); "
            "wanted each beside the table, or its row taken out"
        )
    return sorted((piece for _, piece in chosen), key=lambda piece: piece.audio_filename)


def _piece(table: Path, line: int, row: dict[str, str]) -> Piece:
    where = f"{table}, line {line}"
    if None in row or None in row.values():
        raise ValueError(
            f"{where} has {'more' if None in row else 'fewer'} fields than the {len(COLUMNS)} columns wanted"
        )
    if row["split"] not in SPLITS.values():
        raise ValueError(f"{where} has the split {row['split']!r}; wanted one of {', '.join(SPLITS.values())}")
    name = Path(row["audio_filename"])
    if not row["audio_filename"].strip() or name.is_absolute() or ".." in name.parts:
        raise ValueError(
            f"{where} has the audio_filename {row['audio_filename']!r}; wanted a path below the table's folder"
        )
    try:
        seconds = float(row["duration"])
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        raise ValueError(f"{where} has the duration {row['duration']!r}; wanted a number of seconds above 0")
    return Piece(row["canonical_composer"], row["canonical_title"], row["split"], row["audio_filename"], seconds)
