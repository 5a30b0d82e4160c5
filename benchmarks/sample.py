"""Makes the embedded sample: python -m benchmarks.sample --sound-font FluidR3_GM.sf2

A score (benchmarks/score.py) is played by the command fluidsynth with a General MIDI sound font, dry: truth.flac.
take.flac is what a poor phone in a small room would have made of it: the room's reverberation, room noise, hum and
hiss at 12 dB A-weighted signal-to-noise ratio, and nothing above 11 kHz. Both are 48 kHz mono, 16 bits; the same on
every run.

On Debian: apt-get install fluidsynth fluid-soundfont-gm (the sound font: /usr/share/sounds/sf2/FluidR3_GM.sf2)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, firwin, sosfilt

from benchmarks.noise import add_noise, pink_noise, white_noise
from benchmarks.scenario_folder import RATE
from benchmarks.score import midi_file
from models.data.sound_font import played
from studiomic.errors import AudioReadError
from studiomic.extras import require

SAMPLES_FOLDER = Path(__file__).parents[1] / "sdk/studiomic/samples"
SEED = 2
LEVEL_DB = -23.0
"""RMS of the truth, dB full scale."""
HIGHEST_PEAK = 0.5
SECONDS = 11.5
"""Four bars of 2.5 s, and the last chord."""
FADE_SECONDS = 0.7

ROOM_METRES = (4.2, 3.4, 2.6)
SOURCE_METRES = (1.1, 1.3, 1.2)
MICROPHONE_METRES = (1.9, 1.9, 1.1)
"""A metre away."""
WALL_ABSORPTION = 0.22
"""Of the energy at each reflection: a furnished room, a reverberation time of 0.3 s."""
MOST_REFLECTIONS = 30
DIRECT_SECONDS = 0.0025
LEAST_DIRECT_DB = -3.0
"""Direct sound against all reflections: a phone within a few metres."""

NOISE_RATIO_DB = 12.0
HUM_HZ = 50.0
HUM_HARMONICS = (2, 3, 4, 5, 6, 7, 9, 11, 13)
VENTILATION_BAND_HZ = (150.0, 900.0)
VENTILATION_SWELL_HZ = 0.3
ROOM_NOISE_PARTS = {"ventilation": 1.0, "room": 0.6, "hiss": 0.35, "hum": 0.35}
"""RMS of each against the others, before A-weighting."""
LOWPASS_HZ = 11000.0
LOWPASS_TAPS = 1025
KAISER_BETA = 10.0


def render(sound_font: Path) -> NDArray[np.float64]:
    """The score as the sound font plays it, mono, without the synthesiser's own reverberation and chorus.

    Raises AudioReadError where fluidsynth cannot be run or finds no sound font.
    """
    try:
        samples = played(midi_file(), sound_font)
    except ValueError as error:
        raise AudioReadError(str(error)) from error
    mono = samples[: int(SECONDS * RATE)]
    fade = int(FADE_SECONDS * RATE)
    mono[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    mono *= 10 ** (LEVEL_DB / 20) / np.std(mono)
    return np.asarray(mono * min(1.0, HIGHEST_PEAK / np.max(np.abs(mono))))


def room_response() -> NDArray[np.float64]:
    """A small room's response by image sources, from the direct sound on, whose energy is 1."""
    acoustics = require("pyroomacoustics", "train", "simulating a room")
    room = acoustics.ShoeBox(
        ROOM_METRES,
        fs=RATE,
        materials=acoustics.Material(WALL_ABSORPTION),
        max_order=MOST_REFLECTIONS,
        air_absorption=True,
    )
    room.add_source(SOURCE_METRES)
    room.add_microphone(MICROPHONE_METRES)
    room.compute_rir()
    response = np.asarray(room.rir[0][0], dtype=np.float64)
    response = response[int(np.argmax(np.abs(response))) :]
    direct = int(DIRECT_SECONDS * RATE)
    response = np.sign(response[0]) * response / np.sqrt(np.sum(response[:direct] ** 2))
    reflected = np.sqrt(np.sum(response[direct:] ** 2))
    response[direct:] *= min(1.0, 10 ** (-LEAST_DIRECT_DB / 20) / reflected)
    return np.asarray(response)


def room_noise(generator: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Ventilation that swells slowly, the room's pink noise, the microphone's hiss, and mains hum's overtones."""
    time = np.arange(length) / RATE
    band = butter(2, VENTILATION_BAND_HZ, "bandpass", fs=RATE, output="sos")
    swell = 1 + 0.3 * np.sin(2 * np.pi * VENTILATION_SWELL_HZ * time)
    hum = sum(
        np.sin(2 * np.pi * HUM_HZ * harmonic * time + generator.uniform(0, 2 * np.pi)) / harmonic
        for harmonic in HUM_HARMONICS
    )
    parts = {
        "ventilation": sosfilt(band, white_noise(generator, length)) * swell,
        "room": pink_noise(generator, length),
        "hiss": white_noise(generator, length),
        "hum": np.asarray(hum),
    }
    return np.asarray(sum(ROOM_NOISE_PARTS[name] * part / np.std(part) for name, part in parts.items()))


def degrade(truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the phone recorded."""
    reverberant = fftconvolve(truth, room_response())[: len(truth)]
    noisy = add_noise(reverberant, room_noise(np.random.default_rng(SEED), len(truth)), NOISE_RATIO_DB)
    taps = firwin(LOWPASS_TAPS, LOWPASS_HZ, fs=RATE, window=("kaiser", KAISER_BETA))
    return np.asarray(fftconvolve(noisy, taps, "same"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both files; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sample", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sound-font", type=Path, required=True, metavar="SF2")
    parser.add_argument("--out", type=Path, default=SAMPLES_FOLDER, help="the folder (default: the package's)")
    options = parser.parse_args(arguments)
    try:
        truth = render(options.sound_font)
    except AudioReadError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    options.out.mkdir(parents=True, exist_ok=True)
    for name, samples in (("truth", truth), ("take", degrade(truth))):
        path = options.out / f"{name}.flac"
        soundfile.write(path, samples, RATE, subtype="PCM_16")
        print(f"{path}: {len(samples) / RATE:.1f} s, peak {np.max(np.abs(samples)):.2f}, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
