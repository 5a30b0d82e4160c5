"""What the generator sees of each bin: its log magnitude against the recording's level, noise floor, long-term mean and
neighbouring bins.

The distances to leaky minima and to a slow mean say what is stationary, at any level (minimum statistics: Martin 2001,
"Noise power spectral density estimation based on optimal smoothing and minimum statistics"); the distance to the
neighbourhood says what stands out of it, as partials of music do and noise does not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generators.axes import each, joined

FEATURES_PER_BIN = 7
# A full-scale sine reads |X| = MAGNITUDE_SCALE / 2, the floor is -140 dB below full scale: a band that was never
# recorded must look different from a quiet one. Both ends lie inside half precision's range, as `magnitude` squares
# neither.
MAGNITUDE_SCALE = 1024.0
MAGNITUDE_FLOOR = 1e-4
SHORT_SECONDS = 0.1  # smoothing before the minimum is taken: single bins of noise fade deeply
LONG_SECONDS = 1.5
MINIMUM_RISE_DB_PER_SECOND = 6.0
SLOW_MINIMUM_RISE_DB_PER_SECOND = 1.5  # a note held for seconds does not become its own floor
NEIGHBOURHOOD_BINS = 17
# A band that was cut off ends in a cliff, music that is dull by nature slopes down to its end: of 130 recordings of
# training music none bends by more than the first as it came, where it ends; low-passed at 4 to 11 kHz 123 to 128 do,
# and 115 to 121 bend by more than the second. Cliffs are looked for up to 12 kHz, CLIFF_HZ below the last bin that is
# looked at: recordings that end higher mostly end as they were made, and little is heard of what may be missing.
NATURAL_BEND_DB = 20.0
CUT_BEND_DB = 30.0
CLIFF_SMOOTHING_HZ = 1000.0
CLIFF_HZ = 1500.0
CLIFF_STEP_HZ = 100.0
HIGHEST_CLIFF_HZ = 13500.0
NEPERS_PER_DB = math.log(10) / 20
PEAK_FALL_DB_PER_SECOND = 3.0
# A bin whose loudest moment of late stays below this is empty, FILLING_DB above it is not, in dB full scale: 16-bit
# rounding lies at -128 dB a bin, the quietest highs of a normal recording peak above -106 dB. A window of half the
# length leaks 12 dB more of what is loud, as the side lobes of its sine shape fall by 12 dB an octave.
EMPTY_DB = -118.0
FILLING_DB = 12.0
SILENCED_FRAMES = 2.0
HALF_A_FRAME = 0.5  # a count that goes from 0 to 1 in less than a frame: few delegates take a clamp to exactly 0 to 1
MINIMUM_START = 8.0  # above any log magnitude, so that the first frame sets the minimum


def magnitude(spectrum: Tensor) -> Tensor:
    """[1, ...]: the size of complex numbers [2, ...], real and imaginary parts; squares neither, so that quiet bins
    survive half precision."""
    real, imaginary = spectrum.abs().split(1)
    larger = torch.maximum(real, imaginary)
    ratio = torch.minimum(real, imaginary) / larger.clamp_min(MAGNITUDE_FLOOR)
    return larger * torch.sqrt(1.0 + ratio * ratio)


def share_of(x: Tensor, whole: float) -> Tensor:
    """How much of `whole` x makes up, 0 to 1."""
    return x.clamp(0.0, whole) / whole


def smoothed(logs: Tensor, width: int) -> Tensor:
    """The mean of each bin's neighbourhood of an odd `width`, [..., bins]."""
    rows = logs.reshape(-1, 1, 1, logs.shape[-1])
    mean = functional.avg_pool2d(rows, (1, width), stride=1, padding=(0, width // 2), count_include_pad=False)
    return mean.reshape(logs.shape)


def standing_out(logs: Tensor) -> Tensor:
    """Log magnitudes [..., bins] less the mean of their neighbourhood, in nepers."""
    return logs - smoothed(logs, NEIGHBOURHOOD_BINS)


def cut_off(peaks: Tensor, emptiness: Tensor, bin_hertz: float) -> Tensor:
    """Whether the spectrum ends in a cliff, 0 to 1, [rows, ..., 1], by the logarithmic peaks and the emptiness of its
    bins, [rows, ..., bins], `bin_hertz` apart: the fall into what is empty, less the change just before it. A fall
    there is a slope that goes on; a rise as steep is what a window leaks of a single tone, on both sides of it.
    """
    # Looked at in steps, as a cliff is wider than they are.
    together = 2 ** max(0, math.floor(math.log2(CLIFF_STEP_HZ / bin_hertz)))
    step_hertz = together * bin_hertz
    peaks, emptiness = joined(torch.cat([peaks, emptiness]), together).split(len(peaks))
    width, last = round(CLIFF_HZ / step_hertz), min(round(HIGHEST_CLIFF_HZ / step_hertz), peaks.shape[-1])
    reach = round(CLIFF_SMOOTHING_HZ / step_hertz / 2)
    levels = smoothed(peaks[..., : last + reach], 2 * reach + 1)
    before, edge, after = (levels[..., start : last + start - 2 * width] for start in (0, width, 2 * width))
    bend = (edge - after) - (before - edge).abs()
    steepest = (bend * emptiness[..., 2 * width : last]).amax(dim=-1, keepdim=True)
    first = NATURAL_BEND_DB * NEPERS_PER_DB
    return share_of(steepest - first, CUT_BEND_DB * NEPERS_PER_DB - first)


class Observations(NamedTuple):
    """Of each bin: its features [7, time, batch, bins]; how empty it has been of late, in a recording that was cut off,
    0 to 1; its long mean above the running level, and its log magnitude above that long mean, in nepers:
    [1, time, batch, bins] each; its long mean above the leaky and above the slow minimum, in nepers,
    [2, time, batch, bins]. Of how many frames it is a mean, at most as many as it ever is: [1, time, batch, 1]."""

    features: Tensor
    empty: Tensor
    long_term: Tensor
    heights: Tensor
    above_floors: Tensor
    counted: Tensor


class StationarityFeatures(nn.Module):
    """Log magnitudes [1, time, batch, bins] to observations, with the running statistics as state.

    The features, in nepers: the log magnitude above the running level; log magnitude and short mean above the leaky
    minimum; the log magnitude above the long mean and above the slow minimum; log magnitude and short mean above their
    neighbourhoods.

    The state is a list of what has an axis for the statistics first, all zero at the start: frames seen (capped)
    [1, 1, batch, 1]; the short and the long mean [2, 1, batch, bins]; the leaky and the slow minimum (less their start
    value) [2, 1, batch, bins]; the leaky peak (above the floor) [1, 1, batch, bins].
    """

    level_weights: Tensor
    one: Tensor
    slowest_rates: Tensor
    rises: Tensor

    def __init__(
        self,
        bins: int,
        bin_hertz: float,
        frames_per_second: float,
        level_weights: Tensor,
        empty_db: float = EMPTY_DB,
    ) -> None:
        super().__init__()
        self.filled = math.log(MAGNITUDE_SCALE) + (empty_db + FILLING_DB) * NEPERS_PER_DB - math.log(MAGNITUDE_FLOOR)
        self.bins = bins
        self.bin_hertz = bin_hertz
        rates = [1.0 - math.exp(-1.0 / (seconds * frames_per_second)) for seconds in (SHORT_SECONDS, LONG_SECONDS)]
        self.most_frames = 1.0 / rates[1]  # by then both means have their slowest rate
        self.fall = PEAK_FALL_DB_PER_SECOND * NEPERS_PER_DB / frames_per_second
        rises = torch.tensor([MINIMUM_RISE_DB_PER_SECOND, SLOW_MINIMUM_RISE_DB_PER_SECOND]).reshape(-1, 1, 1, 1)
        self.register_buffer("level_weights", level_weights, persistent=False)
        self.register_buffer("slowest_rates", torch.tensor(rates).reshape(-1, 1, 1, 1), persistent=False)
        self.register_buffer("rises", rises * NEPERS_PER_DB / frames_per_second, persistent=False)
        # A tensor, for a reciprocal in CoreML adds 1e-4 below the line, where a division does not.
        self.register_buffer("one", torch.ones(1, 1, 1, 1), persistent=False)

    def state_shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Shapes of the state's parts."""
        return [(1, 1, batch, 1), (2, 1, batch, self.bins), (2, 1, batch, self.bins), (1, 1, batch, self.bins)]

    @torch.no_grad()
    def forward(self, logs: Tensor, state: list[Tensor]) -> tuple[Observations, list[Tensor]]:
        seen, means, minima, peak = state
        frames = seen + torch.arange(1, logs.shape[1] + 1, dtype=seen.dtype, device=seen.device).reshape(1, -1, 1, 1)
        rates = self.one / frames  # a plain mean until the exponential one has enough to go on
        # The cut at the start of a recording splatters over all bins of its first two frames: those say nothing.
        heard = share_of(frames - (SILENCED_FRAMES + HALF_A_FRAME), HALF_A_FRAME)
        heights = heard * (logs - math.log(MAGNITUDE_FLOOR))
        ceilings = minima + (self.rises + MINIMUM_START)
        found: list[tuple[Tensor, ...]] = []
        for log, rate, height in zip(*(each(values, 1) for values in (logs, rates, heights)), strict=True):
            means = means + (log - means) * torch.maximum(rate, self.slowest_rates)
            short, mean = means.split(1)
            floors = torch.minimum(short, ceilings)
            ceilings = floors + self.rises
            peak = torch.maximum(height, peak - self.fall)
            found.append((short, mean, floors, peak))
        shorts, long_means, both_floors, peaks = (torch.cat(values, dim=1) for values in zip(*found, strict=True))
        floor, slow_floor = both_floors.split(1)
        both = torch.cat([logs, shorts])
        # The mean over bins of the means over time is the mean over time of the level.
        level = (long_means * self.level_weights).sum(dim=-1, keepdim=True)
        heights = logs - long_means
        features = [logs - level, both - floor, heights, logs - slow_floor, standing_out(both)]
        empty = heard * share_of(self.filled - peaks, FILLING_DB * NEPERS_PER_DB)
        missing = empty * cut_off(peaks, empty, self.bin_hertz)
        counted = frames.clamp_max(self.most_frames)
        state = [counted[:, -1:], means, floors - MINIMUM_START, peak]
        above_floors = long_means - both_floors
        return Observations(torch.cat(features), missing, long_means - level, heights, above_floors, counted), state
