"""A progress bar in seconds of sound, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studiomic.enhance_file import Progress


@contextmanager
def progress_bar(source: Path, *, quiet: bool) -> Iterator[Progress]:
    """Give a callback for `enhance_file`. Nothing is shown with `quiet`, or where the error output is no terminal."""
    from tqdm import tqdm

    with tqdm(
        desc=source.name,
        unit="frames",
        unit_scale=True,
        leave=False,
        disable=True if quiet else None,  # None: tqdm looks whether it writes to a terminal
    ) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
