"""The study's systems side by side: python -m benchmarks.study super_resolution --test piano=FOLDER --plain WEIGHTS
--out OUT

Weights come from models.train; any subset of the systems will do. Each command writes one table as Markdown and JSON,
and spectrogram pictures. docs/study.md tells how the systems are trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.study import keep_aside, scenarios, super_resolution
from studiomic.errors import StudiomicError

BAD_USAGE = 2
"""What the command line's own parser returns, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (super_resolution, scenarios, keep_aside):
        module.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except ValueError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
