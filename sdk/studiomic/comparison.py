"""Two recordings of one performance, made comparable, and the figures of the one against the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from studiomic.audio_file import open_audio
from studiomic.errors import InvalidAudioError
from studiomic.figures import level_difference, log_spectral_distance, si_sdr
from studiomic.spectrogram import decibels_full_scale

COMPARED_RATE = 48_000
MOST_SECONDS = 300.0
"""Figures need the whole sound in memory: more of it than this would tell nothing new."""
EDGE_SECONDS = 0.5
"""Left out of the figures at both ends, where filters start and stop."""
_SHORTEST_WITH_EDGES_SECONDS = 2.0
LARGEST_DELAY_SECONDS = 1.0
_ALIGNED_SECONDS = 30.0
"""How much of the start is searched for the delay."""
_WHITENING = 0.7
"""How far each frequency's weight is made equal, from 0 (not) to 1. Without it, a room's reflections of low notes can
outweigh the direct sound."""
_WHITENING_FLOOR = 1e-6
"""Of the strongest frequency: what is weaker is noise, and keeps its little weight."""
_SMALLEST_PEAK = 6.0
"""Times the correlation's RMS: the peak of recordings that have nothing in common stays below 5."""
_BANDWIDTH_RANGE_DB = 80.0
_BANDWIDTH_PERCENTILE = 95.0
BAND_4_TO_16 = (4000.0, 16000.0)
BAND_8_TO_16 = (8000.0, 16000.0)


class Recording(NamedTuple):
    """samples [n, channels] at 48 kHz, at most MOST_SECONDS; rate and frames as in the file; warnings of the file."""

    samples: NDArray[np.float32]
    rate: int
    frames: int
    warnings: tuple[str, ...]

    @property
    def channels(self) -> int:
        """How many channels the file has."""
        return int(self.samples.shape[1])

    @property
    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels."""
        return np.asarray(self.samples.mean(axis=1, dtype=np.float32))


@dataclass(frozen=True)
class Figures:
    """The figures of an estimate against its reference: decibels, and log-spectral distances in nepers of power."""

    si_sdr: float
    distance: float
    distance_4_to_16: float
    distance_8_to_16: float
    level: float


@dataclass(frozen=True)
class Comparison:
    """figures of the second recording against the first; delay: by how many samples at 48 kHz the second was late;
    remarks: all that was done to make the two comparable.
    """

    figures: Figures
    delay: int
    remarks: tuple[str, ...]


def load_recording(path: Path) -> Recording:
    """Read a file's first MOST_SECONDS, at 48 kHz. Raises AudioReadError, or InvalidAudioError for NaN or infinity."""
    with open_audio(path) as reader:
        most = round(MOST_SECONDS * reader.rate)
        kept: list[NDArray[np.float32]] = []
        frames = 0
        for block in reader.blocks():
            if frames < most:
                kept.append(block[: most - frames])
            frames += len(block)
        samples = np.concatenate(kept)
        if not np.all(np.isfinite(samples)):
            index = int(np.argwhere(~np.isfinite(samples))[0, 0])
            raise InvalidAudioError(
                f"{path}: holds {samples[index][~np.isfinite(samples[index])][0]} at sample {index} "
                f"({index / reader.rate:.3f} s), but only finite values can be compared"
            )
        return Recording(_at_compared_rate(samples, reader.rate), reader.rate, frames, tuple(reader.warnings))


