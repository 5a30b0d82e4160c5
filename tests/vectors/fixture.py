"""The tiny generator behind the golden vectors: of the product's kind, of no use to listeners, and frozen.

Its weights are random and large enough that all three controls are heard. They stay what they are in `WEIGHTS` while
the product's generator is trained anew.
"""

from __future__ import annotations

from pathlib import Path

import torch

from models.checkpoint import read_tensors, save_generator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.bands import BandGroup, BandLayout

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "generator.safetensors"
SEED = 2
"""One whose steep thresholds amplify float32's rounding little: to 8e-6, where that of other seeds reaches 3e-4."""
SPREAD = 0.3
"""Of the noise on every weight: the product starts near a bystander, which would prove little here."""
LAYOUT = BandLayout((BandGroup(4, 8), BandGroup(6, 16)))
CONFIG = BandSplitConfig(
    window=256,
    hop_eighths=5,
    channels=4,
    blocks=1,
    time_hidden=3,
    band_hidden=4,
    channel_hidden=4,
    bin_hidden=2,
    evening=True,
    copy_shifts=(32, 64),
)


def new_generator() -> BandSplitGenerator:
    """A generator with fresh random weights, always the same on one version of PyTorch."""
    torch.manual_seed(SEED)
    generator = BandSplitGenerator(CONFIG, LAYOUT)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(SPREAD * torch.randn_like(parameter))
    return generator.eval()


def write_weights(generator: BandSplitGenerator) -> None:
    """Freeze the weights."""
    save_generator(WEIGHTS, generator, generator.state_dict(), {"what": "fixture of the golden vectors", "seed": SEED})


def frozen_generator() -> BandSplitGenerator:
    """The generator with the frozen weights. Raises ValueError where there are none."""
    tensors, _ = read_tensors(WEIGHTS)
    generator = BandSplitGenerator(CONFIG, LAYOUT)
    generator.load_state_dict(tensors)
    return generator.eval()
