"""The streaming graph as a CoreML package (an ML Program), in float32, in float16, and with weights of 8 bits.

In float16 the head of the graph stays in float32: the analysis DFT, the log magnitudes and their running statistics.
A float16 DFT buries every bin 60 dB below the loudest in rounding noise, and a running minimum that rises by less than
half a float16 step a hop never rises. So do the recurrences, for the same reason: a memory of many hops takes in less
at each than float16's step, and drifts. And so does the tail: the inverse DFT, whose small factors would leave
float16's normal range, the overlap-add, the dry path and the packed state. The matrices and the masks are float16.

8 bits are the weights' alone: the program computes as in float16, and the DFT's matrices and the windows stay whole,
for they are no weights: their errors are tones. So does the gate of rooms, as it decides near a threshold.

Nothing of the day or the machine is in a package, so that one graph gives the same bytes whenever it is written.
"""

from __future__ import annotations

import json
import operator
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.fx import Node

from export.hop_graph import HopGraph
from export.hop_runner import INPUT_NAMES, OUTPUT_NAMES, check_precision
from export.mil_program import SPECIFICATION, WEIGHTS
from export.quiet import kept_quiet
from export.streaming_graph import RECURRENCE, STATISTICS

FORMAT = "coreml"
SUFFIX = ".mlpackage"

SMALLEST_COMPRESSED_WEIGHT = 512
"""Numbers in a weight below which 8 bits would save nothing worth an operator."""

_INVERSE_DFT_MODULE = "inverse_dft"
_UNCOMPRESSED = (
    "dft",
    "inverse_dft",
    "analysis_window",
    "synthesis_window",
    "generator_features",
    "generator_declipping",
    "generator_falls",
    "generator_room_gate",
)
# Operators that only move numbers
_MOVES = {
    "slice",
    "view",
    "_unsafe_view",
    "reshape",
    "cat",
    "unsqueeze",
    "squeeze",
    "transpose",
    "permute",
    "split",
    "getitem",
    "clone",
}
_CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"


