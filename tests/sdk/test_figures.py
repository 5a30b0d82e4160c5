"""The figures against values worked out by hand and against scipy's own transform."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from studiomic import figures
from studiomic.errors import InvalidAudioError

RATE = 48000
ALL_FIGURES = [
    figures.si_sdr,
    figures.level_difference,
    figures.log_spectral_distance,
    figures.log10_spectral_distance,
]


def noise(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape) * 0.1


def scipy_power(samples: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    """[bins, frames], from scipy's STFT, which divides by the sum of the window."""
    window = signal.get_window("hann", 1024)
    _, _, spectrum = signal.stft(samples, RATE, window, 1024, 1024 - hop, boundary=None, padded=False)
    return np.asarray(np.abs(spectrum) ** 2)


def test_si_sdr_of_orthogonal_distortion_is_the_ratio_of_energies() -> None:
    reference = np.array([1.0, -1.0, 1.0, -1.0])
    distortion = np.array([0.1, 0.1, -0.1, -0.1])
    assert figures.si_sdr(reference + distortion, reference) == pytest.approx(20.0)


def test_si_sdr_by_hand_where_the_distortion_leans_on_the_reference() -> None:
    # <e, r> / |r|^2 = 3/2 over (1, -1, 0, 0); what is left is (0.5, 0.5, -0.5, -0.5), of energy 1 against 4.5.
    estimate, reference = np.array([2.0, -1.0, -0.5, -0.5]), np.array([1.0, -1.0, 0.0, 0.0])
    assert figures.si_sdr(estimate, reference) == pytest.approx(10 * np.log10(4.5))


def test_si_sdr_ignores_scale_sign_and_offset() -> None:
    reference, estimate = noise(0, 4000), noise(0, 4000) + 0.3 * noise(1, 4000)
    plain = figures.si_sdr(estimate, reference)
    assert figures.si_sdr(-3 * estimate + 0.5, reference - 2) == pytest.approx(plain)


def test_si_sdr_of_the_reference_itself_is_infinite() -> None:
    assert figures.si_sdr(noise(0, 100), noise(0, 100)) == float("inf")


def test_si_sdr_of_silence_is_minus_infinity_and_against_silence_undefined() -> None:
    assert figures.si_sdr(np.zeros(100), noise(0, 100)) == float("-inf")
    assert np.isnan(figures.si_sdr(noise(0, 100), np.zeros(100)))


def test_si_sdr_counts_a_changed_stereo_image_as_distortion() -> None:
    reference = noise(0, 4000, 2)
    assert figures.si_sdr(reference * 0.5, reference) > 100
    assert figures.si_sdr(reference * [1.0, 0.5], reference) < 11


def test_level_difference_is_in_decibels_of_rms() -> None:
    reference = noise(0, 1000, 2)
    assert figures.level_difference(reference / 10, reference) == pytest.approx(-20.0)
    assert figures.level_difference(-reference, reference) == pytest.approx(0.0)


def test_level_difference_of_silence() -> None:
    silence, sound = np.zeros(10), np.ones(10)
    assert figures.level_difference(silence, sound) == float("-inf")
    assert figures.level_difference(sound, silence) == float("inf")
    assert np.isnan(figures.level_difference(silence, silence))


def test_integers_are_measured_without_overflow() -> None:
    reference = np.array([30000, -30000, 20000, -20000] * 500, dtype=np.int16)
    assert figures.level_difference(reference // 2, reference) == pytest.approx(20 * np.log10(0.5))


def test_power_of_a_full_scale_sine_is_a_quarter_in_its_bin() -> None:
    sine = np.sin(2 * np.pi * 32 / 1024 * np.arange(4096))
    power = figures.power_spectrogram(sine)
    assert power.shape == (13, 513)
    np.testing.assert_allclose(power[:, 32], 0.25, rtol=1e-9)
    np.testing.assert_allclose(power[:, [31, 33]], 0.0625, rtol=1e-9)
    assert power[:, 40:].max() < 1e-20


@pytest.mark.parametrize("hop", [256, 512])
def test_power_equals_scipys(hop: int) -> None:
    samples = noise(0, 10000)
    np.testing.assert_allclose(figures.power_spectrogram(samples, hop=hop), scipy_power(samples, hop).T, atol=1e-18)


def test_power_in_blocks_equals_power_at_once() -> None:
    samples = noise(0, 256 * (figures.FRAMES_AT_ONCE + 3) + 1024)
    power = figures.power_spectrogram(samples)
    assert len(power) == figures.FRAMES_AT_ONCE + 4
    np.testing.assert_array_equal(power[-5:], figures.power_spectrogram(samples[-(4 * 256 + 1024) :]))


def test_log_spectral_distance_of_a_gain_is_its_logarithm() -> None:
    reference = noise(0, 20000)
    assert figures.log_spectral_distance(reference / 2, reference) == pytest.approx(np.log(4.0), rel=1e-3)
    assert figures.log10_spectral_distance(reference / 10, reference) == pytest.approx(2.0, rel=1e-2)


def test_log_spectral_distance_of_silence() -> None:
    sine = np.sin(2 * np.pi * 32 / 1024 * np.arange(4096))
    silence = np.zeros(4096)
    assert figures.log_spectral_distance(silence, silence) == 0.0
    in_its_bin = figures.log_spectral_distance(silence, sine, band=(1499.0, 1501.0))
    assert in_its_bin == pytest.approx(np.log(0.25 / 1e-10), rel=1e-6)


@pytest.mark.parametrize(
    ("band", "bins"), [((0, 20000), slice(0, 427)), ((4000, 16000), slice(86, 342)), ((0, 99e3), slice(0, 513))]
)
def test_log_spectral_distance_equals_the_formula_on_scipys_transform(band: tuple[float, float], bins: slice) -> None:
    estimate, reference = noise(0, 9000), noise(1, 9000)
    logs = [np.log(scipy_power(samples, 256)[bins] + 1e-10) for samples in (reference, estimate)]
    wanted = np.mean(np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=0)))
    assert figures.log_spectral_distance(estimate, reference, band=band) == pytest.approx(wanted)


