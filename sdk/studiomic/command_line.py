"""The command `studiomic`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from studiomic.errors import StudiomicError
from studiomic.version import __version__

USAGE_CODE = 64
"""EX_USAGE of BSD's sysexits.h, as the errors have it."""
IO_CODE = 74
SIGNAL_CODES_FROM = 128
"""A shell reports a program that signal n ended as 128 + n."""

DESCRIPTION = "Makes a phone's recording of music sound as a studio would have recorded it."
EPILOG = """examples:
  studiomic demo                              hear it on the built-in sample
  studiomic enhance take.wav better.wav       enhance a recording
  studiomic enhance recordings/ better/       or a folder of them
  studiomic compare take.wav better.wav       what has changed, in figures
  studiomic info                              the model, its latency, what taught it

'studiomic COMMAND --help' tells more.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        print(f"studiomic: error: {message} (see '{self.prog} --help')", file=sys.stderr)
        raise SystemExit(USAGE_CODE)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command and its subcommands."""
    from studiomic.commands import compare, demo, enhance, info

    parser = _Parser(
        prog="studiomic",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"studiomic {__version__}")
    parser.set_defaults(run=None, debug=False)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for name, command in (("enhance", enhance), ("compare", compare), ("info", info), ("demo", demo)):
        subparser = subparsers.add_parser(
            name,
            help=command.HELP,
            description=command.HELP[0].upper() + command.HELP[1:] + ".",
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(subparser)
        subparser.add_argument("--debug", action="store_true", help="show where in the program an error arose")
        subparser.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's arguments); return the exit code.

    Errors are one line on the error output. Raises SystemExit for --help, --version and wrong use, as argparse does,
    and, with --debug, the error itself.
    """
    try:
        with _terminations_as_exits():
            parser = build_parser()
            arguments = parser.parse_args(argv)
            if arguments.run is None:
                parser.print_help()
                return 0
            return _run(arguments)
    except KeyboardInterrupt:
        print("studiomic: interrupted; nothing half-written was left behind", file=sys.stderr)
        return SIGNAL_CODES_FROM + signal.SIGINT


def _run(arguments: argparse.Namespace) -> int:
    from studiomic.commands.options import one_line

    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What reads our output, such as `head`, has had enough. Python would complain once more on closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGNAL_CODES_FROM + signal.SIGPIPE
    except (StudiomicError, OSError) as error:
        if arguments.debug:
            raise
        print(f"studiomic: error: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code if isinstance(error, StudiomicError) else IO_CODE


@contextmanager
def _terminations_as_exits() -> Iterator[None]:
    """Let a request to end, or a closed terminal, unwind the program, so that partial files are removed."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What a parent has set, such as nohup, stays; and only the main thread may set handlers.
    signals = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        signals = []

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(SIGNAL_CODES_FROM + number)

    previous = [(number, signal.signal(number, leave)) for number in signals]
    try:
        yield
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
