"""When each hop of the graph runs, and the delay that follows from it.

A stream at `rate` runs job k, one call of the graph, exactly when the number of its input samples reaches
`inputs_for(k)`, however the input is cut into blocks. So the resamplers and the graph always see the same calls, and
the output cannot depend on the block size. All of it is arithmetic in integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from studiomic.resampling import MEDIUM, ResamplingPlan


@dataclass(frozen=True)
class HopPlan:
    """The plan of a stream. Rates in Hz; hop and graph_latency in samples of graph_rate.

    At graph_rate itself the graph's own output is used. At other rates the input is resampled to graph_rate, and the
    difference that the graph makes, from its output sample graph_latency on, is resampled back.
    """

    rate: int
    graph_rate: int
    hop: int
    graph_latency: int

    @property
    def resamples(self) -> bool:
        """Whether the stream's rate differs from the graph's."""
        return self.rate != self.graph_rate

    @property
    def to_graph(self) -> ResamplingPlan:
        """The resampling of the input."""
        return ResamplingPlan(self.rate, self.graph_rate, MEDIUM)

    @property
    def from_graph(self) -> ResamplingPlan:
        """The resampling of the difference."""
        return ResamplingPlan(self.graph_rate, self.rate, MEDIUM)

    def inputs_for(self, job: int) -> int:
        """Input samples, counted from the start, at which job `job` (0, 1, ...) runs."""
        wanted = (job + 1) * self.hop
        return self.to_graph.needed(wanted) if self.resamples else wanted

    def outputs_after(self, job: int) -> int:
        """Enhanced samples, aligned with the input and counted from its start, that exist once job `job` has run.

        Negative while the graph's and the resamplers' delays are still filling.
        """
        given = (job + 1) * self.hop - self.graph_latency
        return self.from_graph.balance(given) if self.resamples else given

    @property
    def latency(self) -> int:
        """The smallest constant delay, in samples at `rate`, at which no block ever has to wait.

        Just before job k + 1 runs, inputs_for(k + 1) - 1 samples have come and as many must have gone, of which
        outputs_after(k) are enhanced and the rest is delay. The difference is periodic in k with a period of
        graph_rate / gcd(graph_rate, rate * hop), because both terms shift by whole numbers together.
        """
        period = self.graph_rate // math.gcd(self.graph_rate, self.rate * self.hop)
        return max(self.inputs_for(job + 1) - 1 - self.outputs_after(job) for job in range(period))
