"""What is accepted as audio: rates, channels, channel groups and arrays; refusals say what came and what was wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studiomic.errors import InvalidAudioError, InvalidLayoutError, InvalidRateError
from studiomic.manifest import LARGEST_RATE, SMALLEST_RATE
from studiomic.resampling import MAX_CHANNELS

SAMPLE_TYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int16), np.dtype(np.int32))
LARGEST_SAMPLE = 1e6
"""Full scale is 1, so this is 120 dB above it: beyond lies no recording but a mistake (unscaled 32-bit integers, memory
that was never written), whose square would overflow the graph's float32 and stay in its states for ever."""

ChannelGroups = Literal["auto", "pairs", "singles"] | Sequence[Sequence[int]]
Samples = NDArray[Any]


def check_rate(rate: object, role: str = "sample rate") -> int:
    """`rate` as an int; raises InvalidRateError unless it is an integer from 8000 to 192000 Hz."""
    wanted = f"an integer from {SMALLEST_RATE} to {LARGEST_RATE} Hz"
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer):
        raise InvalidRateError(f"{role}: got {rate!r} ({type(rate).__name__}), wanted {wanted}")
    if not SMALLEST_RATE <= rate <= LARGEST_RATE:
        raise InvalidRateError(f"{role}: got {rate} Hz, wanted {wanted}")
    return int(rate)


def check_channels(channels: object) -> int:
    """`channels` as an int; raises InvalidLayoutError unless it is an integer from 1 to 128."""
    wanted = f"an integer from 1 to {MAX_CHANNELS}"
    if isinstance(channels, bool) or not isinstance(channels, int | np.integer):
        raise InvalidLayoutError(f"channels: got {channels!r} ({type(channels).__name__}), wanted {wanted}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidLayoutError(f"channels: got {channels}, wanted {wanted}")
    return int(channels)


def check_groups(groups: object, channels: int) -> tuple[tuple[int, ...], ...]:
    """The channels that share one graph each, as tuples of one or two indices that together hold each channel once.

    "singles": each by itself; "pairs": 0 and 1, 2 and 3, ...; "auto": one pair where there are two channels, else
    singles. Raises InvalidLayoutError for anything else.
    """
    if groups == "auto":
        groups = "pairs" if channels == 2 else "singles"
    if groups == "singles":
        return tuple((channel,) for channel in range(channels))
    if groups == "pairs":
        if channels % 2:
            raise InvalidLayoutError(
                f"channel groups: got 'pairs' for {channels} channels, wanted an even number of channels; "
                "use 'singles' or name the groups, as in [(0, 1), (2,)]"
            )
        return tuple((channel, channel + 1) for channel in range(0, channels, 2))
    return _listed_groups(groups, channels)


def _listed_groups(groups: object, channels: int) -> tuple[tuple[int, ...], ...]:
    wanted = (
        f"'auto', 'pairs', 'singles', or groups of one or two channels that hold each of 0 to {channels - 1} once, "
        "as in [(0, 1), (2,)]"
    )
    refusal = InvalidLayoutError(f"channel groups: got {groups!r}, wanted {wanted}")
    if isinstance(groups, str) or not isinstance(groups, Sequence):
        raise refusal
    listed: list[tuple[int, ...]] = []
    for group in groups:
        if isinstance(group, str) or not isinstance(group, Sequence) or len(group) not in (1, 2):
            raise refusal
        if not all(isinstance(channel, int) and not isinstance(channel, bool) for channel in group):
            raise refusal
        listed.append(tuple(group))
    if sorted(channel for group in listed for channel in group) != list(range(channels)):
        raise refusal
    return tuple(listed)


def check_samples(samples: object, channels: int | None = None, role: str = "samples") -> Samples:
    """`samples` as [n, channels], without a copy.

    Takes a numpy array of float32, float64, int16 or int32: [n, channels], or [n] where there is one channel. Without
    `channels` any number of them will do. Raises InvalidAudioError.
    """
    if not isinstance(samples, np.ndarray):
        raise InvalidAudioError(f"{role}: got {type(samples).__name__}, wanted a numpy array; use numpy.asarray")
    if samples.dtype not in SAMPLE_TYPES:
        names = ", ".join(str(kind) for kind in SAMPLE_TYPES)
        raise InvalidAudioError(
            f"{role}: got samples of type {samples.dtype.str} ({samples.dtype}), wanted one of {names} in native byte "
            "order; use astype"
        )
    shape = f"[n, {'channels' if channels is None else channels}]"
    if channels in (None, 1):
        shape += " or [n]"
    if samples.ndim == 1 and channels in (None, 1):
        return samples[:, np.newaxis]
    if samples.ndim != 2 or samples.shape[1] == 0 or channels not in (None, samples.shape[1]):
        hint = "; transpose it" if samples.ndim == 2 and channels == samples.shape[0] else ""
        raise InvalidAudioError(f"{role}: got an array of shape {list(samples.shape)}, wanted {shape}{hint}")
    return samples


def is_sound(samples: Samples) -> bool:
    """Whether all samples, [n, channels], are finite and within LARGEST_SAMPLE; integers always are."""
    if samples.dtype.kind == "i" or samples.size == 0:
        return True
    # A NaN makes the maximum NaN, which no comparison accepts.
    return bool(np.abs(samples).max() <= LARGEST_SAMPLE)


def unsound(samples: Samples) -> NDArray[np.bool_]:
    """Where samples are NaN, infinite or beyond LARGEST_SAMPLE."""
    return ~(np.abs(samples) <= LARGEST_SAMPLE)


def refuse_unsound(samples: Samples, offset: int = 0) -> None:
    """Raise InvalidAudioError naming the first sample of [n, channels] that is not sound; row 0 is sample `offset`."""
    if is_sound(samples):
        return
    index, channel = np.argwhere(unsound(samples))[0]
    raise InvalidAudioError(
        f"sample {offset + index} of channel {channel} is {samples[index, channel]}: wanted finite samples, full scale "
        f"being 1 and {LARGEST_SAMPLE:g} the most that is taken; repair the recording, or scale it"
    )
