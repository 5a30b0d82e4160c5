"""A folder of scenarios in the small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

RATE = 48000
SECONDS = 2.5


def tune(seed: int) -> NDArray[np.float64]:
    """Decaying notes, and a burst of noise at each: music enough for figures."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(SECONDS * RATE)) / RATE
    samples = np.zeros_like(time)
    for onset in np.arange(0, SECONDS, 0.25):
        after = np.maximum(time - onset, 0)
        begun = (time >= onset).astype(float)
        note = sum(np.sin(2 * np.pi * after * hertz) for hertz in generator.uniform(150, 1500, 3))
        samples += begun * np.exp(-6 * after) * note
        samples += begun * np.exp(-40 * after) * generator.standard_normal(len(time))
    return 0.07 / np.std(samples) * samples


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    """Two clips: clean, and `hiss` with noise of their own level."""
    folder = tmp_path / "scenarios"
    for name in ("clean", "hiss"):
        (folder / name).mkdir(parents=True)
    for number, clip in enumerate(("first", "second")):
        clean = tune(number)
        hiss = 0.07 * np.random.default_rng(number + 10).standard_normal(len(clean))
        soundfile.write(folder / "clean" / f"{clip}.wav", clean, RATE, subtype="FLOAT")
        soundfile.write(folder / "hiss" / f"{clip}.wav", clean + hiss, RATE, subtype="FLOAT")
    (folder / "clips.csv").write_text("clip,seconds,cutoff_hz\nfirst,2.5,24000\nsecond,2.5,15000\n")
    return folder
