"""The streaming graph as an ONNX file, and that file run hop by hop."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnxruntime
import torch

from export.hop_runner import Samples
from export.streaming_graph import StreamingGraph

OPERATOR_SET = 18
INPUT_NAMES = ["audio", "controls", "state_0"]
OUTPUT_NAMES = ["enhanced", "next_state_0"]


@contextmanager
def _exporter_kept_quiet() -> Iterator[None]:
    """The exporter warns of its own deprecations and of packages that it does without."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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


class OnnxRunner:
    """A file in ONNX Runtime on one core of this machine's CPU; a HopRunner."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shapes = {tensor.name: tensor.shape for tensor in self._session.get_inputs()}
        self._state_size: int = shapes["state_0"][1]

    @property
    def runtime(self) -> str:
        return f"ONNX Runtime {onnxruntime.__version__}"

    @property
    def state_size(self) -> int:
        return self._state_size

    def hop(self, audio: Samples, controls: Samples, state: Samples) -> tuple[Samples, Samples]:
        enhanced, next_state = self._session.run(OUTPUT_NAMES, {"audio": audio, "controls": controls, "state_0": state})
        return enhanced, next_state
