"""A folder of recordings as links, with chosen ones of those that teach kept aside instead: a set whose `valid` part
holds no piano can still be tested on piano that no generator has heard.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from models.data.recordings import find_recordings

TABLE = "SOURCES.csv"
FILE_COLUMN = "file"


def keep_aside(source: Path, destination: Path, names: Sequence[str]) -> int:
    """Link the music of `source`/music/train into `destination`, into music/valid where one of `names` is part of its
    name and into music/train elsewhere, with the table of sources rewritten; returns how many are kept aside.

    Raises ValueError where a name fits no recording, or where the destination is there already.
    """
    recordings = [found for found in find_recordings(source, "train") if found.kind == "music"]
    for name in names:
        if not any(name in recording.title for recording in recordings):
            raise ValueError(f"{source}: got the name {name!r}, which no recording of music/train has in its own")
    if destination.exists():
        raise ValueError(f"{destination}: got a path that is taken, wanted a new folder")
    moved = {}
    for recording in recordings:
        part = "valid" if any(name in recording.title for name in names) else "train"
        moved[recording.name] = f"music/{part}/{recording.title}"
        link = destination / moved[recording.name]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(recording.path.resolve())
    table = source / TABLE
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            columns, rows = list(reader.fieldnames or ()), [row for row in reader if row[FILE_COLUMN] in moved]
        with (destination / TABLE).open("w", newline="", encoding="utf-8") as output:
            writer = csv.DictWriter(output, columns)
            writer.writeheader()
            writer.writerows(row | {FILE_COLUMN: moved[row[FILE_COLUMN]]} for row in rows)
    return sum(name.startswith("music/valid/") for name in moved.values())


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to the command line."""
    parser = commands.add_parser("keep_aside", help="link a folder's music, some of it kept aside", description=__doc__)
    parser.add_argument("--audio", type=Path, required=True, help="a folder with music/train")
    parser.add_argument("--names", nargs="+", required=True, help="parts of the names of what is kept aside")
    parser.add_argument("--out", type=Path, required=True, help="the new folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Link, and tell how many are kept aside."""
    kept = keep_aside(options.audio, options.out, options.names)
    print(f"{options.out}: {kept} recordings kept aside")
