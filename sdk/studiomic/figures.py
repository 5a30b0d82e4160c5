"""Figures that tell how near an estimate is to its reference, in numpy alone.

Samples are arrays of [samples] or [samples, channels], of any float or integer type; the estimate and the reference
must have one shape, one rate and no delay between them. The figures are read together: each of them can be raised by a
change that the ear regrets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studiomic.errors import InvalidAudioError

WINDOW_LENGTH = 1024
"""Samples a frame: 21 ms at 48 kHz, long enough for bins of 47 Hz and short enough for onsets."""
HOP = 256
"""Samples between frames of the log-spectral distance."""
STUDY_HOP = 512
"""Samples between frames of the log10 variant."""
POWER_FLOOR = 1e-10
"""Added to each bin's power, where a full-scale sine has 1/4: 94 dB down, so that silence has a logarithm."""
REFERENCE_RATE = 48000
HIGHEST_HZ = 20000.0
"""What a human ear hears at most: bins above say nothing."""
FRAMES_AT_ONCE = 2048
"""Frames transformed together: bounds the memory on long recordings."""


def si_sdr(estimate: ArrayLike, reference: ArrayLike) -> float:
    """The scale-invariant signal-to-distortion ratio, zero mean, in dB: higher is nearer.

    The mean of each channel is taken off; one scale serves all channels, so that a changed stereo image counts as
    distortion. With s = (<estimate, reference> / |reference|^2) reference: 10 log10(|s|^2 / |estimate - s|^2).

    Returns `inf` where the estimate is the reference but for a scale, `-inf` where it holds nothing of it (silence),
    and `nan` where the reference is silent: then the ratio is not defined.

    Source: J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019, eq. 2 to 5.

    Raises InvalidAudioError for shapes that differ, an empty array, or NaN or infinity.
    """
    estimated, wanted = (samples - samples.mean(axis=0) for samples in _pair(estimate, reference))
    wanted_energy = float(np.sum(wanted**2))
    if wanted_energy == 0.0:
        return float("nan")
    target = wanted * (float(np.sum(estimated * wanted)) / wanted_energy)
    return _decibels(float(np.sum(target**2)), float(np.sum((estimated - target) ** 2)))


def level_difference(estimate: ArrayLike, reference: ArrayLike) -> float:
    """The estimate's RMS level less the reference's, in dB, over all channels: 0 where the loudness is kept.

    Returns `-inf` for a silent estimate, `inf` for a silent reference, and `nan` where both are silent.

    Raises InvalidAudioError for shapes that differ, an empty array, or NaN or infinity.
    """
    estimated, wanted = _pair(estimate, reference)
    estimated_energy, wanted_energy = float(np.sum(estimated**2)), float(np.sum(wanted**2))
    if estimated_energy == wanted_energy == 0.0:
        return float("nan")
    return _decibels(estimated_energy, wanted_energy)


def log_spectral_distance(
    estimate: ArrayLike,
    reference: ArrayLike,
    *,
    rate: int = REFERENCE_RATE,
    band: tuple[float, float] = (0.0, HIGHEST_HZ),
) -> float:
    """The distance of the logarithmic power spectra, in nepers of power (1 is 4.34 dB): lower is nearer.

    The mean over frames of sqrt(mean over bins of (ln P_reference - ln P_estimate)^2), with P as `power_spectrogram`
    has it plus 1e-10, frames of 1024 samples (periodic Hann) every 256, bins from `band[0]` to `band[1]` hertz
    inclusive; the mean over channels where there are several. Silence against silence is 0.

    Source of the form: A. H. Gray, J. D. Markel, "Distance measures for speech processing", IEEE Transactions on
    Acoustics, Speech and Signal Processing 24 (5), 1976.

    Raises InvalidAudioError for shapes that differ, fewer samples than a frame, NaN or infinity, or a band without a
    bin.
    """
    return _log_distance(*_pair(estimate, reference), HOP, _bins_within(band, rate))


def log10_spectral_distance(estimate: ArrayLike, reference: ArrayLike) -> float:
    """`log_spectral_distance` with log10, frames every 512 samples and all bins.

    This is the variant of the bandwidth-extension literature, for comparison with its tables; the floor stays at 1e-10.

    Raises InvalidAudioError for shapes that differ, fewer samples than a frame, or NaN or infinity.
    """
    return _log_distance(*_pair(estimate, reference), STUDY_HOP, slice(None)) / float(np.log(10.0))


