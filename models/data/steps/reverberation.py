"""Steps that put a clip into a room. The direct sound keeps its level: the target must follow from the input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.data.degradations import DegradedClip, Samples
from models.data.material import Material
from models.data.rooms import Response, reverberate, with_least_direct, with_share
from models.data.steps.step import DECIBELS, Quantity, StepKind


def _in_room(clip: DegradedClip, response: Response) -> DegradedClip:
    """Noise sounds in the room as well; of all else what the room adds is reverberation."""

    def wet(dry: Samples) -> Samples:
        return reverberate(dry, response) if dry.any() else dry

    dry = clip.music + clip.reverberation
    return replace(clip, noise=wet(clip.noise), reverberation=clip.reverberation + (wet(dry) - dry))


def room(clip: DegradedClip, material: Material, random: np.random.Generator, least_direct_db: float) -> DegradedClip:
    """A room in which the direct sound is at least so many dB above the rest: drier rooms stay as they are."""
    return _in_room(clip, with_least_direct(material.room(random), least_direct_db))


def reverb(clip: DegradedClip, material: Material, random: np.random.Generator, share: float) -> DegradedClip:
    """A room of whose response's energy reverberation makes up this share: at 0.5 it equals the direct sound."""
    return _in_room(clip, with_share(material.room(random), share))


REVERBERANT_SHARE = Quantity("share of reverberation", 0.0, 0.99)
STEPS = (
    StepKind("room", (DECIBELS,), room),
    StepKind("reverb", (REVERBERANT_SHARE,), reverb),
)
