"""The proof that an fp32 file is the generator: what it gives and what it feeds back, hop by hop in its runtime."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch

from export.graph_runner import GraphRunner
from export.hop_graph import HopGraph
from export.hop_runner import HopRunner, Samples, run_clip
from studiomic.manifest import ParityRecord

TOLERANCE = 1e-4
MOVING_PERIOD_HOPS = 37
MOVING_RATES = (1.0, 1.7, 2.3)


class ParityError(Exception):
    """An exported file that differs from what it was made from by more than the tolerance."""


def moving_controls(hops: int) -> Samples:
    """Controls [hops, 3] that each swing between 0 and 1 at a pace of their own."""
    phase = 2 * np.pi * np.outer(np.arange(hops), MOVING_RATES) / MOVING_PERIOD_HOPS
    moving: Samples = (0.5 + 0.5 * np.sin(phase)).astype(np.float32)
    return moving


def control_tracks(hops: int) -> dict[str, Samples]:
    """Controls [hops, 3] of the 8 corners, the centre, and moving."""
    tracks = {
        f"controls {', '.join(f'{c:g}' for c in corner)}": np.tile(np.array(corner, dtype=np.float32), (hops, 1))
        for corner in (*product((0.0, 1.0), repeat=3), (0.5, 0.5, 0.5))
    }
    tracks["moving controls"] = moving_controls(hops)
    return tracks


def prove_fp32(
    graph: HopGraph, runner: HopRunner, music: Samples, what: str, remembered: dict[str, Samples] | None = None
) -> ParityRecord:
    """Compare a file with PyTorch on `music` [channels, samples]: its output with the generator over the whole clip,
    under every control track, and its states with the streaming graph, hop by hop, under moving controls.

    `remembered`: the generator's outputs by track, of the same music; filled here, so that the next file need not wait
    for them. Returns the worst errors. Raises ParityError, naming the setting and the errors, where one exceeds the
    tolerance; a silent or non-finite output cannot pass.
    """
    outputs = {} if remembered is None else remembered
    generator, hop = graph.generator, graph.hop
    hops = music.shape[1] // hop
    music = music[:, : hops * hop]
    worst_relative = worst_largest = 0.0
    for name, controls in control_tracks(hops).items():
        if name not in outputs:
            with torch.no_grad():
                outputs[name] = generator(torch.from_numpy(music)[None], torch.from_numpy(controls)[None])[0].numpy()
        enhanced, _ = run_clip(runner, music, controls, hop)
        ours, wanted = enhanced[:, graph.latency :], outputs[name][:, : hops * hop - graph.latency]
        relative = relative_error(float(np.sum((ours - wanted) ** 2)), float(np.sum(wanted**2)))
        largest = float(np.max(np.abs(ours - wanted)))
        if not (relative < TOLERANCE and largest < TOLERANCE):  # also true of NaN
            raise ParityError(
                f"{what} differs from the generator at {name}: relative error {relative:.2e}, largest error "
                f"{largest:.2e}; wanted both below {TOLERANCE:g}. Nothing was written."
            )
        worst_relative, worst_largest = max(worst_relative, relative), max(worst_largest, largest)
    state_error = _worst_state_error(graph, runner, music, what)
    return ParityRecord(
        seconds=hops * hop / graph.sample_rate,
        relative_error=worst_relative,
        largest_error=worst_largest,
        state_error=state_error,
        runtime=runner.runtime,
        loss=None,
    )


def _worst_state_error(graph: HopGraph, runner: HopRunner, music: Samples, what: str) -> float:
    """The relative error of the worst part of the state over all hops, each side fed back its own state."""
    hop = graph.hop
    hops = music.shape[1] // hop
    controls = moving_controls(hops)
    errors = StateErrors(graph)
    state = reference = np.zeros((1, graph.state_size), dtype=np.float32)
    generator = GraphRunner(graph)
    for index in range(hops):
        audio, setting = music[:, index * hop : (index + 1) * hop], controls[index : index + 1]
        _, state = runner.hop(audio, setting, state)
        _, reference = generator.hop(audio, setting, reference)
        errors.add(state, reference)
    worst = errors.worst
    if not worst < TOLERANCE:
        raise ParityError(
            f"{what} feeds back another state than the generator: relative error {worst:.2e} in part "
            f"{errors.worst_part} of {len(graph.shapes)}; wanted below {TOLERANCE:g}. Nothing was written."
        )
    return worst


class StateErrors:
    """Errors of packed states [1, size], summed over hops for each part by itself: large numbers in one part (log
    magnitudes) must not hide errors in another.
    """

    def __init__(self, graph: HopGraph) -> None:
        sizes = [math.prod(shape) for shape in graph.shapes]
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._squared_errors = np.zeros(len(sizes))
        self._energies = np.zeros(len(sizes))

    def add(self, ours: Samples, theirs: Samples) -> None:
        """Take one more hop's state of each side."""
        error = (ours - theirs).astype(np.float64)[0] ** 2
        self._squared_errors += np.add.reduceat(error, self._starts)
        self._energies += np.add.reduceat(theirs.astype(np.float64)[0] ** 2, self._starts)

    @property
    def relative(self) -> list[float]:
        """The relative error of each part."""
        pairs = zip(self._squared_errors, self._energies, strict=True)
        return [relative_error(float(error), float(energy)) for error, energy in pairs]

    @property
    def worst_part(self) -> int:
        """The index of the part with the largest relative error, NaN above all."""
        return int(np.argmax(self.relative))

    @property
    def worst(self) -> float:
        return self.relative[self.worst_part]


def relative_error(squared_error: float, energy: float) -> float:
    """||ours - theirs|| / ||theirs||; of two silences 0, of anything beside silence infinite."""
    if squared_error == 0.0 and energy == 0.0:
        return 0.0
    return math.sqrt(squared_error / energy) if energy > 0.0 or math.isnan(energy) else math.inf
