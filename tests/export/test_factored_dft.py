"""The two-stage DFT against numpy's."""

import numpy as np
import pytest
import torch

from export.factored_dft import FactoredDft, FactoredInverseDft, factors


@pytest.mark.parametrize("size", [16, 256, 512, 2048, 4096])
def test_bins_are_those_of_numpy(size: int) -> None:
    frames = np.random.default_rng(size).standard_normal((2, size))
    parts = FactoredDft(size)(torch.from_numpy(frames).float()).numpy()
    wanted = np.fft.rfft(frames)[:, : size // 2]
    found = parts[:, 0] + 1j * parts[:, 1]
    assert np.max(np.abs(found - wanted)) < 1e-6 * np.max(np.abs(wanted)) * np.log2(size)


@pytest.mark.parametrize("size", [16, 256, 512, 2048, 4096])
def test_the_inverse_is_that_of_numpy(size: int) -> None:
    random = np.random.default_rng(size)
    bins = random.standard_normal((2, size // 2)) + 1j * random.standard_normal((2, size // 2))
    frames = FactoredInverseDft(size)(torch.from_numpy(np.stack([bins.real, bins.imag], axis=1)).float())
    wanted = np.fft.irfft(np.pad(bins, ((0, 0), (0, 1))), size)
    assert np.max(np.abs(frames.numpy() - wanted)) < 1e-6 * np.max(np.abs(wanted)) * np.log2(size)


def test_it_is_far_cheaper_than_a_dense_matrix() -> None:
    transform = FactoredDft(2048)
    rows, columns = factors(2048)
    products = transform.first.numel() * columns + transform.second.numel() * rows
    assert (rows, columns) == (32, 64)
    assert products < 2048 * 2048 / 8


@pytest.mark.parametrize("size", [0, 8, 100, 2047])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"power of two of at least 16, got {size}"):
        factors(size)
