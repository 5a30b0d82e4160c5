"""Analysis and synthesis over whole clips."""

import numpy as np
import pytest
import torch

from models.generators.framing import analysis, synthesis, tapered

LENGTH = 128
HOPS = pytest.mark.parametrize("hop", [64, 80, 96, 112])


@HOPS
def test_synthesis_undoes_analysis(hop: int) -> None:
    audio = torch.randn(2, 8 * hop, generator=torch.Generator().manual_seed(0))
    audio = torch.from_numpy(np.cumsum(audio.numpy(), axis=1))  # little at Nyquist, which the pair leaves out
    window, overlap = tapered(LENGTH, hop), LENGTH - hop
    back = synthesis(*analysis(audio, window, hop), window, hop)
    nyquist = audio * (-1.0) ** torch.arange(audio.shape[1])
    tolerance = 1e-4 + float(nyquist.unfold(-1, LENGTH, hop).sum(-1).abs().max()) / hop
    assert (back[:, overlap:] - audio[:, :-overlap]).abs().max() < tolerance
    assert tolerance < 0.1 * float(audio.abs().max())


@HOPS
def test_a_frame_is_the_windowed_dft_of_its_samples(hop: int) -> None:
    audio = torch.randn(4 * hop, generator=torch.Generator().manual_seed(1))
    window = tapered(LENGTH, hop)
    real, imaginary = analysis(audio, window, hop)
    wanted = np.fft.rfft(audio[3 * hop - LENGTH : 3 * hop].numpy() * window.numpy())[: LENGTH // 2]
    np.testing.assert_allclose(real[2].numpy() + 1j * imaginary[2].numpy(), wanted, atol=1e-4)


@HOPS
def test_overlapping_squared_windows_sum_to_one(hop: int) -> None:
    squares, overlap = tapered(LENGTH, hop) ** 2, LENGTH - hop
    torch.testing.assert_close(squares[:overlap] + squares[hop:], torch.ones(overlap))
    torch.testing.assert_close(squares[overlap:hop], torch.ones(hop - overlap))


def test_a_window_of_half_overlap_is_the_square_root_of_a_periodic_hann_window() -> None:
    wanted = torch.hann_window(LENGTH).sqrt()
    torch.testing.assert_close(tapered(LENGTH, LENGTH // 2), wanted, atol=1e-6, rtol=0)
