"""CoreML packages on the Neural Engine, by the one rule that is documented: it computes in float16 only.

coremltools' guide on typed execution: a float32 operator of an ML Program runs on the CPU or the GPU, a float16 one
may run on the Neural Engine. Which float16 operators it refuses Apple does not publish; only MLComputePlan on a Mac
tells. So this counts what may be taken at best.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from export.mil_program import MilProgram, TensorType, read_program
from export.placement.record import Placement, count_partitions, placed

NEURAL_ENGINE = "CoreML Neural Engine, at best"
SOURCE = "coremltools' guide, Typed Execution: float16 only"
DECOMPRESSION = "constexpr_"
"""Weights are unpacked when the package is loaded."""
HALF = "fp16"
SINGLE = "fp32"


class Value(NamedTuple):
    """An operator by the values that it takes and makes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def refusal(kind: str, values: tuple[str, ...], types: Mapping[str, TensorType]) -> str | None:
    """Why the Neural Engine leaves an operator of that kind on those values, or None."""
    touched = {types[value].dtype for value in values if value in types}
    return f"{kind} in float32" if SINGLE in touched else None


def place_program(program: MilProgram) -> Placement:
    """What of a program may be taken."""
    nodes, names, taken = [], [], []
    for operation in program.operations:
        if operation.kind.startswith(DECOMPRESSION):
            continue
        inputs = tuple(value for given in operation.inputs.values() for value in given)
        why = refusal(operation.kind, (*inputs, *operation.outputs), program.types)
        nodes.append(Value(operation.kind, inputs, operation.outputs))
        names.append(why or operation.kind)
        taken.append(why is None)
    return placed(NEURAL_ENGINE, names, taken, count_partitions(nodes, taken), SOURCE)


def place_on_coreml(path: Path) -> list[Placement]:
    """A package on the Neural Engine."""
    return [place_program(read_program(path))]
