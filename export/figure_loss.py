"""What a reduced precision takes from the figures: SI-SDR and ViSQOL of its output beside those of the fp32 graph.

Clips come from a folder of scenarios: FOLDER/clips.csv (a column `clip`), FOLDER/clean/CLIP.wav the references,
FOLDER/SCENARIO/CLIP.wav the recordings, all in mono; else they are synthesised.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from export.hop_runner import HopRunner, Samples, run_clip
from export.material import phone_take, synthesised_music, with_noise, without_highs
from studiomic.extras import require
from studiomic.figures import si_sdr
from studiomic.manifest import LossRecord

REFERENCE_SCENARIO = "clean"
EDGE_SECONDS = 0.5
"""Left out at each end, as wherever figures are measured."""
SI_SDR_CEILING_DB = 50.0
"""Above it an error is no longer heard, and a loss says nothing."""
SYNTHESISED_SNR_DB = 10.0
SYNTHESISED_LOWPASS_HZ = 6000.0


@dataclass(frozen=True)
class ScenarioClip:
    """A recording [samples] of a scenario, and its reference [samples]."""

    scenario: str
    recorded: Samples
    reference: Samples


@dataclass(frozen=True)
class Figures:
    """Of one output. `visqol` is None where it was not measured."""

    si_sdr_db: float
    visqol: float | None


def read_scenarios(folder: Path, rate: int, every_clip: bool) -> list[ScenarioClip]:
    """All clips of all scenarios, or one a scenario, another each time. Raises ValueError where the folder is no folder
    of scenarios, or a file is not mono at `rate`.
    """
    table, references = folder / "clips.csv", folder / REFERENCE_SCENARIO
    if not table.is_file() or not references.is_dir():
        raise ValueError(f"{folder} is no folder of scenarios: wanted clips.csv and {REFERENCE_SCENARIO}/ in it")
    with table.open(newline="", encoding="utf-8") as lines:
        names = [row["clip"] for row in csv.DictReader(lines)]
    clips = []
    for index, scenario in enumerate(sorted(path.name for path in folder.iterdir() if path.is_dir())):
        for name in names if every_clip else [names[index % len(names)]]:
            recorded = _read_mono(folder / scenario / f"{name}.wav", rate)
            clips.append(ScenarioClip(scenario, recorded, _read_mono(references / f"{name}.wav", rate)))
    return clips


def _read_mono(path: Path, rate: int) -> Samples:
    samples, found = soundfile.read(path, dtype="float32", always_2d=True)
    if found != rate or samples.shape[1] != 1:
        raise ValueError(f"{path} has {found} Hz and {samples.shape[1]} channels, wanted {rate} Hz and 1")
    mono: Samples = samples[:, 0]
    return mono


def synthesised_scenarios(seconds: float, rate: int) -> list[ScenarioClip]:
    """Synthesised music as it is, in noise, without its highs, and both."""
    music = synthesised_music(seconds, rate, 1, seed=1)
    recordings = {
        REFERENCE_SCENARIO: music,
        "noise": with_noise(music, SYNTHESISED_SNR_DB),
        "lowpass": without_highs(music, SYNTHESISED_LOWPASS_HZ, rate),
        "take": phone_take(music, rate),
    }
    return [ScenarioClip(name, recorded[0], music[0]) for name, recorded in recordings.items()]


@dataclass(frozen=True)
class FigureMeter:
    """Measures figures of what a runner makes of clips, at full controls; `channels` of a stereo graph get the same."""

    clips: Sequence[ScenarioClip]
    channels: int
    hop: int
    latency: int
    rate: int
    with_visqol: bool

    def measure(self, runner: HopRunner) -> list[Figures]:
        """The figures of each clip."""
        return [self._figures(clip, self._enhanced(runner, clip.recorded)) for clip in self.clips]

    def worst_loss(self, reference: Sequence[Figures], reduced: Sequence[Figures]) -> LossRecord:
        """The largest loss of the mean figures of a scenario; figures as `measure` gives them."""
        scenarios = sorted({clip.scenario for clip in self.clips})
        chosen = [[i for i, clip in enumerate(self.clips) if clip.scenario == scenario] for scenario in scenarios]
        si_sdr_losses = [
            np.mean([reference[i].si_sdr_db - reduced[i].si_sdr_db for i in indices]) for indices in chosen
        ]
        visqol_losses = [
            np.mean([_visqol(reference[i]) - _visqol(reduced[i]) for i in indices])
            for indices in chosen
            if self.with_visqol
        ]
        return LossRecord(float(np.max(si_sdr_losses)), float(np.max(visqol_losses)) if self.with_visqol else None)

    def _enhanced(self, runner: HopRunner, recorded: Samples) -> Samples:
        length = len(recorded)
        hops = -(-(length + self.latency) // self.hop)
        padded = np.pad(recorded, (0, hops * self.hop - length))
        controls = np.ones((hops, 3), dtype=np.float32)
        enhanced, _ = run_clip(runner, np.tile(padded, (self.channels, 1)), controls, self.hop)
        return enhanced[0, self.latency : self.latency + length]

    def _figures(self, clip: ScenarioClip, enhanced: Samples) -> Figures:
        edge = round(EDGE_SECONDS * self.rate)
        judged, reference = (part[edge : len(part) - edge].astype(np.float64) for part in (enhanced, clip.reference))
        visqol = None
        if self.with_visqol:
            judge = require("visqol", "bench", "the figure ViSQOL").VisqolApi()
            judge.create(mode="audio")
            visqol = float(judge.measure_from_arrays(reference, judged, self.rate).moslqo)
        return Figures(min(si_sdr(judged, reference), SI_SDR_CEILING_DB), visqol)


def _visqol(figures: Figures) -> float:
    if figures.visqol is None:
        raise ValueError("ViSQOL: got figures without it, wanted it measured on both sides")
    return figures.visqol