def power_spectrogram(samples: ArrayLike, *, window_length: int = WINDOW_LENGTH, hop: int = HOP) -> NDArray[np.float64]:
    """|STFT|^2 / (sum of the window)^2 of one channel, [frames, window_length // 2 + 1].

    A periodic Hann window, and only frames that lie wholly within the samples. A full-scale sine in the middle of a bin
    has the power 1/4 there, whatever the window's length.

    Raises InvalidAudioError unless the samples are one channel, finite and at least `window_length` long.
    """
    channel = _finite(samples, "samples")
    if channel.ndim != 1:
        raise InvalidAudioError(f"A spectrogram is of one channel, [samples], but came {list(channel.shape)}.")
    return np.concatenate(list(_power_blocks(channel, window_length, hop)))


def _power_blocks(channel: NDArray[np.float64], window_length: int, hop: int) -> Iterator[NDArray[np.float64]]:
    """The power spectrogram of [samples], some frames at a time."""
    if len(channel) < window_length:
        raise InvalidAudioError(
            f"There are {len(channel)} samples, but a spectrum needs at least {window_length}: pass a longer recording."
        )
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_length) / window_length)
    frames = np.lib.stride_tricks.sliding_window_view(channel, window_length)[::hop]
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        spectrum = np.fft.rfft(frames[start : start + FRAMES_AT_ONCE] * window, axis=1)
        yield (spectrum.real**2 + spectrum.imag**2) / float(np.sum(window)) ** 2


def _log_distance(estimate: NDArray[np.float64], reference: NDArray[np.float64], hop: int, bins: slice) -> float:
    """The natural-log spectral distance over `bins`, the mean over frames and channels."""
    total, count = 0.0, 0
    channels = (samples.reshape(len(samples), -1).T for samples in (estimate, reference))
    for estimated, wanted in zip(*channels, strict=True):
        blocks = (_power_blocks(channel, WINDOW_LENGTH, hop) for channel in (estimated, wanted))
        for estimated_power, wanted_power in zip(*blocks, strict=True):
            difference = np.log(wanted_power[:, bins] + POWER_FLOOR) - np.log(estimated_power[:, bins] + POWER_FLOOR)
            distances = np.sqrt(np.mean(difference**2, axis=1))
            total += float(np.sum(distances))
            count += len(distances)
    return total / count


def _bins_within(band: tuple[float, float], rate: int) -> slice:
    """The bins of a frame whose frequencies lie within `band`, both ends included."""
    low_hz, high_hz = band
    hertz_per_bin = rate / WINDOW_LENGTH
    first = max(0, int(np.ceil(low_hz / hertz_per_bin)))
    last = min(WINDOW_LENGTH // 2, int(np.floor(high_hz / hertz_per_bin)))
    if first > last:
        raise InvalidAudioError(
            f"The band {low_hz:g} to {high_hz:g} Hz holds no bin at {rate} Hz, whose bins are {hertz_per_bin:.1f} Hz "
            f"apart up to {rate / 2:g} Hz: pass a wider one, the lower frequency first."
        )
    return slice(first, last + 1)


def _pair(estimate: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64, checked to be comparable."""
    estimated, wanted = _finite(estimate, "estimate"), _finite(reference, "reference")
    if estimated.shape != wanted.shape:
        raise InvalidAudioError(
            f"The estimate has the shape {list(estimated.shape)} and the reference {list(wanted.shape)}, but they must "
            "be equal: bring both to one rate, one length and one number of channels."
        )
    return estimated, wanted


def _finite(samples: ArrayLike, name: str) -> NDArray[np.float64]:
    """As float64, checked to be audio."""
    array = np.asarray(samples)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise InvalidAudioError(f"The {name} is of type {array.dtype}, but real numbers were wanted: pass samples.")
    if array.ndim not in (1, 2) or array.size == 0:
        raise InvalidAudioError(
            f"The {name} has the shape {list(array.shape)}, but [samples] or [samples, channels] was wanted, not empty."
        )
    values = array.astype(np.float64)
    if not np.all(np.isfinite(values)):
        first = np.argwhere(~np.isfinite(values))[0]
        raise InvalidAudioError(
            f"The {name} holds {values[tuple(first)]} at sample {first[0]}, but only finite values can be measured."
        )
    return values


def _decibels(numerator: float, denominator: float) -> float:
    """10 log10 of a ratio of energies; where both are zero, nothing has been kept: -inf."""
    if numerator == 0.0:
        return float("-inf")
    return 10 * float(np.log10(numerator / denominator)) if denominator > 0.0 else float("inf")
