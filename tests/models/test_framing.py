"""Analysis and synthesis over whole clips."""

import numpy as np
import torch

from models.generators.framing import analysis, square_root_hann, synthesis


def test_synthesis_undoes_analysis() -> None:
    audio = torch.randn(2, 8 * 64, generator=torch.Generator().manual_seed(0))
    audio = torch.from_numpy(np.cumsum(audio.numpy(), axis=1))  # little at Nyquist, which the pair leaves out
    window = square_root_hann(128)
    back = synthesis(*analysis(audio, window), window)
    nyquist = audio * (-1.0) ** torch.arange(audio.shape[1])
    tolerance = 1e-4 + float(nyquist.unfold(-1, 128, 64).sum(-1).abs().max()) / 64
    assert (back[:, 64:] - audio[:, :-64]).abs().max() < tolerance
    assert tolerance < 0.1 * float(audio.abs().max())


def test_a_frame_is_the_windowed_dft_of_its_samples() -> None:
    audio = torch.randn(4 * 64, generator=torch.Generator().manual_seed(1))
    window = square_root_hann(128)
    real, imaginary = analysis(audio, window)
    wanted = np.fft.rfft(audio[64:192].numpy() * window.numpy())[:64]
    np.testing.assert_allclose(real[2].numpy() + 1j * imaginary[2].numpy(), wanted, atol=1e-4)


def test_squared_windows_sum_to_one() -> None:
    squares = square_root_hann(256) ** 2
    torch.testing.assert_close(squares[:128] + squares[128:], torch.ones(128))