def test_log10_variant_equals_the_formula_on_scipys_transform() -> None:
    estimate, reference = noise(0, 9000), noise(1, 9000)
    logs = [np.log10(scipy_power(samples, 512) + 1e-10) for samples in (reference, estimate)]
    wanted = np.mean(np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=0)))
    assert figures.log10_spectral_distance(estimate, reference) == pytest.approx(wanted)


def test_log_spectral_distance_sees_only_its_band() -> None:
    reference = noise(0, 48000)
    dull = signal.sosfiltfilt(signal.butter(10, 6000, fs=RATE, output="sos"), reference)
    assert figures.log_spectral_distance(dull, reference, band=(0, 4000)) < 0.05
    assert figures.log_spectral_distance(dull, reference, band=(8000, 16000)) > 5


def test_log_spectral_distance_is_the_mean_over_channels() -> None:
    reference, estimate = noise(0, 5000, 2), noise(1, 5000, 2)
    each = [figures.log_spectral_distance(estimate[:, channel], reference[:, channel]) for channel in (0, 1)]
    assert figures.log_spectral_distance(estimate, reference) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("figure", ALL_FIGURES)
@pytest.mark.parametrize(
    ("estimate", "reference", "words"),
    [
        (np.zeros(2000), np.zeros(1999), [r"\[2000\]", r"\[1999\]", "one length"]),
        (np.zeros((2000, 2)), np.zeros(2000), [r"\[2000, 2\]", r"\[2000\]"]),
        (np.zeros(0), np.zeros(0), [r"\[0\]", "not empty"]),
        (np.zeros((9, 9, 9)), np.zeros(9), [r"\[9, 9, 9\]", r"\[samples, channels\]"]),
        (np.zeros(2000), np.append(np.zeros(1999), np.nan), ["reference", "nan", "sample 1999"]),
        (np.append(-np.inf, np.zeros(1999)), np.zeros(2000), ["estimate", "-inf", "sample 0"]),
        (np.zeros(2000, dtype=complex), np.zeros(2000), ["complex128", "real numbers"]),
        (["loud"], ["louder"], ["<U4", "real numbers"]),
    ],
)
def test_what_cannot_be_compared_is_refused(figure, estimate, reference, words) -> None:  # type: ignore[no-untyped-def] # rows of a table
    for word in words:
        with pytest.raises(InvalidAudioError, match=word):
            figure(estimate, reference)


def test_fewer_samples_than_a_frame_are_refused_where_a_spectrum_is_wanted() -> None:
    for figure in (figures.log_spectral_distance, figures.log10_spectral_distance):
        with pytest.raises(InvalidAudioError, match="1023 samples, but a spectrum needs at least 1024"):
            figure(np.zeros(1023), np.zeros(1023))


@pytest.mark.parametrize("band", [(8000.0, 4000.0), (100.0, 120.0), (30000.0, 40000.0)])
def test_a_band_without_a_bin_is_refused(band: tuple[float, float]) -> None:
    with pytest.raises(InvalidAudioError, match=f"{band[0]:g} to {band[1]:g} Hz holds no bin at 48000 Hz"):
        figures.log_spectral_distance(noise(0, 2000), noise(1, 2000), band=band)


def test_a_spectrogram_of_two_channels_is_refused() -> None:
    with pytest.raises(InvalidAudioError, match=r"one channel, \[samples\], but came \[2000, 2\]"):
        figures.power_spectrogram(np.zeros((2000, 2)))
