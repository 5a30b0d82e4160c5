"""Streaming conversion between sample rates, and how many samples it holds back.

The converter is libsamplerate's sinc interpolator. Output sample k lies at the time of input position
k * input_rate / output_rate, from the very first sample on: it has no group delay. What it has is a margin: it gives
sample k only once it holds the whole right half of the filter, half_width(...) input samples beyond that position.
So the number of samples that it can give is a pure function of the number that it was given, and the functions below
are that function.

Source of the formula: libsamplerate 0.2.2, src_sinc.c, `half_filter_chan_len` and the loop that leaves when
`samples_in_hand <= half_filter_chan_len`. The suite measures it again at every rate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import samplerate
from numpy.typing import NDArray

from studiomic.errors import RuntimeFailureError

MAX_CHANNELS = 128
"""libsamplerate's own limit for one converter."""
_DRIFT = 1
"""Input samples kept in reserve. libsamplerate adds 1/ratio in double precision for every output sample, so where
positions are whole numbers the sum may fall on either side; the error stays far below one sample for years of audio."""


@dataclass(frozen=True)
class SincQuality:
    """One of libsamplerate's sinc filters: its name there, and the size of its table.

    coefficient_half_length: table entries on one side, less the two spare ones; index_increment: entries for each input
    sample.
    """

    name: str
    coefficient_half_length: int
    index_increment: int


MEDIUM = SincQuality("sinc_medium", 22438, 491)
"""121 dB, 90 % of the band: a margin of 47 samples of the lower rate."""
BEST = SincQuality("sinc_best", 340239, 2381)
"""144 dB, 96 % of the band: a margin of 144 samples of the lower rate; for whole files."""


@dataclass(frozen=True)
class ResamplingPlan:
    """How many samples go in and come out of a converter. Pure arithmetic in integers; rates in Hz."""

    input_rate: int
    output_rate: int
    quality: SincQuality

    @property
    def ratio(self) -> float:
        """Output samples for each input sample."""
        return self.output_rate / self.input_rate

    @property
    def half_width(self) -> int:
        """Input samples on each side of a position that its output sample is made of."""
        count = (self.quality.coefficient_half_length + 2.0) / self.quality.index_increment
        if self.ratio < 1.0:
            count /= self.ratio
        # Python's round is C's lrint: halves go to the even neighbour.
        return round(count) + 1

    @property
    def margin(self) -> int:
        """Input samples that must have come beyond the position of an output sample, drift included."""
        return self.half_width + _DRIFT

    def needed(self, outputs: int) -> int:
        """The smallest number of input samples after which `outputs` output samples are certain."""
        if outputs <= 0:
            return 0
        return (outputs - 1) * self.input_rate // self.output_rate + 1 + self.margin

    def available(self, inputs: int) -> int:
        """The largest number of output samples that is certain after `inputs` input samples."""
        return max(0, self.balance(inputs))

    def balance(self, inputs: int) -> int:
        """As `available`, but negative by what is still owed while the margin fills: strictly periodic in `inputs`."""
        return ((inputs - self.margin) * self.output_rate - 1) // self.input_rate + 1


class StreamingResampler:
    """A converter that takes blocks of any size and gives samples in exact numbers.

    Asking for the output in exact numbers, instead of taking what a block happens to give, is what makes the result
    independent of how the input was cut. The end of the input comes out by converting zeros.
    """

    def __init__(self, plan: ResamplingPlan, channels: int) -> None:
        self._plan = plan
        self._channels = channels
        self._taken = 0
        self._given = 0
        self._inbox = _Inbox(channels)
        # The converter holds the inbox's method and not one of self, which would be a cycle that nothing could free.
        self._converter = samplerate.CallbackResampler(self._inbox.next_block, plan.ratio, plan.quality.name, channels)

    def convert(self, block: NDArray[np.float32], count: int | None = None) -> NDArray[np.float32]:
        """Take `block`, float32 [n, channels] in C order, and give the next `count` samples, float32 [count, channels].

        Without a count: all that are certain by now. The block must not be changed afterwards. Raises
        RuntimeFailureError where more is asked than `ResamplingPlan.available` promises, or where the converter breaks
        that promise: a mistake in counting must never become wrong samples.
        """
        self._taken += len(block)
        certain = self._plan.available(self._taken) - self._given
        if count is None:
            count = certain
        if len(block):
            self._inbox.blocks.append(block)
        if count == 0:
            return np.empty((0, self._channels), dtype=np.float32)
        if count > certain or not len(block):
            raise self._underrun(certain, count)
        samples: NDArray[np.float32] = self._converter.read(count)
        if self._inbox.starved or len(samples) != count:
            raise self._underrun(len(samples), count)
        self._given += count
        return samples

    def _underrun(self, got: int, wanted: int) -> RuntimeFailureError:
        return RuntimeFailureError(
            f"the resampler from {self._plan.input_rate} to {self._plan.output_rate} Hz ran out of input after "
            f"{self._taken} samples: got {got} samples, wanted {wanted}; please report this with both rates"
        )


class _Inbox:
    """The blocks that wait for the converter, in order."""

    def __init__(self, channels: int) -> None:
        self.blocks: deque[NDArray[np.float32]] = deque()
        self.starved = False
        self._nothing = np.empty((0, channels), dtype=np.float32)

    def next_block(self) -> NDArray[np.float32]:
        """What the converter calls for more. An empty answer ends its input for good, so that it is remembered.

        The converter calls this whenever it holds no block, even where its filter still holds enough for the next
        sample: hence one new block for every conversion.
        """
        if self.blocks:
            return self.blocks.popleft()
        self.starved = True
        return self._nothing
