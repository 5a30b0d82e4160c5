"""A picture of what is there and what is missing: spectrograms side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from studiomic.extras import require
from studiomic.figures import power_spectrogram
from studiomic.whole_file import write_error, written_whole

WINDOW_LENGTH = 2048
"""43 ms at 48 kHz: resolves single harmonics of low notes, and still shows onsets."""
_COLUMNS = 1000
"""Spectra a panel, about one a pixel."""
_SMALLEST_HOP = 256
_HIGHEST_HZ = 22_000.0
"""The axis is linear in kHz, so that the highs, which a covered or low-passed recording lacks, take their due room."""
_RANGE_DB = 90.0
"""From the loudest bin of all panels down to black."""
_POWER_FLOOR = 1e-15
"""Silence has a logarithm: 144 dB below a full-scale sine."""
_FULL_SCALE_POWER = 0.25
"""What `power_spectrogram` gives for a full-scale sine."""
_PANEL_INCHES = (7.0, 5.0)
_DOTS_PER_INCH = 110


class Panel(NamedTuple):
    """A title and one channel of samples, full scale at 1."""

    title: str
    samples: NDArray[np.floating]


def write_spectrograms(destination: Path, panels: Sequence[Panel], rate: int, *, overwrite: bool = False) -> None:
    """Write a PNG with the panels side by side: seconds, kHz, and dBFS in colours that all panels share.

    Raises MissingExtraError where matplotlib is not installed, AudioWriteError where the file cannot be written.
    """
    require("matplotlib", "bench", "drawing spectrograms")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    levels = [decibels_full_scale(panel.samples) for panel in panels]
    top = 10.0 * np.ceil(max(float(level.max()) for level in levels) / 10.0)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), dpi=_DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel, level in zip(all_axes, panels, levels, strict=True):
        image = axes.imshow(
            level.T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="magma",
            vmin=top - _RANGE_DB,
            vmax=top,
            extent=(0.0, len(panel.samples) / rate, 0.0, rate / 2000.0),
        )
        axes.set_title(panel.title)
        axes.set_xlabel("time, seconds")
        axes.set_ylim(0.0, min(_HIGHEST_HZ, rate / 2) / 1000.0)
    all_axes[0].set_ylabel("frequency, kHz")
    figure.colorbar(image, ax=list(all_axes), label="level, dBFS", pad=0.01)
    with written_whole(destination, overwrite=overwrite) as partial:
        try:
            canvas.print_png(partial)
        except OSError as error:
            raise write_error(destination, error) from error


def decibels_full_scale(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Levels in dBFS, [about 1000 spectra, bins], evenly over the samples; 0 is a full-scale sine."""
    if len(samples) < WINDOW_LENGTH:
        samples = np.pad(samples, (0, WINDOW_LENGTH - len(samples)))
    hop = max(_SMALLEST_HOP, len(samples) // _COLUMNS)
    power = power_spectrogram(samples, window_length=WINDOW_LENGTH, hop=hop)
    levels: NDArray[np.float64] = 10.0 * np.log10(power / _FULL_SCALE_POWER + _POWER_FLOOR)
    return levels
