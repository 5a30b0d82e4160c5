"""Whether a loaded graph is the one that the manifest speaks of: the same for every runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from studiomic.errors import ContractError
from studiomic.manifest import METADATA_KEY, TensorSpec
from studiomic.runtimes.base import GraphSource

TensorKinds = Mapping[str, tuple[str, Sequence[int]]]
"""Element type, in the runtime's own words, and shape of tensors by the file's names."""


def check_tensors(source: GraphSource, inputs: TensorKinds, outputs: TensorKinds, float32: str) -> None:
    """Raise ContractError unless the graph has exactly the manifest's tensors; `float32` is the runtime's word for
    it."""
    graph = source.graph
    for role, got, tensors in (("inputs", inputs, graph.inputs), ("outputs", outputs, graph.outputs)):
        wanted = _wanted(source, tensors, float32)
        if got != wanted:
            raise ContractError(
                f"{source.path}: {role}: got {got}, wanted {wanted}; the file and the manifest are not of one export: "
                "install the bundle again"
            )


def check_embedded_contract(source: GraphSource, embedded: str | None) -> None:
    """Raise ContractError unless `embedded`, what the file's own metadata holds, is the manifest's contract."""
    if embedded != source.embedded_contract:
        raise ContractError(
            f"{source.path}: metadata '{METADATA_KEY}': {_difference(embedded, source.embedded_contract)}; the file "
            "and the manifest are not of one export: install the bundle again"
        )


def first_line(error: Exception) -> str:
    """What a runtime's error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _wanted(source: GraphSource, tensors: tuple[TensorSpec, ...], float32: str) -> dict[str, tuple[str, list[int]]]:
    return {source.file.names[tensor.name]: (float32, list(tensor.shape)) for tensor in tensors}


def _difference(got: str | None, wanted: str) -> str:
    """The first fact in which two embedded contracts differ, as text."""
    if got is None:
        return "got nothing, wanted the bundle's contract"
    try:
        found = json.loads(got)
    except ValueError:
        return "got text that is not JSON, wanted the bundle's contract"
    for key, value in json.loads(wanted).items():
        if not isinstance(found, dict) or found.get(key) != value:
            held = found.get(key) if isinstance(found, dict) else found
            return f"{key}: got {held}, wanted {value}"
    return "got the bundle's facts in another order or with additions, wanted them exactly as the manifest gives them"
