"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

ABSENT = "-"


def number(value: float | None, decimals: int) -> str:
    """A number as text; `-` for none."""
    return ABSENT if value is None else f"{value:.{decimals}f}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column holds text and all others numbers. Raises ValueError for a row of another length."""
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"row {row}: got {len(row)} cells, wanted {len(head)}")
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
