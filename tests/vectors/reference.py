"""The golden outputs, from the generator in float64 and without the SDK: a stream written down as plainly as it goes.

float64, so that what a runtime differs by is that runtime's own rounding.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from export.streaming_graph import StreamingGraph
from models.generators.band_split import BandSplitGenerator
from tests.support.vectors import Samples, StreamCase
from tests.vectors.fixture import CONFIG

ALL_OF_IT = (1.0, 1.0, 1.0)
"""The controls of a fresh stream."""

Numbers = NDArray[np.float64]


class ReferenceGraph:
    """The streaming graph in float64, hop by hop."""

    def __init__(self, generator: BandSplitGenerator, channels: int) -> None:
        self._graph = copy.deepcopy(StreamingGraph(generator, channels)).double().eval()

    @property
    def latency(self) -> int:
        """Of a stream: the graph's own, and the samples that wait until a hop is complete."""
        return self._graph.latency + CONFIG.hop - 1

    def zero_state(self) -> Numbers:
        return np.zeros((1, self._graph.state_size))

    def hop(self, audio: Numbers, controls: Numbers, state: Numbers) -> tuple[Numbers, Numbers]:
        """audio [channels, hop], controls [1, 3], state [1, size] to enhanced [channels, hop] and the next state."""
        with torch.no_grad():
            enhanced, next_state = self._graph(*(torch.from_numpy(array) for array in (audio, controls, state)))
        return enhanced.numpy(), next_state.numpy()

    def over(self, audio: Numbers, controls: Numbers) -> Numbers:
        """audio [hops * hop, channels] under controls [hops, 3], from the zero state: [hops * hop, channels]."""
        state, enhanced = self.zero_state(), np.empty_like(audio)
        for index, setting in enumerate(controls):
            at = slice(index * CONFIG.hop, (index + 1) * CONFIG.hop)
            output, state = self.hop(np.ascontiguousarray(audio[at].T), setting[np.newaxis], state)
            enhanced[at] = output.T
        return enhanced


def stream_output(graph: ReferenceGraph, case: StreamCase, sound: Samples) -> Samples:
    """What a stream gives for `case` on sound [samples, channels]: [samples, channels]."""
    controls: tuple[float, ...] = ALL_OF_IT
    outputs: list[Numbers] = []
    heard: list[Numbers] = []
    moves: list[tuple[int, tuple[float, ...]]] = []

    def end_of_life(flushed: bool) -> None:
        audio = np.concatenate([np.zeros((0, case.channels)), *heard])
        given = _one_life(graph, audio, [(0, ALL_OF_IT), *moves, (len(audio), controls)])
        outputs.append(given if flushed else given[: len(audio)])
        heard.clear()
        moves[:] = [(0, controls)]

    for step in case.steps:
        if step.do == "process":
            heard.append(sound[step.start : step.end].astype(np.float64))
        elif step.do == "controls":
            assert step.controls is not None
            controls = step.controls
            moves.append((sum(map(len, heard)), controls))
        else:
            end_of_life(flushed=step.do == "flush")
    assert not heard, f"{case.name}: what was heard last must be flushed"
    return np.concatenate(outputs).astype(np.float32)


def _one_life(graph: ReferenceGraph, audio: Numbers, moves: list[tuple[int, tuple[float, ...]]]) -> Numbers:
    """From a fresh start to the flush; `moves` hold from which sample on which controls are in force."""
    hop, length = CONFIG.hop, len(audio) + graph.latency
    hops = -(-length // hop)
    padded = np.pad(audio, ((0, hops * hop - len(audio)), (0, 0)))
    controls = np.empty((hops, len(ALL_OF_IT)))
    last_samples = (np.arange(hops) + 1) * hop - 1
    for (start, setting), (end, _) in pairwise([*moves, (hops * hop, ALL_OF_IT)]):
        controls[(start <= last_samples) & (last_samples < end)] = np.array(setting, dtype=np.float32)
    enhanced = graph.over(padded, controls)
    waiting = np.zeros((hop - 1, audio.shape[1]))
    return np.concatenate([waiting, enhanced])[:length]
