"""The parts of a degraded clip, and what each sort of step does to them.

A degraded clip is kept as the sum of its parts, so that the target for any controls follows exactly:

    degraded = clean - missing + noise + reverberation
    target(denoise, dereverb, extend) = degraded - denoise * noise - dereverb * reverberation + extend * missing

A linear step (a filter, a gain that moves) acts on every part alone. A nonlinear one (clipping, a codec) acts on the
sum, and what it changes there counts as missing: `extend` undoes it. Whatever is added (noise, rounding) is noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class DegradedClip:
    """The parts of a degraded clip at 48 kHz, [samples] each, and `passband_hz`: below it the waveform can be known
    from the degraded clip.

    A low-pass, a resampler and a codec lower the passband: above it nothing, or nothing true, is left. A cover, an
    automatic gain and clipping leave it: they colour or distort what is there, yet take no band away. What does happen
    to the music then is part of `missing`, at any frequency.
    """

    clean: Samples
    noise: Samples
    reverberation: Samples
    missing: Samples
    passband_hz: float

    @staticmethod
    def whole(clean: Samples, cutoff_hz: float) -> DegradedClip:
        """A clip [samples] to which nothing has happened yet; above `cutoff_hz` it holds nothing."""
        nothing = np.zeros_like(clean)
        return DegradedClip(clean, nothing, nothing, nothing, cutoff_hz)

    @property
    def degraded(self) -> Samples:
        """What is heard, [samples]."""
        return self.clean - self.missing + self.noise + self.reverberation

    @property
    def music(self) -> Samples:
        """What is heard of the clean clip itself, [samples]."""
        return self.clean - self.missing

    def through(self, linear: Callable[[Samples], Samples]) -> DegradedClip:
        """Every part after a linear step, which maps [samples] to as many."""
        return replace(
            self,
            noise=linear(self.noise) if self.noise.any() else self.noise,
            reverberation=linear(self.reverberation) if self.reverberation.any() else self.reverberation,
            missing=self.clean - linear(self.music),
        )

    def heard_as(self, degraded: Samples) -> DegradedClip:
        """The clip after a nonlinear step that made the sum into `degraded` [samples]."""
        return replace(self, missing=self.missing + (self.degraded - degraded))

    def with_noise(self, noise: Samples) -> DegradedClip:
        """The clip with more noise [samples] in it."""
        return replace(self, noise=self.noise + noise)

    def known_below(self, hertz: float) -> DegradedClip:
        """The clip of which nothing can be known above `hertz`."""
        return replace(self, passband_hz=min(self.passband_hz, hertz))
