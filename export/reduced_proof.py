"""The proof that a reduced precision is still the generator: beside the proven fp32 graph, for minutes and at extremes.

The minutes are the same one again and again, so that the last can be compared with the first: an error that is fed
back grows. The extremes are a full-scale sine, silence, silence after sound, and denormal numbers. fp16 must stay 50 dB
below the music; of int8 the figures decide.

Where x86 runs float16 through casts to float32, the rounding of what is stored and passed on is proven here; the
arithmetic itself is proven on an Arm processor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.hop_graph import HopGraph
from export.hop_runner import HopRunner, Samples, run_clip
from export.proof import ParityError, StateErrors, relative_error
from models.generators.band_split import LONGEST_MEMORY_SECONDS
from models.generators.falls import MEAN_SECONDS
from studiomic.manifest import LossRecord, ParityRecord

LEAST_SNR_DB = {"fp16": 50.0, "int8": 30.0}
"""To fp32, by precision; int8 is then judged by the figures."""
LARGEST_DRIFT_DB = 1.0
"""By which the last minute may be worse than the first that has settled."""
SETTLING_SECONDS = 5 * max(LONGEST_MEMORY_SECONDS, MEAN_SECONDS)
"""Five times the longest memory: until then what is asked of a file still changes, as a gate that hears a room opens
little by little, and an error that stays the same is larger beside what is left."""
FEWEST_MINUTES = 3
INT8_SI_SDR_LOSS_DB = 0.3
INT8_VISQOL_LOSS = 0.05
SINE_HERTZ = 997.0
SINE_SECONDS = 4.0
QUIET_SECONDS = 2.0
DENORMAL_LEVEL = 1e-40
FADE_HOPS = 2
"""After which a sound has left the graph: the delay, and the cut at its end."""
INAUDIBLE = 1e-9
"""180 dB below full scale."""


@dataclass(frozen=True)
class LongRun:
    """What a runner gave for the same minute, `minutes` times: enhanced [minutes, channels, samples a minute], and the
    states at the end of each minute [minutes, size].
    """

    enhanced: Samples
    states: Samples


def run_long(runner: HopRunner, minute: Samples, minutes: int, hop: int) -> LongRun:
    """Run over `minute` [channels, samples], cut to whole hops, `minutes` times without a reset, at full controls.

    Raises ValueError for fewer minutes than show a drift.
    """
    if minutes < FEWEST_MINUTES:
        raise ValueError(f"minutes: got {minutes}, wanted at least {FEWEST_MINUTES}, so that a drift can show")
    hops = minute.shape[1] // hop
    controls = np.ones((1, 3), dtype=np.float32)
    state = np.zeros((1, runner.state_size), dtype=np.float32)
    enhanced = np.empty((minutes, minute.shape[0], hops * hop), dtype=np.float32)
    states = np.empty((minutes, runner.state_size), dtype=np.float32)
    for repeat in range(minutes):
        for index in range(hops):
            span = slice(index * hop, (index + 1) * hop)
            enhanced[repeat, :, span], state = runner.hop(np.ascontiguousarray(minute[:, span]), controls, state)
        states[repeat] = state[0]
    return LongRun(enhanced, states)


def signal_to_noise_db(ours: Samples, theirs: Samples) -> float:
    """20 log10 ||theirs|| / ||ours - theirs||; infinite where they are equal."""
    noise = float(np.sum((ours.astype(np.float64) - theirs) ** 2))
    signal = float(np.sum(theirs.astype(np.float64) ** 2))
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if 0.0 < signal / noise < math.inf else -math.inf


def settled_round(rounds: int, seconds: float) -> int:
    """The first of so many rounds of `seconds` each that begins when everything has settled; at the latest the last
    but one."""
    return min(math.ceil(SETTLING_SECONDS / seconds), rounds - 2)


def prove_reduced(
    graph: HopGraph,
    reference: HopRunner,
    runner: HopRunner,
    precision: str,
    minute: Samples,
    theirs: LongRun,
    what: str,
) -> ParityRecord:
    """Compare a file in "fp16" or "int8" with the proven fp32 graph over minutes and at the extremes.

    `theirs`: what `run_long(reference, minute, ...)` gave. Raises ParityError where an error is too large, or grows, or
    an extreme input is answered wrongly.
    """
    least_snr_db = LEAST_SNR_DB[precision]
    ours = run_long(runner, minute, len(theirs.enhanced), graph.hop)
    snr_db = [signal_to_noise_db(*pair) for pair in zip(ours.enhanced, theirs.enhanced, strict=True)]
    if not np.all(np.isfinite(ours.enhanced)) or not np.all(np.isfinite(ours.states)):
        raise ParityError(f"{what} gives numbers that are not finite within {len(snr_db)} rounds. Nothing was written.")
    rate = graph.sample_rate
    seconds = theirs.enhanced.shape[2] / rate
    settled, rounds = settled_round(len(snr_db), seconds), f"{len(snr_db)} rounds of {seconds:.1f} s"
    if snr_db[-1] < snr_db[settled] - LARGEST_DRIFT_DB:
        raise ParityError(
            f"{what} drifts: SNR to fp32 {snr_db[settled]:.1f} dB once settled and {snr_db[-1]:.1f} dB in the last of "
            f"{rounds}, wanted at most {LARGEST_DRIFT_DB:g} dB less. Nothing was written."
        )
    if not min(snr_db) > least_snr_db:
        raise ParityError(
            f"{what} has an SNR to fp32 of {min(snr_db):.1f} dB in the worst of {rounds}, wanted more "
            f"than {least_snr_db:g} dB. Nothing was written."
        )
    _prove_extremes(graph, reference, runner, least_snr_db, what)
    errors = StateErrors(graph)
    for our_state, their_state in zip(ours.states, theirs.states, strict=True):
        errors.add(our_state[None], their_state[None])
    squared_error = energy = largest = 0.0
    for our_minute, their_minute in zip(ours.enhanced, theirs.enhanced, strict=True):
        difference = our_minute - their_minute
        squared_error += float(np.sum(difference**2))
        energy += float(np.sum(their_minute**2))
        largest = max(largest, float(np.max(np.abs(difference))))
    return ParityRecord(
        seconds=len(snr_db) * seconds,
        relative_error=relative_error(squared_error, energy),
        largest_error=largest,
        state_error=errors.worst,
        runtime=runner.runtime,
        loss=None,
    )


def require_int8(record: ParityRecord, loss: LossRecord, what: str) -> ParityRecord:
    """The record of `prove_reduced` with the `loss` of an 8-bit file. Raises ParityError where it loses too much."""
    visqol = 0.0 if loss.visqol is None else loss.visqol
    if not (loss.si_sdr_db <= INT8_SI_SDR_LOSS_DB and visqol <= INT8_VISQOL_LOSS):
        raise ParityError(
            f"{what} loses {loss.si_sdr_db:.2f} dB SI-SDR and {visqol:.3f} ViSQOL in the worst scenario, wanted at "
            f"most {INT8_SI_SDR_LOSS_DB:g} dB and {INT8_VISQOL_LOSS:g}. Nothing was written."
        )
    return replace(record, loss=loss)


def _prove_extremes(graph: HopGraph, reference: HopRunner, runner: HopRunner, least_snr_db: float, what: str) -> None:
    """Full-scale sine, silence, silence after sound, denormals. Raises ParityError."""
    rate, hop, channels = graph.sample_rate, graph.hop, graph.channels

    def both(samples: NDArray[np.float64]) -> tuple[Samples, Samples]:
        hops = samples.shape[0] // hop
        audio = np.tile(samples[: hops * hop].astype(np.float32), (channels, 1))
        controls = np.ones((hops, 3), dtype=np.float32)
        ours, state = run_clip(runner, audio, controls, hop)
        if not (np.all(np.isfinite(ours)) and np.all(np.isfinite(state))):
            raise ParityError(f"{what} gives numbers that are not finite at an extreme input. Nothing was written.")
        return ours, run_clip(reference, audio, controls, hop)[0]

    sine = np.sin(2 * np.pi * SINE_HERTZ / rate * np.arange(round(SINE_SECONDS * rate)))
    snr_db = signal_to_noise_db(*both(sine))
    if not snr_db > least_snr_db:
        raise ParityError(
            f"{what} has an SNR to fp32 of {snr_db:.1f} dB on a full-scale sine, wanted more than {least_snr_db:g} dB. "
            "Nothing was written."
        )
    quiet = np.zeros(round(QUIET_SECONDS * rate))
    for name, samples in {"silence": quiet, "silence after a sine": np.concatenate([sine, quiet])}.items():
        ours, _ = both(samples)
        loudest = float(np.max(np.abs(ours[:, -hop * (len(quiet) // hop - FADE_HOPS) :])))
        if loudest > INAUDIBLE:
            raise ParityError(
                f"{what} answers {name} with a sample of {loudest:.1e}, wanted silence. Nothing was written."
            )
    denormal = DENORMAL_LEVEL * np.random.default_rng(0).standard_normal(len(quiet))
    ours, theirs = both(denormal)
    largest = float(np.max(np.abs(ours - theirs)))
    if largest > INAUDIBLE:
        raise ParityError(
            f"{what} differs from fp32 by {largest:.1e} on denormal numbers, wanted at most {INAUDIBLE:g}. Nothing was "
            "written."
        )
