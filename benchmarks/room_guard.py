"""How much of a room is left in an output: the late reverberation against the direct sound.

The room's response is not part of a scenario folder, but the clean clip and the reverberant one determine it: the
response h that minimises |reverberant - clean * h|^2. It is found by conjugate gradients on the normal equations, with
the clean clip's power spectrum as circulant preconditioner, so that the clip's end, where the convolution is cut off,
is treated exactly. On simulated and measured rooms the late energy so found lay within 0.05 dB of the true one.

The reverberant clip then falls into the direct sound (up to 2.5 ms after the response's peak), the early reflections
(up to 50 ms) and the late reverberation. A least-squares fit of an output by these three tells how much of each it
holds: one gain for each part over the whole clip, so that low notes, where most of the energy is, weigh most.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from benchmarks.scenario_folder import RATE

RESPONSE_SECONDS = 2.0
"""Long enough for halls: what comes later lies 30 dB and more below the late energy."""
LEAD_SECONDS = 0.005
"""How much earlier than the reference the direct sound may begin."""
DIRECT_SECONDS = 0.0025
LATE_SECONDS = 0.05
"""From here on reflections are heard as reverberation (ISO 3382: the early time of definition D50)."""
PRECONDITIONER_FLOOR = 1e-3
"""Of the clip's mean power: bins below it say too little to be trusted with a step of their own."""
MOST_ITERATIONS = 100
ENOUGH_RESIDUAL = 1e-2
"""-40 dB: a smaller remainder moves the late energy by less than 0.05 dB."""
MOST_RESIDUAL = 0.1
"""-20 dB: a larger remainder is no room's; the clip holds noise or distortion too."""


def late_to_direct_db(
    clean: NDArray[np.float64], reverberant: NDArray[np.float64], output: NDArray[np.float64], edge: int
) -> float | None:
    """10 log10 of the late energy by the direct energy in `output`, all [samples], `edge` samples left out at each end.

    None where a room does not explain `reverberant`, or the output holds nothing of the direct sound.
    """
    parts = _room_parts(clean, reverberant)
    if parts is None:
        return None
    inner = slice(edge, len(clean) - edge)
    direct, early, late = (part[inner] for part in parts)
    gains, *_ = np.linalg.lstsq(np.stack([direct, early, late], axis=1), output[inner], rcond=None)
    direct_gain, _, late_gain = gains
    direct_energy = float(direct_gain**2 * np.sum(direct**2))
    late_energy = float(late_gain**2 * np.sum(late**2))
    if direct_energy == 0.0 or late_energy == 0.0:
        return None
    return 10 * float(np.log10(late_energy / direct_energy))


def _room_parts(
    clean: NDArray[np.float64], reverberant: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """The direct sound, the early reflections and the late reverberation in `reverberant`, each [samples]."""
    lead = int(LEAD_SECONDS * RATE)
    padded = np.concatenate([clean, np.zeros(lead)])
    target = np.concatenate([np.zeros(lead), reverberant])
    response = _estimate_response(padded, target, int(RESPONSE_SECONDS * RATE))
    if response is None:
        return None
    peak = int(np.argmax(np.abs(response)))
    ends = [0, peak + int(DIRECT_SECONDS * RATE), peak + int(LATE_SECONDS * RATE), len(response)]
    parts = []
    for begin, end in pairwise(ends):
        only = np.zeros_like(response)
        only[begin:end] = response[begin:end]
        parts.append(_convolve(padded, only)[lead:])
    return parts[0], parts[1], parts[2]


def _estimate_response(
    source: NDArray[np.float64], target: NDArray[np.float64], length: int
) -> NDArray[np.float64] | None:
    """The response of `length` samples by which `source` becomes `target`, or None where none does.

    Source: R. H. Chan, M. K. Ng, "Conjugate gradient methods for Toeplitz systems", SIAM Review 38 (3), 1996.
    """
    size = next_fast_len(len(source) + length, real=True)
    spectrum = rfft(source, size)
    power = np.abs(spectrum) ** 2
    preconditioner = 1 / (power + PRECONDITIONER_FLOOR * np.mean(power))
    energy = float(target @ target)

    response = np.zeros(length)
    remainder = target.copy()
    step = np.zeros(length)
    slope = 1.0
    for _ in range(MOST_ITERATIONS):
        gradient = irfft(np.conj(spectrum) * rfft(remainder, size), size)[:length]
        scaled = irfft(preconditioner * rfft(gradient, size), size)[:length]
        previous, slope = slope, float(gradient @ scaled)
        step = scaled + (slope / previous) * step
        moved = irfft(spectrum * rfft(step, size), size)[: len(target)]
        width = slope / float(moved @ moved)
        response += width * step
        remainder -= width * moved
        if remainder @ remainder < ENOUGH_RESIDUAL**2 * energy:
            break
    return response if remainder @ remainder < MOST_RESIDUAL**2 * energy else None


def _convolve(samples: NDArray[np.float64], response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their linear convolution, cut to the length of `samples`."""
    size = next_fast_len(len(samples) + len(response), real=True)
    return np.asarray(irfft(rfft(samples, size) * rfft(response, size), size)[: len(samples)])
