"""Will the NPU take it? python -m export.placement BUNDLE

For each file of a bundle and each back end that a phone may run it on: how many operators it takes, in how many
partitions, and which it leaves to the CPU. One partition and nothing left is the goal: every cut copies tensors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.placement.record import NotJudged, Placement
from studiomic.commands.table import format_table
from studiomic.errors import StudiomicError
from studiomic.manifest import Manifest


def place(path: Path, format: str) -> list[Placement | NotJudged]:
    """A file on the back ends of its format."""
    if format == "onnx":
        from export.placement.mobile import place_on_mobile
        from export.placement.qualcomm import place_on_qualcomm

        return [place_on_qualcomm(path), *place_on_mobile(path)]
    if format == "tflite":
        from export.placement.litert import place_on_litert

        return [*place_on_litert(path)]
    if format == "coreml":
        from export.placement.coreml import place_on_coreml

        return [*place_on_coreml(path)]
    return [NotJudged(format, f"no rules for files of format '{format}'")]


def table(rows: Sequence[tuple[str, Placement | NotJudged]]) -> str:
    """One line a file and back end; then what each leaves; then who judged."""
    cells, leftovers, sources = [], [], {}
    for file, found in rows:
        if isinstance(found, NotJudged):
            cells.append([file, found.backend, "", "", "", "not judged"])
            sources[found.backend] = found.why
            continue
        numbers = (found.operators, found.taken, sum(found.left.values()), found.partitions)
        cells.append([file, found.backend, *map(str, numbers)])
        sources[found.backend] = found.judged_by
        if found.left:
            named = ", ".join(f"{count} {name}" for name, count in found.left.items())
            leftovers.append(f"{file}, {found.backend} leaves: {named}")
    head = format_table(["file", "back end", "operators", "taken", "left", "partitions"], cells)
    return "\n".join([head, "", *leftovers, "", *(f"{backend}: {source}" for backend, source in sources.items())])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m export.placement", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="a bundle's folder")
    options = parser.parse_args(arguments)
    try:
        files = Manifest.read(options.bundle).files
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(table([(file.path, found) for file in files for found in place(options.bundle / file.path, file.format)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
