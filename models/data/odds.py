"""How often each clean recording teaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data.recordings import Recording

VOICE_SHARE = 0.1
"""Of the clean recordings that teach, whatever their number: voices are few, and most music holds none."""


def teaching_odds(recordings: Sequence[Recording], lengths: Sequence[int]) -> NDArray[np.float64]:
    """The probability [recordings] of each clean recording of `lengths` [recordings] in samples; they add up to 1.

    Music and voices are kept at a fixed share. Within each, a collection counts as the square root of its length, as
    what comes from one hand is alike, and so does a recording within its collection: long ones teach more often, yet
    short ones are not drowned.
    """
    odds = np.zeros(len(recordings))
    voices = np.array([recording.kind == "voice" for recording in recordings], dtype=bool)
    for chosen, share in ((voices, VOICE_SHARE), (~voices, 1.0 - VOICE_SHARE)):
        collections: defaultdict[str, list[int]] = defaultdict(list)
        for index in np.flatnonzero(chosen).tolist():
            collections[recordings[index].collection].append(index)
        for members in collections.values():
            roots = np.sqrt([float(lengths[index]) for index in members])
            total = np.sqrt(sum(lengths[index] for index in members))
            odds[members] = total * roots / roots.sum()
        if chosen.any():
            odds[chosen] *= share / odds[chosen].sum()
    return np.asarray(odds / odds.sum(), dtype=np.float64)
