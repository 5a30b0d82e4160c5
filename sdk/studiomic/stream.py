"""Enhancement of a stream: blocks of any size in, as many samples out, a constant time later."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studiomic.audio_checks import (
    ChannelGroups,
    Samples,
    check_channels,
    check_groups,
    check_rate,
    check_samples,
    is_sound,
    unsound,
)
from studiomic.bundle import Bundle, as_bundle
from studiomic.controls import Controls
from studiomic.errors import InvalidControlError, RuntimeFailureError, StreamBusyError
from studiomic.hop_plan import HopPlan
from studiomic.resampling import StreamingResampler
from studiomic.runtimes.base import Tensor
from studiomic.sample_formats import Floats, decoded, encoded
from studiomic.sample_queue import SampleQueue

SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal
HIGHEST_FREQUENCY = 24000
"""Hz: the graph runs at 48 kHz and gives nothing above half of that."""


@dataclass(frozen=True)
class StreamStatistics:
    """Counts since the stream was made or reset.

    samples_in and samples_out are samples per channel; non_finite and saturated count single samples of any channel:
    those taken as zero because they were NaN, infinite or absurdly large, and those held at an integer's limit.
    """

    samples_in: int
    samples_out: int
    non_finite: int
    saturated: int


class Stream:
    """Enhances blocks of any size at 8 to 192 kHz, always giving as many samples as it takes.

    The output is `latency` samples late, always, and does not depend on how the input is cut into blocks. A block that
    completes a hop of the graph (2048 samples at 48 kHz by default, 512 of "live") does that hop's work: on a device
    call `process` on a worker beside the audio callback. A stream belongs to one thread at a time; only `controls` may
    be set from another.

    rate: Hz, an integer from 8000 to 192000. channels: 1 to 128. channel_groups: the channels that share one graph,
    whose gains are then estimated together ("auto": one pair where there are two channels, else singles; "pairs",
    "singles", or a list such as [(0, 1), (2,)]). bundle: a Bundle, its name or its folder; by default "studio", for
    recordings; "live", a quarter as late, is for monitoring and calls. backend ("onnx", "tflite", or "coreml" on a
    Mac), precision ("fp32", "fp16", "int8"): which of the bundle's files runs. threads: of the runtime, for one hop.
    providers: execution providers of ONNX Runtime, by its names, in order of preference; by default its CPU.

    Raises InvalidRateError, InvalidLayoutError, InvalidControlError, InvalidOptionError, BundleError or
    MissingExtraError.
    """

    def __init__(
        self,
        rate: int = 48000,
        channels: int = 1,
        *,
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
        groups = check_groups(channel_groups, self._channels)
        self.controls = controls
        loaded = as_bundle(bundle)
        runtimes = {
            size: loaded.open(size, backend, precision, threads, providers)
            for size in sorted({len(group) for group in groups})
        }
        manifest = loaded.manifest
        self._plan = HopPlan(self._rate, manifest.sample_rate, manifest.hop, manifest.graph_latency)
        self._latency = self._plan.latency
        self._groups = tuple((_rows(group), runtimes[len(group)]) for group in groups)
        self._lock = threading.Lock()
        self._kind: np.dtype[np.generic] = np.dtype(np.float32)
        self._flat = self._channels == 1
        self._start()
        self._clear_statistics()

    @property
    def rate(self) -> int:
        """Samples per second of input and output, Hz."""
        return self._rate

    @property
    def channels(self) -> int:
        """Channels of input and output."""
        return self._channels

    @property
    def latency(self) -> int:
        """How many samples, at the stream's own rate, the output is later than the input; constant."""
        return self._latency

    @property
    def extend_limit_hz(self) -> float:
        """The highest frequency in Hz that `extend` can give back at this rate."""
        return min(self._rate / 2, HIGHEST_FREQUENCY)

    @property
    def controls(self) -> Controls:
        """What is asked of the enhancement; may be set at any time, from any thread.

        The controls in force when a hop's last sample arrives rule that whole hop. Raises InvalidControlError.
        """
        return self._controls

    @controls.setter
    def controls(self, controls: Controls) -> None:
        if not isinstance(controls, Controls):
            raise InvalidControlError(
                f"controls: got {controls!r} ({type(controls).__name__}), wanted Controls, as in Controls(denoise=0.5)"
            )
        self._controls = controls
        self._controls_array = controls.as_array()

    @property
    def statistics(self) -> StreamStatistics:
        """Counts since the stream was made or reset; `flush` leaves them to be read."""
        return StreamStatistics(self._samples_in, self._samples_out, self._non_finite, self._saturated)

    def process(self, block: Samples) -> Samples:
        """Take the next samples and give as many back, `latency` samples late, in the same shape and type.

        block: numpy array [n, channels], or [n] for one channel, of any length, 0 too; float32 or float64 with full
        scale at 1, int16 or int32. Floats are never clipped; integers saturate and are counted. Samples that are NaN,
        infinite or beyond a million times full scale are taken as zero and counted.

        Raises InvalidAudioError and leaves the stream as it was; StreamBusyError where another thread is inside; and
        RuntimeFailureError, after which the stream is as new.
        """
        with self._alone():
            rows = check_samples(block, self._channels, "block")
            # Counts, shape and type only now: a refused block must leave no trace.
            self._flat = block.ndim == 1
            self._kind = block.dtype
            self._samples_in += len(rows)
            samples = decoded(rows)
            if not is_sound(samples):
                bad = unsound(samples)
                self._non_finite += int(np.count_nonzero(bad))
                samples = np.where(bad, samples.dtype.type(0), samples)
            return self._given(self._advance(samples))

    def flush(self) -> Samples:
        """The last `latency` samples, in the shape and type of the last block; afterwards the stream is as new.

        The controls and the statistics stay. Raises StreamBusyError or RuntimeFailureError.
        """
        with self._alone():
            tail = self._given(self._advance(np.zeros((self._latency, self._channels), dtype=np.float32)))
            self._start()
            return tail

    def reset(self) -> None:
        """Forget all audio and all counts, as if the stream were new; the controls stay. Raises StreamBusyError."""
        with self._alone():
            self._start()
            self._clear_statistics()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise StreamBusyError(
                "stream: got a call while another thread is inside, wanted one thread at a time; "
                "give every thread a stream of its own, or put a lock around it"
            )
        try:
            yield
        finally:
            self._lock.release()

    def _clear_statistics(self) -> None:
        self._samples_in = self._samples_out = self._non_finite = self._saturated = 0

    def _start(self) -> None:
        """Put everything that remembers audio at its beginning."""
        plan, channels = self._plan, self._channels
        self._job = 0
        self._states = [runtime.initial_states() for _, runtime in self._groups]
        self._pending = self._new_pending()
        self._filled = 0
        # What is added to the enhanced samples: off the graph's rate the input itself, at it what the graph is not
        # given: what float32 cannot hold, and its denormal numbers.
        self._carried = SampleQueue(channels, np.float64, zeros=self._latency)
        if plan.resamples:
            self._enhanced = SampleQueue(channels, np.float32, zeros=self._latency)
            self._to_graph = StreamingResampler(plan.to_graph, channels)
            self._from_graph = StreamingResampler(plan.from_graph, channels)
            self._dry = SampleQueue(channels, np.float32, zeros=plan.graph_latency)
            self._warming = plan.graph_latency
        else:
            self._enhanced = SampleQueue(channels, np.float32, zeros=self._latency - plan.graph_latency)

    def _new_pending(self) -> Tensor:
        """Fresh memory for the samples between the last job and the next one."""
        before = self._plan.inputs_for(self._job - 1) if self._job else 0
        return np.empty((self._plan.inputs_for(self._job) - before, self._channels), dtype=np.float32)

    def _given(self, samples: Floats) -> Samples:
        output, saturated = encoded(samples, self._kind)
        self._saturated += saturated
        self._samples_out += len(output)
        return output[:, 0] if self._flat else output

    def _advance(self, samples: Floats) -> Floats:
        """Take samples [n, channels], run the jobs that fall due and give n samples."""
        try:
            heard = _without_denormals(samples.astype(np.float32, copy=False))
            count = len(heard)
            exact = samples.astype(np.float64)
            self._carried.push(exact if self._plan.resamples else exact - heard)
            done = 0
            while done < count:
                taken = min(count - done, len(self._pending) - self._filled)
                self._pending[self._filled : self._filled + taken] = heard[done : done + taken]
                self._filled += taken
                done += taken
                if self._filled == len(self._pending):
                    self._run_job()
            if len(self._enhanced) < count:
                raise RuntimeFailureError(
                    f"stream at {self._rate} Hz: got {len(self._enhanced)} enhanced samples, wanted {count}; "
                    "please report this with the rate"
                )
            mixed: NDArray[np.float64] = self._enhanced.pop(count) + self._carried.pop(count)
            return mixed
        except BaseException:
            # Half a job leaves resamplers and states at odds: a fresh start is the only state that is known.
            self._start()
            raise

    def _run_job(self) -> None:
        hop = self._plan.hop
        block = self._pending
        if self._plan.resamples:
            block = _without_denormals(self._to_graph.convert(block, hop))
            self._dry.push(block)
        enhanced = self._run_graph(np.ascontiguousarray(block.T)).T
        if self._plan.resamples:
            enhanced = self._resampled_difference(enhanced - self._dry.pop(hop))
        self._enhanced.push(enhanced)
        self._job += 1
        self._pending = self._new_pending()
        self._filled = 0

    def _run_graph(self, audio: Tensor) -> Tensor:
        """One hop [channels, hop] through the graph, group by group."""
        enhanced = np.empty_like(audio)
        controls = self._controls_array
        for index, (rows, runtime) in enumerate(self._groups):
            enhanced[rows], self._states[index] = runtime.run(audio[rows], controls, self._states[index])
        if not np.isfinite(enhanced).all():
            raise RuntimeFailureError(
                f"the graph gave samples that are not finite for a hop whose peak is {np.abs(audio).max():g}, wanted "
                "finite samples; full scale is 1: scale the input, and report this if it stays"
            )
        return enhanced

    def _resampled_difference(self, difference: Tensor) -> Tensor:
        """What the graph changed, at the stream's own rate; the graph's first samples lie before the input's start."""
        skipped = min(self._warming, len(difference))
        self._warming -= skipped
        return self._from_graph.convert(np.ascontiguousarray(difference[skipped:]))


def _without_denormals(samples: Tensor) -> Tensor:
    """Numbers below float32's normal range, -758 dB, as zero: some runtimes take them as zero, and at zero controls
    each must give what it was given."""
    return np.where(np.abs(samples) < SMALLEST_NORMAL, np.float32(0), samples)


def _rows(group: tuple[int, ...]) -> slice | list[int]:
    """The index of a group's rows, as a slice where they are neighbours, which needs no copy."""
    first, last = group[0], group[-1]
    return slice(first, last + 1) if last - first == len(group) - 1 else list(group)
