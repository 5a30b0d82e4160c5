"""What an 8-bit scheme sees before it chooses its ranges: hops of degraded music as the stream meets them, with their
states.

The music is that which taught the generator, degraded as in training, where it is at hand; else it is synthesised. A
hop's state comes from running the float graph over all hops before it, so that ranges fit the minutes as well as the
start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.hop_runner import HopRunner, Samples
from export.material import synthesised_music
from models.data.dataset import DegradedMusic
from models.data.material import Material
from models.data.odds import teaching_odds
from models.data.recipes import DEFAULT_RECIPE, Recipe
from models.data.recordings import (
    INTEGER_SCALE,
    NYQUIST,
    SAMPLE_RATE,
    Recording,
    as_float,
    decode,
    find_recordings,
    known_below_hz,
)

CLIP_SECONDS = 6.0
CLIPS = 16
MUSIC_RECORDINGS = 16
NOISE_RECORDINGS = 8
ROOM_RECORDINGS = 4
HOPS_BETWEEN = 7
"""Neighbouring hops are alike; a prime steps through all phases of the beat."""
SYNTHESISED_SECONDS = 30.0
RECIPE_WITHOUT_RECORDINGS = "clean @0.08, noise synthetic -2..24 @0.72, lowpass 3000..16000 @0.4, bits 16 @0.5"
"""Training's, without what needs noises and rooms."""


@dataclass(frozen=True)
class Clip:
    """A degraded clip [channels, samples] and the controls [1, 3] that it is enhanced under."""

    audio: Samples
    controls: Samples


@dataclass(frozen=True)
class HopInputs:
    """What one call of the graph takes: audio [channels, hop], controls [1, 3], state [1, size]."""

    audio: Samples
    controls: Samples
    state: Samples


def calibration_clips(
    recordings: Path | None, channels: int, count: int = CLIPS, seconds: float = CLIP_SECONDS, seed: int = 0
) -> list[Clip]:
    """`count` clips, each channel degraded by itself, controls drawn as in training.

    `recordings`: a folder in the layout that training takes (its "train" part is used), else music is synthesised.
    Raises ValueError where the folder holds no music.
    """
    random = np.random.default_rng(seed)
    material = _synthesised(seed) if recordings is None else _recorded(recordings, random)
    recipe = Recipe.parse(RECIPE_WITHOUT_RECORDINGS if recordings is None else DEFAULT_RECIPE)
    examples = DegradedMusic(material, seconds, recipe, seed)
    clips = []
    for _ in range(count):
        parts = [examples.example(random) for _ in range(channels)]
        degraded = [clean - missing + noise + reverberation for clean, noise, reverberation, missing, *_ in parts]
        controls = parts[0][4].reshape(1, -1)
        clips.append(Clip(np.stack(degraded).astype(np.float32), controls))
    return clips


def calibration_hops(runner: HopRunner, clips: list[Clip], hop: int, every: int = HOPS_BETWEEN) -> list[HopInputs]:
    """Run `clips` through the float graph, each from the zero state, and keep one hop in `every`."""
    kept = []
    for clip in clips:
        state = np.zeros((1, runner.state_size), dtype=np.float32)
        for index in range(clip.audio.shape[1] // hop):
            inputs = HopInputs(
                np.ascontiguousarray(clip.audio[:, index * hop : (index + 1) * hop]), clip.controls, state
            )
            if index % every == 0:
                kept.append(inputs)
            _, state = runner.hop(inputs.audio, inputs.controls, state)
    return kept


def _synthesised(seed: int) -> Material:
    music = synthesised_music(SYNTHESISED_SECONDS, SAMPLE_RATE, 1, seed)[0]
    return Material(clean=[np.round(music * INTEGER_SCALE).astype(np.int16)], clean_cutoff_hz=[NYQUIST])


def _recorded(folder: Path, random: np.random.Generator) -> Material:
    """A few of the recordings of each kind: ranges need variety, not bulk."""
    found = find_recordings(folder, "train")

    def chosen(kinds: tuple[str, ...], count: int) -> list[Recording]:
        offered = [recording for recording in found if recording.kind in kinds]
        return [offered[index] for index in sorted(random.permutation(len(offered))[:count])]

    music, noises = chosen(("music", "voice"), MUSIC_RECORDINGS), chosen(("noise",), NOISE_RECORDINGS)
    clean = [decode(recording.path) for recording in music]
    return Material(
        clean=clean,
        clean_cutoff_hz=[known_below_hz(recording) for recording in music],
        clean_odds=teaching_odds(music, [len(samples) for samples in clean]).tolist(),
        noise=[decode(recording.path) for recording in noises],
        noise_names=[recording.name for recording in noises],
        rooms=[as_float(decode(recording.path)) for recording in chosen(("rir",), ROOM_RECORDINGS)],
    )
