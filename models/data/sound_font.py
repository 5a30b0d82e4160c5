"""A MIDI file as a sound font plays it, by the command fluidsynth, dry: without its own reverberation and chorus."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data.recordings import SAMPLE_RATE

SYNTHESISER_GAIN = 0.4
"""Low enough that loud chords stay below full scale."""


def played(midi: bytes, sound_font: Path) -> NDArray[np.float64]:
    """A Standard MIDI File as music, mono at 48 kHz, [samples].

    Raises ValueError where the sound font or fluidsynth is missing, or cannot play.
    """
    if not sound_font.is_file():
        raise ValueError(f"{sound_font} is missing, but a sound font (.sf2) was wanted")
    with tempfile.TemporaryDirectory() as folder:
        score, audio = Path(folder, "score.mid"), Path(folder, "played.wav")
        score.write_bytes(midi)
        command = ["fluidsynth", "-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(SYNTHESISER_GAIN)]
        command += ["-r", str(SAMPLE_RATE), "-T", "wav", "-O", "float", "-F", str(audio), str(sound_font), str(score)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise ValueError("the command fluidsynth is missing: install the package fluidsynth") from error
        except subprocess.CalledProcessError as error:
            raise ValueError(f"fluidsynth failed with {error.returncode}: {error.stderr.strip()}") from error
        samples, _ = soundfile.read(audio, dtype="float64", always_2d=True)
    return np.asarray(samples.mean(axis=1))
