"""Recordings run through a model bundle, or through whatever else enhances."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import studiomic
from benchmarks.scenario_folder import RATE, Recording, read_audio
from benchmarks.workers import spread
from studiomic import Controls

Samples = NDArray[np.float32]
Enhance = Callable[[Samples], Samples]
"""48 kHz mono [samples] in, as many out. It goes to other processes, so it is a function of a module, or `partial`."""


def enhance_all(recordings: Sequence[Recording], folder: Path, enhance: Enhance, jobs: int) -> dict[Recording, Path]:
    """Each recording enhanced into `folder`/SCENARIO/CLIP.wav, in `jobs` processes."""
    return dict(spread(partial(_enhance_one, folder=folder, enhance=enhance), recordings, jobs, "enhancing"))


def by_bundle(samples: Samples, bundle: str | None, controls: Controls) -> Samples:
    """What a bundle, None for the embedded one, makes of [samples]."""
    return studiomic.enhance(samples, RATE, output_rate=RATE, controls=controls, bundle=bundle).samples


def bundle_in_words(bundle: str | None) -> dict[str, str]:
    """Its name and the hash of its manifest, which holds the hash of every file."""
    manifest = studiomic.load_bundle(bundle).manifest
    return {"name": manifest.name, "manifest_sha256": hashlib.sha256(manifest.to_json().encode()).hexdigest()}


def _enhance_one(recording: Recording, folder: Path, enhance: Enhance) -> Path:
    """One recording, 48 kHz mono in and out."""
    path = folder / recording.scenario / f"{recording.clip.name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, enhance(read_audio(recording.path).astype(np.float32)), RATE, subtype="FLOAT")
    return path
