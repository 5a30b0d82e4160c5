"""Recordings run through a model bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

import studiomic
from benchmarks.scenario_folder import RATE, Recording, read_audio
from benchmarks.workers import spread
from studiomic import Controls


def enhance_all(
    recordings: Sequence[Recording], folder: Path, bundle: str | None, controls: Controls, jobs: int
) -> dict[Recording, Path]:
    """Each recording enhanced into `folder`/SCENARIO/CLIP.wav, in `jobs` processes."""
    work = partial(_enhance_one, folder=folder, bundle=bundle, controls=controls)
    return dict(spread(work, recordings, jobs, "enhancing"))


def bundle_in_words(bundle: str | None) -> dict[str, str]:
    """Its name and the hash of its manifest, which holds the hash of every file."""
    manifest = studiomic.load_bundle(bundle).manifest
    return {"name": manifest.name, "manifest_sha256": hashlib.sha256(manifest.to_json().encode()).hexdigest()}


def _enhance_one(recording: Recording, folder: Path, bundle: str | None, controls: Controls) -> Path:
    """One recording, 48 kHz mono in and out."""
    path = folder / recording.scenario / f"{recording.clip.name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = read_audio(recording.path).astype(np.float32)
    enhanced = studiomic.enhance(samples, RATE, output_rate=RATE, controls=controls, bundle=bundle)
    soundfile.write(path, enhanced.samples, RATE, subtype="FLOAT")
    return path
