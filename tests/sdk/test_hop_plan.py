"""The plan of hops: when each runs, and that the delay is the smallest that suffices."""

from __future__ import annotations

import itertools

import pytest

from studiomic.hop_plan import HopPlan
from tests.support.graphs import GRAPH_LATENCY, GRAPH_RATE, HOP

LATENCIES = {
    8000: 435,
    11025: 564,
    16000: 776,
    22050: 1034,
    32000: 1460,
    44100: 1976,
    48000: 2047,
    88200: 3935,
    96000: 4283,
    192000: 8565,
}


def plan_at(rate: int, hop: int = HOP, latency: int = GRAPH_LATENCY) -> HopPlan:
    return HopPlan(rate, GRAPH_RATE, hop, latency)


@pytest.mark.parametrize(("rate", "latency"), LATENCIES.items())
def test_latency_is_pinned(rate: int, latency: int) -> None:
    assert plan_at(rate).latency == latency


def test_at_the_graphs_rate_a_job_runs_with_every_hop() -> None:
    plan = plan_at(GRAPH_RATE)
    assert [plan.inputs_for(job) for job in range(3)] == [HOP, 2 * HOP, 3 * HOP]
    assert plan.latency == GRAPH_LATENCY + HOP - 1


@pytest.mark.parametrize("hop", [256, HOP])
@pytest.mark.parametrize("latency", [0, 768, GRAPH_LATENCY, 3000])
@pytest.mark.parametrize("rate", [*LATENCIES, 8001, 12345, 44101, 191999])
def test_latency_suffices_at_every_input_count_and_one_less_does_not(rate: int, hop: int, latency: int) -> None:
    plan = plan_at(rate, hop, latency)
    owed, job = 0, -1
    # Far enough that every phase between the hop and the rates comes by.
    last = plan.inputs_for(2 * GRAPH_RATE // 128 + 20 if rate % 100 else 400)
    done = 0
    while done < last:
        # The most that is owed between two jobs is owed just before the second.
        done = plan.inputs_for(job + 1)
        enhanced = max(0, plan.outputs_after(job)) if job >= 0 else 0
        owed = max(owed, done - 1 - enhanced)
        job += 1
    assert owed == plan.latency


@pytest.mark.parametrize("rate", [8000, 44100, 44101, 192000])
def test_jobs_take_at_least_one_sample_each_and_never_run_backwards(rate: int) -> None:
    plan = plan_at(rate)
    counts = [plan.inputs_for(job) for job in range(500)]
    assert all(later > earlier for earlier, later in itertools.pairwise(counts))
