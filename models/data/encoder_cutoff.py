"""Where a lossy encoder cut a recording off: above that line it says nothing of the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

SEGMENT = 4096
SEARCHED_FROM_HZ = 10000.0
SIDE_HZ = 600.0  # on either side of the edge; encoders cut within some 200 Hz, instruments and rooms over octaves
EDGE_HZ = 150.0
LEAST_DROP_DB = 14.0
SILENT_POWER = 1e-20


def encoder_cutoff_hz(samples: NDArray[np.float32], sample_rate: int) -> float:
    """The frequency in Hz from which the mean power spectrum of `samples` [samples] falls off a cliff for good; 0 where
    it has none.

    The middle of the edge is where the mean level of the 600 Hz below lies most above that of the 600 Hz above (at
    least 14 dB), and nothing further up comes back to half that drop. Power spectrum by P. D. Welch, "The use of fast
    Fourier transform for the estimation of power spectra", 1967.
    """
    if len(samples) < SEGMENT:
        return 0.0
    hertz, power = welch(samples, sample_rate, nperseg=SEGMENT)
    level_db = 10 * np.log10(power + SILENT_POWER)
    sums = np.concatenate([[0.0], np.cumsum(level_db)])
    bins = hertz[1]
    side, edge = round(SIDE_HZ / bins), round(EDGE_HZ / bins)
    centres = np.arange(round(SEARCHED_FROM_HZ / bins), len(hertz) - edge - side)
    if not len(centres):
        return 0.0
    below = (sums[centres - edge] - sums[centres - edge - side]) / side
    above = (sums[centres + edge + side] - sums[centres + edge]) / side
    found = int(np.argmax(below - above))
    drop = float(below[found] - above[found])
    highest_above = float(np.max(above[found:]))
    if drop < LEAST_DROP_DB or highest_above > below[found] - drop / 2:
        return 0.0
    return float(hertz[centres[found] - edge])
