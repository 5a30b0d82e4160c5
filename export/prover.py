"""All proofs of the files of one graph: which proof a precision needs, on what, and for how long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from export.figure_loss import FigureMeter, Figures, ScenarioClip, read_scenarios, synthesised_scenarios
from export.hop_graph import HopGraph
from export.hop_runner import HopRunner, Samples
from export.material import phone_take, read_music, synthesised_music
from export.onnx_file import OnnxRunner
from export.proof import prove_fp32
from export.reduced_proof import LongRun, prove_reduced, require_int8, run_long
from studiomic.manifest import ParityRecord

REPEATS = 10
INTERPRETED_SHARE = 0.1
"""Of the music that a file meets which is interpreted, operator by operator, and is ten times as slow."""
SYNTHESISED_SECONDS = 8.0
"""Of each synthesised scenario; ViSQOL takes its time."""
LEAST_INTERPRETED_SECONDS = 1.5
"""Where more is asked for: ten times less would end before states have settled."""
TIMING_ROUNDS = 9
TIMING_HOPS = 30


@dataclass(frozen=True)
class ProofPlan:
    """How thoroughly files are proven.

    seconds: of music under every control setting; repeats: how often these are played to a reduced precision, without
    a reset; audio: the music, else it is synthesised; scenarios: a folder of them, else they are synthesised too; full:
    every clip of every scenario, and as much music for interpreted files as for others; visqol: whether it is measured
    beside SI-SDR (mono only: one figure of the same weights is enough).
    """

    seconds: float = 60.0
    repeats: int = REPEATS
    audio: Path | None = None
    scenarios: Path | None = None
    full: bool = False
    visqol: bool = True


@dataclass
class Prover:
    """Proves files of `graph`; remembers what PyTorch gave, and the fp32 file `reference`, which others are held to."""

    graph: HopGraph
    reference: HopRunner
    plan: ProofPlan
    _outputs: dict[bool, dict[str, Samples]] = field(default_factory=dict)
    _long_runs: dict[bool, LongRun] = field(default_factory=dict)
    _pieces: dict[bool, Samples] = field(default_factory=dict)

    def prove(self, runner: HopRunner, precision: str, interpreted: bool, what: str) -> ParityRecord:
        """The errors of a file. Raises ParityError, naming it as `what`, where they are too large."""
        if precision == "fp32":
            outputs = self._outputs.setdefault(interpreted, {})
            return prove_fp32(self.graph, runner, self._music(interpreted), what, outputs)
        minute = self._take(interpreted)
        if interpreted not in self._long_runs:
            self._long_runs[interpreted] = run_long(self.reference, minute, self.plan.repeats, self.graph.hop)
        theirs = self._long_runs[interpreted]
        record = prove_reduced(self.graph, self.reference, runner, precision, minute, theirs, what)
        if precision == "int8":
            figures = self._meter.measure(runner)
            record = require_int8(record, self._meter.worst_loss(self._reference_figures, figures), what)
        return record

    def _music(self, interpreted: bool) -> Samples:
        if interpreted not in self._pieces:
            self._pieces[interpreted] = self._make_music(interpreted)
        return self._pieces[interpreted]

    def _make_music(self, interpreted: bool) -> Samples:
        rate, channels = self.graph.sample_rate, self.graph.channels
        seconds = self.plan.seconds
        if interpreted and not self.plan.full:
            seconds = min(seconds, max(INTERPRETED_SHARE * seconds, LEAST_INTERPRETED_SECONDS))
        seconds = max(seconds, 2 * self.graph.hop / rate)  # the first hop of output is the delay's
        if self.plan.audio is None:
            return synthesised_music(seconds, rate, channels)
        return read_music(self.plan.audio, seconds, rate, channels)

    def _take(self, interpreted: bool) -> Samples:
        """What is repeated for minutes: recorded music as it is, synthesised music as a phone records it."""
        music = self._music(interpreted)
        return music if self.plan.audio is not None else phone_take(music, self.graph.sample_rate)

    @cached_property
    def _meter(self) -> FigureMeter:
        rate = self.graph.sample_rate
        clips: Sequence[ScenarioClip]
        if self.plan.scenarios is None:
            clips = synthesised_scenarios(min(self.plan.seconds, SYNTHESISED_SECONDS), rate)
        else:
            clips = read_scenarios(self.plan.scenarios, rate, self.plan.full)
        with_visqol = self.plan.visqol and self.graph.channels == 1
        return FigureMeter(clips, self.graph.channels, self.graph.hop, self.graph.latency, rate, with_visqol)

    @cached_property
    def _reference_figures(self) -> list[Figures]:
        return self._meter.measure(self.reference)


@dataclass(frozen=True)
class HopTime:
    """Median milliseconds that a hop takes a file, and the fp32 ONNX file beside it in the same rounds."""

    milliseconds: float
    reference_milliseconds: float


def time_hops(runner: HopRunner, reference: OnnxRunner, graph: HopGraph) -> HopTime:
    """Take turns, so that what else the machine does meets both."""
    random = np.random.default_rng(0)
    audio = (0.1 * random.standard_normal((graph.channels, graph.hop))).astype(np.float32)
    controls = np.ones((1, 3), dtype=np.float32)
    state = np.zeros((1, graph.state_size), dtype=np.float32)
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMING_ROUNDS):
        for side, times in zip((runner, reference), spent, strict=True):
            for _ in range(TIMING_HOPS):
                start = time.perf_counter()
                _, next_state = side.hop(audio, controls, state)
                times.append(time.perf_counter() - start)
        state = next_state
    return HopTime(*(1000 * float(np.median(times)) for times in spent))
