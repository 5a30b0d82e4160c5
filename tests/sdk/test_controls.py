"""The controls as values; what they refuse is among the bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from studiomic import Controls


def test_by_default_everything_is_done() -> None:
    assert Controls() == Controls(denoise=1.0, dereverb=1.0, extend=1.0)


def test_they_go_to_the_graph_in_the_contracts_order() -> None:
    array = Controls(denoise=0.25, dereverb=0.5, extend=0.75).as_array()
    assert array.dtype == np.float32
    assert array.tolist() == [[0.25, 0.5, 0.75]]


def test_numbers_of_any_kind_become_floats() -> None:
    controls = Controls(denoise=np.float32(0.5), dereverb=1, extend=np.int64(0))  # type: ignore[arg-type] # on purpose
    assert repr(controls) == "Controls(denoise=0.5, dereverb=1.0, extend=0.0)"


def test_they_cannot_be_changed_behind_a_streams_back() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Controls().denoise = 0.5  # type: ignore[misc] # on purpose
