"""Analysis into overlapping frames and synthesis by overlap-add, over a whole clip.

The window is the square root of a periodic Hann window at both ends, with half overlap: the squares sum to one, so that
synthesis of an unchanged analysis is exact (Princen and Bradley 1986).
"""

from __future__ import annotations

import torch
from torch import Tensor


def square_root_hann(window: int) -> Tensor:
    """[window]: sqrt of the periodic Hann window."""
    n = torch.arange(window, dtype=torch.float64)
    return torch.sin(torch.pi * n / window).float()


def analysis(audio: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary DFT bins below Nyquist, [..., frames, window / 2] each, of audio [..., samples].

    Frame t ends with hop t of the audio; before the first sample there is silence. `samples` is a multiple of the hop.
    Unscaled DFT of the windowed frame.
    """
    length = window.shape[0]
    hop = length // 2
    frames = torch.nn.functional.pad(audio, (hop, 0)).unfold(-1, length, hop) * window
    spectrum = torch.fft.rfft(frames)[..., : length // 2]
    return spectrum.real, spectrum.imag


def synthesis(real: Tensor, imaginary: Tensor, window: Tensor) -> Tensor:
    """The overlap-add of frames with the given bins (the Nyquist bin is zero): audio [..., frames * hop].

    As in the stream, sample n of the result belongs to sample n - hop of the analysed audio.
    """
    hop = window.shape[0] // 2
    spectrum = torch.nn.functional.pad(torch.complex(real, imaginary), (0, 1))
    frames = torch.fft.irfft(spectrum, n=window.shape[0]) * window
    earlier = torch.nn.functional.pad(frames[..., :-1, hop:], (0, 0, 1, 0))
    overlapped: Tensor = frames[..., :hop] + earlier
    return overlapped.flatten(-2)
