"""Converters told to keep to themselves what they would print."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

_STANDARD_OUTPUT, _ERROR_OUTPUT = 1, 2


@contextmanager
def kept_quiet() -> Iterator[TextIO]:
    """Keep back warnings and all that the process prints, from native code too; an error is printed with all of it.

    Gives the file in which it is kept.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (_STANDARD_OUTPUT, _ERROR_OUTPUT)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        failed = True
        for descriptor, _ in saved:
            os.dup2(kept.fileno(), descriptor)
        try:
            # Python's own streams by themselves: they need not be the process's.
            with warnings.catch_warnings(), redirect_stdout(kept), redirect_stderr(kept):
                warnings.simplefilter("ignore")
                yield kept
            failed = False
        finally:
            kept.flush()
            for descriptor, copy in saved:
                os.dup2(copy, descriptor)
                os.close(copy)
            if failed:
                kept.seek(0)
                sys.stderr.write(kept.read())
