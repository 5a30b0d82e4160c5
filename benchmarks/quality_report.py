"""Measured clips summed up by scenario, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.measures import Figures

HIGHER_IS_BETTER = ("visqol", "si_sdr_db")
"""The figures that count the clips better than their own input."""
COLUMNS = {
    "si_sdr_db": ("SI-SDR dB", 2),
    "visqol": ("ViSQOL", 2),
    "lsd": ("LSD", 2),
    "lsd_4_16": ("LSD 4-16k", 2),
    "lsd_8_16": ("LSD 8-16k", 2),
    "log10_lsd": ("LSD log10", 2),
    "level_db": ("level dB", 2),
    "kept_db": ("kept dB", 1),
    "late_to_direct_db": ("late/direct dB", 1),
}
"""The table's title and decimals of each figure."""
ABSENT = "-"
GAP = "  "


@dataclass(frozen=True)
class MeasuredClip:
    """The figures of one clip in one scenario, of the recording itself and, where there is one, of the output."""

    scenario: str
    clip: str
    cutoff_hz: float
    recorded: Figures
    enhanced: Figures | None

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "scenario": self.scenario,
            "clip": self.clip,
            "cutoff_hz": self.cutoff_hz,
            "input": self.recorded,
            "output": self.enhanced,
        }


def summarise(clips: Sequence[MeasuredClip]) -> dict[str, dict[str, Any]]:
    """By scenario: how many clips, means, the median difference, the worst clips, the better share.

    `worst` names the clip that lost most (or gained least) by each figure where higher is better: a mean can hide it.
    """
    return {name: _summarise_one([clip for clip in clips if clip.scenario == name]) for name in _scenarios(clips)}


def _summarise_one(clips: Sequence[MeasuredClip]) -> dict[str, Any]:
    names = list(clips[0].recorded)
    summary: dict[str, Any] = {
        "clips": len(clips),
        "input": {name: _mean(clip.recorded[name] for clip in clips) for name in names},
    }
    outputs = [clip.enhanced for clip in clips if clip.enhanced is not None]
    if not outputs:
        return summary
    summary["output"] = {name: _mean(output[name] for output in outputs) for name in names}
    differences = {name: {clip.clip: _difference(clip, name) for clip in clips} for name in names}
    summary["difference"] = {name: _mean(values.values()) for name, values in differences.items()}
    summary["median_difference"] = {name: _median(values.values()) for name, values in differences.items()}
    known = {
        name: {clip: value for clip, value in differences[name].items() if value is not None}
        for name in HIGHER_IS_BETTER
        if name in names
    }
    summary["better_share"] = {
        name: _mean(float(value > 0) for value in values.values()) for name, values in known.items()
    }
    summary["worst"] = {
        name: {"clip": min(values, key=values.__getitem__), "difference": min(values.values())}
        for name, values in known.items()
        if values
    }
    return summary


def table(summaries: dict[str, dict[str, Any]]) -> str:
    """The means as text: per figure what came in, what came out, and the difference; `-` where nothing can be said."""
    measured = next(iter(summaries.values()))["input"]
    enhanced = "output" in next(iter(summaries.values()))
    sides = ("input", "output", "difference") if enhanced else ("input",)
    figures = [name for name in COLUMNS if name in measured]
    head = ["", "", *(title for name in figures for title in (COLUMNS[name][0], *[""] * (len(sides) - 1)))]
    under = ["scenario", "clips", *(side for _ in figures for side in ("in", "out", "diff")[: len(sides)])]
    better = [name for name in HIGHER_IS_BETTER if enhanced and name in measured]
    head += ["better share", *[""] * (len(better) - 1)] if better else []
    under += [COLUMNS[name][0].split()[0] for name in better]
    rows = [
        [
            scenario,
            str(summary["clips"]),
            *(_number(summary[side][name], COLUMNS[name][1], side) for name in figures for side in sides),
            *(_percent(summary["better_share"][name]) for name in better),
        ]
        for scenario, summary in summaries.items()
    ]
    return _aligned([head, under, *rows])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first row's titles may run over the empty cells that follow them."""
    widths = [max(len(row[column]) for row in rows[1:]) for column in range(len(rows[1]))]
    titled = [column for column, title in enumerate(rows[0]) if title]
    for begin, end in pairwise([*titled, len(widths)]):
        room = sum(widths[begin:end]) + len(GAP) * (end - begin - 1)
        widths[begin] += max(0, len(rows[0][begin]) - room)
    starts = np.cumsum([0, *(width + len(GAP) for width in widths)])
    title = ""
    for start, cell in zip(starts, rows[0], strict=False):
        title = title.ljust(start) + cell if cell else title
    lines = [
        GAP.join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows[1:])
    ]
    return "\n".join([title, *lines])


def _scenarios(clips: Iterable[MeasuredClip]) -> list[str]:
    """In the order in which they first come."""
    return list(dict.fromkeys(clip.scenario for clip in clips))


def _difference(clip: MeasuredClip, name: str) -> float | None:
    """Output less input."""
    after, before = (clip.enhanced or {}).get(name), clip.recorded[name]
    return None if after is None or before is None else after - before


def _mean(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    """Of those that are known: a clip far below the others does not move it."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _number(value: float | None, decimals: int, side: str) -> str:
    if value is None:
        return ABSENT
    return f"{value:+.{decimals}f}" if side == "difference" else f"{value:.{decimals}f}"


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.0f} %"
