"""The streaming graph as an ONNX file, and that file run hop by hop."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from export.streaming_graph import StreamingGraph

OPERATOR_SET = 18
INPUT_NAMES = ["audio", "controls", "state_0"]
OUTPUT_NAMES = ["enhanced", "next_state_0"]


@contextmanager
def _exporter_kept_quiet() -> Iterator[None]:
    """The exporter warns of its own deprecations and of packages that it does without."""
    root = logging.getLogger("torch.onnx")
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def write_onnx(graph: StreamingGraph, path: Path, metadata: dict[str, str]) -> None:
    """Export with static shapes, weights inside the file, and `metadata` among the file's own properties."""
    with torch.no_grad(), _exporter_kept_quiet():
        program = torch.onnx.export(
            graph.eval(),
            graph.example_inputs(),
            dynamo=True,
            opset_version=OPERATOR_SET,
            input_names=INPUT_NAMES,
            output_names=OUTPUT_NAMES,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    for node in model.graph.node:  # where each node came from is of no use on a phone, and names this machine's paths
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path, save_as_external_data=False)


def run_onnx(path: Path, audio: NDArray[np.float32], controls: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a file over audio [channels, hops * hop] under controls [hops, 3], hop by hop from the zero state.

    Returns [channels, hops * hop], `latency` samples late.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shapes = {tensor.name: tensor.shape for tensor in session.get_inputs()}
    hop = shapes["audio"][1]
    state = np.zeros(shapes["state_0"], dtype=np.float32)
    enhanced = []
    for index in range(audio.shape[1] // hop):
        inputs = {
            "audio": audio[:, index * hop : (index + 1) * hop],
            "controls": controls[index : index + 1],
            "state_0": state,
        }
        output, state = session.run(OUTPUT_NAMES, inputs)
        enhanced.append(output)
    return np.concatenate(enhanced, axis=1)
