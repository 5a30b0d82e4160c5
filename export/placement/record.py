"""What is told of one file on one back end, and how a graph falls apart where a back end does not take all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Placement:
    """operators: in the file as the back end sees it; taken: of these by the back end, in `partitions` pieces;
    left: what runs elsewhere, with how often; judged_by: what says so."""

    backend: str
    operators: int
    taken: int
    partitions: int
    left: dict[str, int]
    judged_by: str


@dataclass(frozen=True)
class NotJudged:
    """A back end of which nothing can be said here, and what would change that."""

    backend: str
    why: str


class Node(Protocol):
    """One operator of a graph by the names or numbers of its tensors."""

    @property
    def inputs(self) -> Sequence[object]: ...

    @property
    def outputs(self) -> Sequence[object]: ...


def count_partitions(nodes: Sequence[Node], taken: Sequence[bool]) -> int:
    """How many pieces a back end that takes some nodes gets, if each piece is as large as it can be.

    In turns all nodes that are ready and left run, then all that are ready and taken: as delegates are given their
    nodes. `nodes` in an order in which they can run.
    """
    made_by = {output: index for index, node in enumerate(nodes) for output in node.outputs}
    waiting = list(range(len(nodes)))
    done: set[int] = set()
    partitions, turn = 0, False
    while waiting:
        later = []
        for index in waiting:
            needed = {made_by[tensor] for tensor in nodes[index].inputs if tensor in made_by}
            if taken[index] == turn and needed <= done:
                done.add(index)
            else:
                later.append(index)
        partitions += turn and len(later) < len(waiting)
        waiting, turn = later, not turn
    return partitions


def placed(backend: str, names: Sequence[str], taken: Sequence[bool], partitions: int, judged_by: str) -> Placement:
    """The record of operators called `names`."""
    left = Counter(name for name, here in zip(names, taken, strict=True) if not here)
    return Placement(backend, len(names), sum(taken), partitions, dict(left.most_common()), judged_by)
