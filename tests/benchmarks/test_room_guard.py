"""The room guard on a room that is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from benchmarks.room_guard import late_to_direct_db
from tests.benchmarks.conftest import tune

RATE = 48000
EDGE = 24000
LATE = 2400
DIRECT = 120


@pytest.fixture(scope="module")
def response() -> NDArray[np.float64]:
    """A direct sound and an exponential tail of 0.3 s."""
    tail = np.exp(-6.9 * np.arange(RATE // 3) / (0.3 * RATE)) * np.random.default_rng(0).standard_normal(RATE // 3)
    tail *= 0.06
    tail[0] = 1.0
    return np.asarray(tail)


@pytest.fixture(scope="module")
def parts(response: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """The clean clip, and its direct, early and late parts in the room."""
    clean = tune(0)
    ends = (0, DIRECT, LATE, len(response))
    made = []
    for begin, end in pairwise(ends):
        only = np.zeros_like(response)
        only[begin:end] = response[begin:end]
        made.append(fftconvolve(clean, only)[: len(clean)])
    return clean, *made


def true_ratio_db(direct: NDArray[np.float64], late: NDArray[np.float64]) -> float:
    inner = slice(EDGE, -EDGE)
    return 10 * float(np.log10(np.sum(late[inner] ** 2) / np.sum(direct[inner] ** 2)))


def test_the_inputs_own_ratio_is_found_without_the_response(parts: tuple[NDArray[np.float64], ...]) -> None:
    clean, direct, early, late = parts
    reverberant = direct + early + late
    assert late_to_direct_db(clean, reverberant, reverberant, EDGE) == pytest.approx(
        true_ratio_db(direct, late), abs=0.1
    )


def test_late_sound_at_half_the_level_is_six_decibels_less(parts: tuple[NDArray[np.float64], ...]) -> None:
    clean, direct, early, late = parts
    before = late_to_direct_db(clean, direct + early + late, direct + early + late, EDGE)
    after = late_to_direct_db(clean, direct + early + late, 0.3 * (direct + early + 0.5 * late), EDGE)
    assert before is not None
    assert after == pytest.approx(before - 6.02, abs=0.2)


def test_what_no_room_explains_has_no_ratio(parts: tuple[NDArray[np.float64], ...]) -> None:
    clean, direct, early, late = parts
    noise = np.random.default_rng(1).standard_normal(len(clean)) * np.std(clean)
    assert late_to_direct_db(clean, direct + early + late + noise, direct, EDGE) is None


def test_a_silent_output_has_no_ratio(parts: tuple[NDArray[np.float64], ...]) -> None:
    clean, direct, early, late = parts
    assert late_to_direct_db(clean, direct + early + late, np.zeros_like(clean), EDGE) is None
