"""Room responses: measured ones, and rooms simulated by image sources and rays with phone-like positions.

Image sources: Allen and Berkley 1979; the simulator, pyroomacoustics, joins them with rays as in Schroeder 2011,
"Physically based real-time auralization of interactive virtual environments". Simulation happens once, into a cached
file.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyroomacoustics
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from models.data.recordings import SAMPLE_RATE

Response = NDArray[np.float32]

DIRECT_SECONDS = 0.0025  # from the peak on: what belongs to the direct sound
LONGEST_SECONDS = 1.5
SMALLEST_ROOM_METRES = (2.2, 2.0, 2.2)
LARGEST_ROOM_METRES = (12.0, 9.0, 4.5)
REVERBERATION_SECONDS = (0.15, 1.2)  # drawn evenly in its logarithm
WALL_MARGIN_METRES = 0.3
SOURCE_DISTANCE_METRES = (0.3, 4.0)
OCTAVES_HZ = (125, 250, 500, 1000, 2000, 4000)
BAND_ABSORPTION = (0.6, 1.4)  # of an octave, against the room's mean
HIGHS_ABSORB_MORE = (0.75, 1.25)  # from the lowest octave to the highest
LEAST_ABSORPTION = 0.02
MOST_ABSORPTION = 0.98
SCATTERING = (0.1, 0.5)  # of walls with furniture before them; without any, flutter between bare ones lasts too long
IMAGE_ORDER = 10
RECEIVER_METRES = 0.3  # around the microphone, within which a ray is heard


def absorption_for(size: NDArray[np.float64], seconds: float) -> float:
    """The share of energy that the walls of a shoebox of `size` [3] in metres take for a reverberation time in seconds:
    1 - exp(-0.161 V / (S T)) (Eyring 1930, "Reverberation time in 'dead' rooms").
    """
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    return float(1.0 - np.exp(-0.161 * float(np.prod(size)) / (surface * seconds)))


def simulate_room(random: np.random.Generator) -> NDArray[np.float32]:
    """One response of a random room at 48 kHz, [samples]."""
    size = random.uniform(SMALLEST_ROOM_METRES, LARGEST_ROOM_METRES)
    return room_response(size, float(np.exp(random.uniform(*np.log(REVERBERATION_SECONDS)))), random)


def room_response(size: NDArray[np.float64], seconds: float, random: np.random.Generator) -> NDArray[np.float32]:
    """A response at 48 kHz, [samples], from a random place to another in a shoebox of `size` [3] in metres, that falls
    by 60 dB in about so many seconds: the first reflections by image sources, all later ones by rays, for image sources
    that come to an end leave out what is heard as reverberation.
    """
    octaves = len(OCTAVES_HZ)
    shares = random.uniform(*BAND_ABSORPTION, size=octaves) * np.linspace(*HIGHS_ABSORB_MORE, octaves)
    bands = absorption_for(size, seconds) * shares
    material = pyroomacoustics.Material(
        energy_absorption={
            "coeffs": np.clip(bands, LEAST_ABSORPTION, MOST_ABSORPTION).tolist(),
            "center_freqs": list(OCTAVES_HZ),
        },
        scattering=random.uniform(*SCATTERING),
    )
    room = pyroomacoustics.ShoeBox(
        size, fs=SAMPLE_RATE, materials=material, max_order=IMAGE_ORDER, air_absorption=True, ray_tracing=True
    )
    room.set_ray_tracing(receiver_radius=RECEIVER_METRES, time_thres=LONGEST_SECONDS)
    phone = random.uniform(WALL_MARGIN_METRES, size - WALL_MARGIN_METRES)
    direction = random.normal(size=3) * (1.0, 1.0, 0.4)
    distance = random.uniform(*SOURCE_DISTANCE_METRES)
    source = np.clip(
        phone + distance * direction / np.linalg.norm(direction), WALL_MARGIN_METRES, size - WALL_MARGIN_METRES
    )
    if np.linalg.norm(source - phone) < SOURCE_DISTANCE_METRES[0]:
        source = size - phone  # mirrored through the centre
    room.add_source(source)
    room.add_microphone(phone)
    pyroomacoustics.random.seed(int(random.integers(2**31)))  # rays have a generator of their own
    room.compute_rir()
    response = np.asarray(room.rir[0][0], dtype=np.float32)
    return response[: int(LONGEST_SECONDS * SAMPLE_RATE)]


def simulated_rooms(count: int, seed: int, cache: Path) -> list[NDArray[np.float32]]:
    """`count` simulated responses, made once and kept in `cache`."""
    file = cache / f"rooms-traced-{count}-{seed}.npz"  # other responses than those of image sources alone had
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        rooms = {f"room{i:05d}": simulate_room(random) for i in range(count)}
        partial = cache / f"{file.name}.{os.getpid()}.partial"
        with open(partial, "wb") as output:
            np.savez(output, allow_pickle=False, **rooms)
        partial.replace(file)
    with np.load(file) as rooms_file:
        return [rooms_file[name] for name in rooms_file.files]


def _direct_and_rest(response: Response) -> tuple[Response, Response]:
    """The response from its peak on, cut in two: the direct sound, of energy 1 and begun upwards, and the rest."""
    response = response[int(np.argmax(np.abs(response))) :].astype(np.float32)
    direct = int(DIRECT_SECONDS * SAMPLE_RATE)
    response = np.sign(response[0]) * response / float(np.sqrt(np.sum(response[:direct] ** 2)))
    return response[:direct], response[direct:]


def with_least_direct(response: Response, least_direct_db: float) -> Response:
    """A response whose direct sound has energy 1; the rest is attenuated where needed to a direct-to-reverberant ratio
    of `least_direct_db`."""
    direct, rest = _direct_and_rest(response)
    level = float(np.sqrt(np.sum(rest**2)))
    gain = min(1.0, 10 ** (-least_direct_db / 20) / level) if level > 0 else 1.0
    return np.concatenate([direct, np.float32(gain) * rest])


def with_share(response: Response, share: float) -> Response:
    """A response whose direct sound has energy 1; the rest makes up `share`, below 1, of the energy of all."""
    direct, rest = _direct_and_rest(response)
    level = float(np.sqrt(np.sum(rest**2)))
    gain = np.sqrt(share / (1.0 - share)) / level if level > 0 else 0.0
    return np.concatenate([direct, np.float32(gain) * rest])


def reverberate(dry: NDArray[np.float32], response: Response) -> NDArray[np.float32]:
    """`dry` in a room, [samples]. With a direct sound of energy 1 the music keeps its level, so that the right answer
    follows from the input."""
    wet: NDArray[np.float32] = oaconvolve(dry, response)[: len(dry)].astype(np.float32)
    return wet
