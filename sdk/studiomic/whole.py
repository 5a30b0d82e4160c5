"""Enhancement of a whole recording, block by block in constant memory, with the delay taken off."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from studiomic.audio_checks import ChannelGroups, Samples, check_channels, check_rate, check_samples, refuse_unsound
from studiomic.bundle import Bundle
from studiomic.controls import Controls
from studiomic.resampling import BEST, ResamplingPlan, StreamingResampler
from studiomic.sample_formats import Floats, decoded, encoded
from studiomic.stream import Stream

FULL_BAND_RATE = 48000
_ROOMY_RATE = 44100
"""Hz: from here on a rate holds the whole band of hearing."""


def default_output_rate(rate: int) -> int:
    """The rate to write where none is asked: 48 kHz below 44.1 kHz, where the highs would have no room, else `rate`."""
    return FULL_BAND_RATE if rate < _ROOMY_RATE else rate


def resampled_length(samples: int, rate: int, output_rate: int) -> int:
    """round(samples * output_rate / rate), exact for any length."""
    return round(Fraction(samples * output_rate, rate))


class WholeEnhancer:
    """Takes a recording in blocks of any size and gives it back enhanced: as long as it was, and not late.

    A higher output rate is made before the stream, so that the highs have room, a lower one after it. Arguments as for
    `Stream`; output_rate in Hz, by default `default_output_rate(rate)`. Raises what `Stream` raises; after a
    RuntimeFailureError the recording has to be begun anew, with a new one of these.
    """

    def __init__(
        self,
        rate: int,
        channels: int,
        *,
        output_rate: int | None = None,
        controls: Controls = Controls(),  # noqa: B008 - frozen, so that one instance serves all
        channel_groups: ChannelGroups = "auto",
        bundle: Bundle | str | Path | None = None,
        backend: str = "onnx",
        precision: str = "fp32",
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> None:
        self._rate = check_rate(rate)
        self._channels = check_channels(channels)
        self._output_rate = (
            default_output_rate(self._rate) if output_rate is None else check_rate(output_rate, "output rate")
        )
        self._stream = Stream(
            max(self._rate, self._output_rate),
            self._channels,
            controls=controls,
            channel_groups=channel_groups,
            bundle=bundle,
            backend=backend,
            precision=precision,
            threads=threads,
            providers=providers,
        )
        self._plan = ResamplingPlan(self._rate, self._output_rate, BEST)
        self._kind: np.dtype[np.generic] = np.dtype(np.float32)
        self._saturated = 0
        self._start()

    @property
    def output_rate(self) -> int:
        """The rate of what is given, Hz."""
        return self._output_rate

    @property
    def saturated(self) -> int:
        """Integer samples that had to be held at their type's limit."""
        return self._saturated

    def push(self, block: Samples) -> Samples:
        """Take samples [n, channels], n of any size, and give those [m, channels] that are done, in the block's type.

        Takes what `Stream.process` takes, but raises InvalidAudioError for NaN and infinity, naming the first index
        counted from the start of the recording.
        """
        rows = check_samples(block, self._channels, "block")
        samples = decoded(rows)
        refuse_unsound(samples, self._taken)
        self._taken += len(rows)
        self._kind = rows.dtype
        return self._given(self._advance(samples))

    def finish(self) -> Samples:
        """The rest, in the last block's type; in all round(n * output_rate / rate) samples. Then it is as new."""
        total = resampled_length(self._taken, self._rate, self._output_rate)
        if self._rate < self._output_rate:
            last = np.concatenate((self._timely(self._stream.process(self._last(total))), self._stream_tail()))
        elif self._rate > self._output_rate:
            last = np.concatenate((self._converted(self._stream_tail()), self._last(total)))
        else:
            last = self._stream_tail()
        given = self._given(last)
        self._start()
        return given

    def _start(self) -> None:
        self._taken = 0
        self._converted_count = 0
        self._early = self._stream.latency
        self._resampler = StreamingResampler(self._plan, self._channels) if self._rate != self._output_rate else None

    def _advance(self, samples: Floats) -> Floats:
        if self._rate < self._output_rate:
            return self._timely(self._stream.process(self._converted(samples)))
        return self._converted(self._timely(self._stream.process(samples)))

    def _timely(self, samples: Samples) -> Samples:
        """Samples of the stream without those that lie before the recording's start."""
        skipped = min(self._early, len(samples))
        self._early -= skipped
        return samples[skipped:]

    def _stream_tail(self) -> Samples:
        return self._timely(self._stream.flush())

    def _converted(self, samples: Floats) -> Floats:
        """Samples at the output rate, as far as they are certain; where no rate changes, just as they are."""
        if self._resampler is None:
            return samples
        converted = self._resampler.convert(_owned(samples))
        self._converted_count += len(converted)
        return converted

    def _last(self, total: int) -> Floats:
        """The converter's last samples, so that it gives `total` in all, brought out by as many zeros as that takes."""
        assert self._resampler is not None
        missing = max(0, self._plan.needed(total) - self._taken)
        zeros = np.zeros((missing, self._channels), dtype=np.float32)
        return self._resampler.convert(zeros, total - self._converted_count)

    def _given(self, samples: Floats) -> Samples:
        output, saturated = encoded(samples, self._kind)
        self._saturated += saturated
        return output


def _owned(samples: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A float32 copy in C order, which the caller may not change under the converter's hands."""
    return np.array(samples, dtype=np.float32, order="C")
