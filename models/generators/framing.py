"""Analysis into overlapping frames and synthesis by overlap-add, over a whole clip.

The window is flat but for both ends, where frames overlap: there it rises and falls as the square root of a periodic
Hann window does, so that overlapping squares sum to one and synthesis of an unchanged analysis is exact (Princen and
Bradley 1986). At half overlap nothing of it is flat.
"""

from __future__ import annotations

import torch
from torch import Tensor


def tapered(length: int, hop: int) -> Tensor:
    """[length]: the window of frames that begin `hop` samples apart, `length / 2 <= hop < length`."""
    overlap = length - hop
    n = torch.arange(overlap, dtype=torch.float64)
    angles = torch.pi / 2 * n / overlap
    flat = torch.ones(length - 2 * overlap, dtype=torch.float64)
    return torch.cat([torch.sin(angles), flat, torch.cos(angles)]).float()


def analysis(audio: Tensor, window: Tensor, hop: int) -> tuple[Tensor, Tensor]:
    """Real and imaginary DFT bins below Nyquist, [..., frames, window / 2] each, of audio [..., samples].

    Frame t ends with hop t of the audio; before the first sample there is silence. `samples` is a multiple of the hop.
    Unscaled DFT of the windowed frame.
    """
    length = window.shape[0]
    frames = torch.nn.functional.pad(audio, (length - hop, 0)).unfold(-1, length, hop) * window
    spectrum = torch.fft.rfft(frames)[..., : length // 2]
    return spectrum.real, spectrum.imag


def synthesis(real: Tensor, imaginary: Tensor, window: Tensor, hop: int) -> Tensor:
    """The overlap-add of frames with the given bins (the Nyquist bin is zero): audio [..., frames * hop].

    As in the stream, sample n of the result belongs to sample n - (window - hop) of the analysed audio.
    """
    length = window.shape[0]
    spectrum = torch.nn.functional.pad(torch.complex(real, imaginary), (0, 1))
    frames = torch.fft.irfft(spectrum, n=length) * window
    earlier = torch.nn.functional.pad(frames[..., :-1, hop:], (0, 2 * hop - length, 1, 0))
    overlapped: Tensor = frames[..., :hop] + earlier
    return overlapped.flatten(-2)
