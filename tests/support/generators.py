"""Where in a streaming generator's weights what a test sets is found."""

from __future__ import annotations

from models.generators.band_split import MASKS_PER_BIN, BandSplitGenerator


def mask_columns(generator: BandSplitGenerator) -> slice:
    """Of what the decoder tells, the logits of masks: noise, then reverberation. Those of copies stand before them."""
    shifts = len(generator.config.copy_shifts)
    return slice(shifts, shifts + MASKS_PER_BIN)
