"""The curve of a run: a table that grows by a row at every checkpoint."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

CURVE_COLUMNS = (
    "minutes",
    "examples",
    "audio_hours",
    "learning_rate",
    "loss",
    "waveform",
    "magnitude",
    "bands_db",
    "ratio_db",
    "lsd",
    "adversarial",
    "features",
    "discriminator",
    "distilled",
    "bottleneck",
    "valid_loss",
    "valid_waveform",
    "valid_magnitude",
    "valid_bands_db",
    "valid_ratio_db",
    "valid_si_sdr_gain_db",
    "valid_clean_si_sdr_db",
    "valid_lsd",
    "valid_input_lsd",
)


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def append_row(path: Path, row: Mapping[str, float], columns: Sequence[str] = CURVE_COLUMNS) -> None:
    """Add a row; what this kind of run does not measure stays empty. A table that is there keeps its columns."""
    fresh = not path.exists()
    if not fresh:
        with open(path, newline="", encoding="utf-8") as lines:
            columns = next(csv.reader(lines))
    with open(path, "a", newline="", encoding="utf-8") as output:
        rows = csv.writer(output)
        if fresh:
            rows.writerow(columns)
        rows.writerow(f"{row[name]:.6g}" if not math.isnan(row.get(name, math.nan)) else "" for name in columns)
