"""What the generator sees of each bin: its log magnitude against the recording's level, noise floor, long-term mean and
neighbouring bins.

The distances to leaky minima and to a slow mean say what is stationary, at any level (minimum statistics: Martin 2001,
"Noise power spectral density estimation based on optimal smoothing and minimum statistics"); the distance to the
neighbourhood says what stands out of it, as partials of music do and noise does not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES_PER_BIN = 7
STATISTICS_PER_BIN = 5
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
# A band that was cut off ends in a cliff, music that is dull by nature slopes down to its end: of recordings that were
# let fall by 12 dB an octave nineteen in twenty bend by less than the first where they end, of low-passed ones by more
# than the second. What lies above the highest cliff is hardly heard, and often nobody's loss.
NATURAL_BEND_DB = 15.0
CUT_BEND_DB = 30.0
CLIFF_SMOOTHING_HZ = 1000.0
CLIFF_HZ = 1500.0
HIGHEST_CLIFF_HZ = 15500.0
NEPERS_PER_DB = math.log(10) / 20
PEAK_FALL_DB_PER_SECOND = 3.0
# A bin whose loudest moment of late stays below the first is empty, above the second it is not, in dB full scale:
# 16-bit rounding lies at -128 dB a bin, the quietest highs of a normal recording peak above -106 dB.
EMPTY_DB = -118.0
FILLED_DB = -106.0
MINIMUM_START = 8.0  # above any log magnitude, so that the first frame sets the minimum


def magnitude(real: Tensor, imaginary: Tensor) -> Tensor:
    """|real + i imaginary| without squaring either part, so that quiet bins survive half precision."""
    larger = torch.maximum(real.abs(), imaginary.abs())
    ratio = torch.minimum(real.abs(), imaginary.abs()) / larger.clamp_min(MAGNITUDE_FLOOR)
    return larger * torch.sqrt(1.0 + ratio * ratio)


def between_zero_and_one(x: Tensor) -> Tensor:
    """x clamped to 0 to 1, by operators that every delegate takes."""
    return 1.0 - torch.relu(1.0 - torch.relu(x))


def smoothed(logs: Tensor, width: int) -> Tensor:
    """The mean of each bin's neighbourhood of an odd `width`, [..., bins]."""
    rows = logs.reshape(-1, 1, 1, logs.shape[-1])
    mean = functional.avg_pool2d(rows, (1, width), stride=1, padding=(0, width // 2), count_include_pad=False)
    return mean.reshape(logs.shape)


def standing_out(logs: Tensor) -> Tensor:
    """Log magnitudes [..., bins] less the mean of their neighbourhood, in nepers."""
    return logs - smoothed(logs, NEIGHBOURHOOD_BINS)


def cut_off(peaks: Tensor, emptiness: Tensor, bin_hertz: float) -> Tensor:
    """Whether the spectrum ends in a cliff, 0 to 1, [..., 1], by the logarithmic peaks and the emptiness of its bins,
    [..., bins], `bin_hertz` apart: the fall into what is empty, less the fall just before it.
    """
    width, last = round(CLIFF_HZ / bin_hertz), min(round(HIGHEST_CLIFF_HZ / bin_hertz), peaks.shape[-1])
    levels = smoothed(peaks, 2 * round(CLIFF_SMOOTHING_HZ / bin_hertz / 2) + 1)
    before, edge, after = (levels[..., start : last + start - 2 * width] for start in (0, width, 2 * width))
    bend = (edge - after) - torch.relu(before - edge)
    steepest = (bend * emptiness[..., 2 * width : last]).amax(dim=-1, keepdim=True)
    first = NATURAL_BEND_DB * NEPERS_PER_DB
    return between_zero_and_one((steepest - first) / (CUT_BEND_DB * NEPERS_PER_DB - first))


class StationarityFeatures(nn.Module):
    """Log magnitudes [time, batch, bins] to features [time, batch, bins, 7], with the state of the running statistics.

    The features, in nepers: the log magnitude above the running level, above the leaky minimum and above the long mean;
    the short mean above the leaky minimum; the log magnitude above the slow minimum; log magnitude and short mean above
    their neighbourhoods. Also tells how empty each bin has been of late, in a recording that was cut off, 0 to 1:
    [time, batch, bins].

    The state is [batch, 1 + 1 + 5 bins]: frames seen (capped), running level, then per bin the short mean, the leaky
    minimum and the slow minimum (less their start value), the long mean and the leaky peak (above the floor); all zero
    at the start.
    """

    level_weights: Tensor
    one: Tensor

    def __init__(self, bins: int, bin_hertz: float, frames_per_second: float, level_weights: Tensor) -> None:
        super().__init__()
        self.bins = bins
        self.bin_hertz = bin_hertz
        self.short_rate = 1.0 - math.exp(-1.0 / (SHORT_SECONDS * frames_per_second))
        self.long_rate = 1.0 - math.exp(-1.0 / (LONG_SECONDS * frames_per_second))
        self.fall = PEAK_FALL_DB_PER_SECOND * NEPERS_PER_DB / frames_per_second
        self.rise = MINIMUM_RISE_DB_PER_SECOND * NEPERS_PER_DB / frames_per_second
        self.slow_rise = SLOW_MINIMUM_RISE_DB_PER_SECOND * NEPERS_PER_DB / frames_per_second
        self.register_buffer("level_weights", level_weights, persistent=False)
        # A tensor, for a reciprocal in CoreML adds 1e-4 below the line, where a division does not.
        self.register_buffer("one", torch.ones(1, 1), persistent=False)

    @property
    def state_size(self) -> int:
        return 2 + STATISTICS_PER_BIN * self.bins

    @torch.no_grad()
    def forward(self, logs: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bins = self.bins
        # Three axes, as delegates slice no fewer.
        parts = state.unsqueeze(1).split([1, 1, *[bins] * STATISTICS_PER_BIN], dim=2)
        seen, level, short, minimum, slow_minimum, mean, peak = (part.squeeze(1) for part in parts)
        weighted = (logs * self.level_weights).sum(dim=-1, keepdim=True)
        floor = math.log(MAGNITUDE_FLOOR)
        filled = math.log(MAGNITUDE_SCALE) + FILLED_DB * NEPERS_PER_DB - floor
        range_to_empty = (FILLED_DB - EMPTY_DB) * NEPERS_PER_DB
        shorts, steps, peaks, emptiness = [], [], [], []
        for log, weighted_log in zip(logs.unbind(), weighted.unbind(), strict=True):
            first_rate = self.one / (seen + 1.0)  # a plain mean until the exponential one has enough to go on
            short = short + (log - short) * first_rate.clamp_min(self.short_rate)
            long_rate = first_rate.clamp_min(self.long_rate)
            mean = mean + (log - mean) * long_rate
            level = level + (weighted_log - level) * long_rate
            minimum = torch.minimum(short - MINIMUM_START, minimum + self.rise)
            slow_minimum = torch.minimum(short - MINIMUM_START, slow_minimum + self.slow_rise)
            # The cut at the start of a recording splatters over all bins of its first two frames: those say nothing.
            heard = between_zero_and_one(seen - 1.0)
            peak = torch.maximum(heard * (log - floor), peak - self.fall)
            peaks.append(peak)
            emptiness.append(heard * between_zero_and_one((filled - peak) / range_to_empty))
            seen = (seen + 1.0).clamp_max(1.0 / self.long_rate)
            floor_now, slow_floor = minimum + MINIMUM_START, slow_minimum + MINIMUM_START
            shorts.append(short)
            steps.append(
                torch.stack([log - level, log - floor_now, log - mean, short - floor_now, log - slow_floor], dim=-1)
            )
        # In two parts with an axis between, which converters do not join: XNNPACK takes at most five tensors at once.
        first = torch.cat([seen, level, short], dim=-1).unsqueeze(1)
        second = torch.cat([minimum, slow_minimum, mean, peak], dim=-1).unsqueeze(1)
        state = torch.cat([first, second], dim=2).squeeze(1)
        outstanding = torch.stack([standing_out(logs), standing_out(torch.stack(shorts))], dim=-1)
        empty = torch.stack(emptiness)
        missing = empty * cut_off(torch.stack(peaks), empty, self.bin_hertz)
        return torch.cat([torch.stack(steps), outstanding], dim=-1), missing, state
