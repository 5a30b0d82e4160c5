"""Enhancement of an array that holds a whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from studiomic.audio_checks import ChannelGroups, Samples, check_rate, check_samples
from studiomic.bundle import Bundle
from studiomic.controls import Controls
from studiomic.whole import WholeEnhancer

_BLOCK = 1 << 16
"""Samples per step: large enough that the steps cost nothing, small enough that the work in between stays in cache."""


class Enhanced(NamedTuple):
    """Samples in the shape and type of the input, and their rate in Hz."""

    samples: Samples
    rate: int


def enhance(
    samples: Samples,
    rate: int,
    *,
    output_rate: int | None = None,
    controls: Controls = Controls(),  # noqa: B008 - frozen, so that one instance serves all
    channel_groups: ChannelGroups = "auto",
    bundle: Bundle | str | Path | None = None,
    backend: str = "onnx",
    precision: str = "fp32",
    threads: int = 1,
    providers: Sequence[str] | None = None,
) -> Enhanced:
    """Enhance a whole recording; what was at a time stays at that time.

    samples: numpy array [n] or [n, channels], n of any size, 0 too; float32 or float64 with full scale at 1, int16 or
    int32. rate, output_rate: Hz, integers from 8000 to 192000; output_rate is 48000 by default where rate is below
    44100, else rate. The result is as long as the input, round(n * output_rate / rate) where the rate changes. Floats
    are never clipped; integers saturate. The other arguments are those of `Stream`.

    Raises InvalidAudioError (NaN and infinity too, naming the first index), InvalidRateError, InvalidLayoutError,
    InvalidControlError, InvalidOptionError, BundleError, MissingExtraError or RuntimeFailureError.
    """
    check_rate(rate)
    rows = check_samples(samples)
    enhancer = WholeEnhancer(
        rate,
        rows.shape[1],
        output_rate=output_rate,
        controls=controls,
        channel_groups=channel_groups,
        bundle=bundle,
        backend=backend,
        precision=precision,
        threads=threads,
        providers=providers,
    )
    parts = [enhancer.push(rows[start : start + _BLOCK]) for start in range(0, max(1, len(rows)), _BLOCK)]
    result = np.concatenate((*parts, enhancer.finish()))
    return Enhanced(result[:, 0] if samples.ndim == 1 else result, enhancer.output_rate)
