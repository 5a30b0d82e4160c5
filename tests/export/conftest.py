"""A small generator with the shapes of the real one's contract: same window, fewer channels."""

from __future__ import annotations

import pytest
import torch

from models.generators.band_split import BandSplitConfig, BandSplitGenerator


@pytest.fixture(scope="session")
def generator() -> BandSplitGenerator:
    torch.manual_seed(5)
    made = BandSplitGenerator(BandSplitConfig(channels=8, blocks=1, band_hidden=8, channel_hidden=8))
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval()
