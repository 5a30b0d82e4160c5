"""Signals and ways of cutting them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studiomic.stream import Stream

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)
BLOCK_SIZES = (1, 7, 64, 480, 1023, 1024, 1025, 4096, "random")


def noise(length: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise [length, channels] at a level that floats and integers hold easily."""
    generator = np.random.default_rng(seed)
    return (0.2 * generator.standard_normal((length, channels))).astype(np.float32).clip(-1, 1)


def tones(length: int, rate: int, highest: float) -> NDArray[np.float32]:
    """Three tones [length] up to `highest` Hz, faded in and out so that no edge adds other frequencies."""
    time = np.arange(length) / rate
    mixed = sum(np.sin(2 * np.pi * share * highest * time + share) for share in (0.11, 0.53, 1.0))
    return (0.2 * mixed * np.hanning(length)).astype(np.float32)


def pieces(samples: NDArray[Any], size: int | str, seed: int = 1) -> Iterator[NDArray[Any]]:
    """`samples` in blocks of `size`, or of random sizes from 0 to 3000; at least one, which may be empty."""
    generator = np.random.default_rng(seed)
    start = 0
    if len(samples) == 0:
        yield samples
    while start < len(samples):
        count = int(generator.integers(0, 3001)) if isinstance(size, str) else size
        yield samples[start : start + count]
        start += count


def streamed(stream: Stream, samples: NDArray[Any], size: int | str | None = None) -> NDArray[Any]:
    """All that the stream gives for `samples` in blocks of `size` (None: at once), flushed."""
    blocks = [samples] if size is None else list(pieces(samples, size))
    outputs = [stream.process(block) for block in blocks]
    assert [len(output) for output in outputs] == [len(block) for block in blocks]
    return np.concatenate([*outputs, stream.flush()])