def compare_recordings(reference: Recording, estimate: Recording) -> Comparison:
    """Bring both to one number of channels, one start and one length, and measure the estimate.

    Raises InvalidAudioError where less than a spectrum's length is left in common.
    """
    remarks: list[str] = []
    for what, first, second in (
        ("rates", f"{reference.rate} Hz", f"{estimate.rate} Hz"),
        ("channels", reference.channels, estimate.channels),
        (
            "lengths",
            f"{reference.frames / reference.rate:.3f} s",
            f"{estimate.frames / estimate.rate:.3f} s",
        ),
    ):
        if first != second:
            remarks.append(f"the {what} differ: {first} and {second}")
    wanted, got = reference.samples, estimate.samples
    if reference.channels != estimate.channels:
        remarks.append("compared as mono")
        wanted, got = reference.mono[:, None], estimate.mono[:, None]
    if max(recording.frames / recording.rate for recording in (reference, estimate)) > MOST_SECONDS:
        remarks.append(f"compared over the first {MOST_SECONDS:.0f} s")
    delay = find_delay(reference.mono, estimate.mono)
    if delay is None:
        remarks.append("the recordings have too little in common to find a delay: compared as they are")
        delay = 0
    elif delay:
        remarks.append(
            f"the second is {abs(delay)} samples ({abs(delay) / COMPARED_RATE * 1000:.1f} ms) "
            f"{'late' if delay > 0 else 'early'}: moved back into place"
        )
    wanted, got = _overlapping(wanted, got, delay)
    return Comparison(measure(wanted, got), delay, tuple(remarks))


def measure(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> Figures:
    """The figures of aligned samples of one shape at 48 kHz, less their edges where they are longer than 2 s."""
    if len(reference) > _SHORTEST_WITH_EDGES_SECONDS * COMPARED_RATE:
        edge = round(EDGE_SECONDS * COMPARED_RATE)
        reference, estimate = reference[edge:-edge], estimate[edge:-edge]
    return Figures(
        si_sdr=si_sdr(estimate, reference),
        distance=log_spectral_distance(estimate, reference),
        distance_4_to_16=log_spectral_distance(estimate, reference, band=BAND_4_TO_16),
        distance_8_to_16=log_spectral_distance(estimate, reference, band=BAND_8_TO_16),
        level=level_difference(estimate, reference),
    )


def find_delay(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> int | None:
    """By how many samples the estimate is late, from the peak of the cross-correlation; None where there is no peak.

    Source: C. H. Knapp, G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE
    Transactions on Acoustics, Speech and Signal Processing 24 (4), 1976, with the phase transform's weight in part.
    """
    searched = round(_ALIGNED_SECONDS * COMPARED_RATE)
    first, second = (part[:searched].astype(np.float64) for part in (reference, estimate))
    first, second = first - first.mean(), second - second.mean()
    reach = min(round(LARGEST_DELAY_SECONDS * COMPARED_RATE), len(first) - 1, len(second) - 1)
    length = 1 << (len(first) + len(second) - 1).bit_length()
    product = np.conj(np.fft.rfft(first, length)) * np.fft.rfft(second, length)
    strength = np.abs(product)
    if strength.max() == 0.0:
        return None
    product /= (strength + _WHITENING_FLOOR * strength.max()) ** _WHITENING
    correlation = np.abs(np.fft.irfft(product, length))
    around = np.concatenate([correlation[length - reach :], correlation[: reach + 1]])
    best = int(np.argmax(around))
    return best - reach if around[best] >= _SMALLEST_PEAK * np.sqrt(np.mean(around**2)) else None


def bandwidth(samples: NDArray[np.float32]) -> float:
    """The highest frequency in Hz that is in use: where the louder frames' spectrum is within 80 dB of its peak."""
    levels = np.percentile(decibels_full_scale(samples), _BANDWIDTH_PERCENTILE, axis=0)
    used = np.flatnonzero(levels >= levels.max() - _BANDWIDTH_RANGE_DB)
    return float(used[-1]) / (len(levels) - 1) * COMPARED_RATE / 2


def level_dbfs(samples: NDArray[np.float32]) -> float:
    """The RMS level in dB, 0 for a square wave at full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10.0 * float(np.log10(power)) if power > 0.0 else float("-inf")


def _at_compared_rate(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == COMPARED_RATE:
        return samples
    import samplerate

    return np.asarray(samplerate.resample(samples, COMPARED_RATE / rate, "sinc_best"), dtype=np.float32)


def _overlapping(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], delay: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both from where the later one starts, to where the first one ends."""
    reference, estimate = reference[max(0, -delay) :], estimate[max(0, delay) :]
    length = min(len(reference), len(estimate))
    return reference[:length], estimate[:length]