def write_coreml(graph: HopGraph, path: Path, precision: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Write `graph` as the package `path` (ending in .mlpackage), whole or not at all; one that is there is replaced.

    `metadata` becomes the package's own user-defined metadata. Needs iOS 16 or macOS 13 to run.
    Inputs and outputs are float32. Returns the package's own name of each of the contract's tensors.
    Raises ValueError for an unknown precision or another suffix.
    """
    check_precision(precision)
    if path.suffix != SUFFIX:
        raise ValueError(f"path: got {path.name}, wanted a name that ends in {SUFFIX}")
    with kept_quiet():
        model = _convert(graph, precision)
        if precision == "int8":
            model = _with_weights_of_8_bits(model)
        specification = model.get_spec()
    user_defined = specification.description.metadata.userDefined
    user_defined.pop(_CONVERSION_DATE, None)
    user_defined.update(metadata)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as made:
        folder = Path(made) / path.name
        (folder / WEIGHTS).parent.mkdir(parents=True)
        shutil.copyfile(Path(model.weights_dir) / WEIGHTS.name, folder / WEIGHTS)
        (folder / SPECIFICATION).write_bytes(specification.SerializeToString(deterministic=True))
        (folder / "Manifest.json").write_text(_package_manifest(), encoding="utf-8")
        if path.exists():
            shutil.rmtree(path)
        folder.replace(path)
    return {name: name for name in (*INPUT_NAMES, *OUTPUT_NAMES)}


def _convert(graph: HopGraph, precision: str) -> Any:
    import coremltools

    examples = graph.example_inputs()
    with torch.no_grad():
        program = torch.export.export(graph.eval(), examples).run_decompositions({})
    compute = coremltools.precision.FLOAT32
    if precision != "fp32":
        selector = _Float16Selector(float32_nodes(program), {node.name for node in program.graph.nodes})
        compute = coremltools.transform.FP16ComputePrecision(op_selector=selector)
    return coremltools.convert(
        program,
        convert_to="mlprogram",
        compute_precision=compute,
        minimum_deployment_target=coremltools.target.iOS16,
        skip_model_load=True,
        inputs=[
            coremltools.TensorType(name=name, shape=example.shape, dtype=np.float32)
            for name, example in zip(INPUT_NAMES, examples, strict=True)
        ],
        outputs=[coremltools.TensorType(name=name, dtype=np.float32) for name in OUTPUT_NAMES],
    )


def float32_nodes(program: torch.export.ExportedProgram) -> set[str]:
    """Names of the exported program's nodes that stay in float32: the slices of the inputs, the features, the gate of
    rooms and all that they come from, the recurrences, the inverse DFT and all that comes from it."""
    nodes = list(program.graph.nodes)
    chosen = _with_ancestors(node for node in nodes if any(_in_module(node, name) for name in STATISTICS))
    chosen |= {node for node in nodes if _innermost_module(node).endswith(RECURRENCE)}
    tail: set[Node] = set()
    for node in nodes:
        if _in_module(node, _INVERSE_DFT_MODULE) or tail.intersection(node.all_input_nodes):
            tail.add(node)
        elif _kind(node) in _MOVES and chosen.issuperset(node.all_input_nodes):
            chosen.add(node)
    return {node.name for node in chosen | tail}


def _kind(node: Node) -> str:
    """The bare name of the operator that a node calls: "add" of aten.add.Tensor."""
    if node.op != "call_function":
        return node.op
    if node.target is operator.getitem:
        return "getitem"
    return str(node.target).split(".")[1]


def _in_module(node: Node, name: str) -> bool:
    """Whether the graph's module `name` made the node."""
    stack = node.meta.get("nn_module_stack") or {}
    return any(module == name for module, _ in stack.values())


def _innermost_module(node: Node) -> str:
    """The graph's module that made the node itself."""
    stack = node.meta.get("nn_module_stack") or {}
    return next((module for module, _ in reversed(list(stack.values()))), "")


def _with_ancestors(nodes: Iterable[Node]) -> set[Node]:
    """`nodes` and all before them."""
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


class _Float16Selector:
    """Tells the converter which operators to turn to float16: all but those named. An operator that the converter
    made itself goes the way of the operators that it reads."""

    def __init__(self, float32: set[str], known: set[str]) -> None:
        self._float32 = float32
        self._known = known
        self._kept: set[str] | None = None

    def __call__(self, operation: Any) -> bool:
        if self._kept is None:  # the first call sees the program as it was: later ones see it half converted
            self._kept = self._kept_in(operation.enclosing_block.operations)
        return operation.name not in self._kept

    def _kept_in(self, operations: Any) -> set[str]:
        kept: set[str] = set()
        for operation in operations:
            name = operation.name
            if operation.op_type == "const":
                continue
            if name in self._known:
                if name in self._float32:
                    kept.add(name)
                continue
            given = operation.inputs.get("x", operation.inputs.get("values"))
            sources = [value.op for value in (given if isinstance(given, (list, tuple)) else [given])]
            if all(source is not None and source.name in kept for source in sources):
                kept.add(name)
        return kept


def _with_weights_of_8_bits(model: Any) -> Any:
    from coremltools.optimize import coreml

    # From the program itself: coremltools' list of weights (9.0) fails on a constant that is joined to something.
    main = model.get_spec().mlProgram.functions["main"]
    operations = main.block_specializations[main.opset].operations
    constants = [operation.outputs[0].name for operation in operations if operation.type == "const"]
    joined = {
        argument.name
        for operation in operations
        if operation.type == "concat"
        for argument in operation.inputs["values"].arguments
    }
    whole = [
        name
        for name in constants
        if name in joined or name.removeprefix("b_").removeprefix("p_").startswith(_UNCOMPRESSED)
    ]
    config = coreml.OptimizationConfig(
        global_config=coreml.OpLinearQuantizerConfig(
            mode="linear_symmetric", granularity="per_channel", weight_threshold=SMALLEST_COMPRESSED_WEIGHT
        ),
        op_name_configs=dict.fromkeys(whole),
    )
    return coreml.linear_quantize_weights(model, config)


def _package_manifest() -> str:
    """The list of a package's parts, with identifiers that follow from their paths instead of being drawn."""
    parts = (
        (SPECIFICATION, "model.mlmodel", "CoreML Model Specification"),
        (WEIGHTS.parent, "weights", "CoreML Model Weights"),
    )
    identifiers = [str(uuid.uuid5(uuid.NAMESPACE_URL, path.as_posix())) for path, _, _ in parts]
    entries = {
        identifier: {
            "author": "com.apple.CoreML",
            "description": description,
            "name": name,
            "path": path.relative_to("Data").as_posix(),
        }
        for identifier, (path, name, description) in zip(identifiers, parts, strict=True)
    }
    document = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": identifiers[0]}
    # as CoreML's own library writes it, for it writes the list anew when it opens a package
    return json.dumps(document, indent=4, sort_keys=True) + "\n"
