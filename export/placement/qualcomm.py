"""Qualcomm's NPU by its own compiler, which runs on this machine as a plug-in of ONNX Runtime: nothing is guessed.

The compiler prints and may crash, so it runs in a process of its own: python -m export.placement.qualcomm FILE RESULT
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

from export.placement.record import NotJudged, Placement

BACKEND = "ONNX Runtime QNN"
PACKAGE = "onnxruntime_qnn"
INSTALL = "pip install onnxruntime-qnn"
ARCHITECTURE = "73"
"""Hexagon's, of Snapdragon 8 Gen 2 (2023); floats run as fp16 on it."""
CHIP = "43"
"""Qualcomm's number of that chip."""
TIMEOUT_SECONDS = 600.0


def place_on_qualcomm(path: Path) -> Placement | NotJudged:
    """Compile an ONNX file for the NPU and say what the compiler took."""
    if find_spec(PACKAGE) is None:
        return NotJudged(BACKEND, f"its compiler is not installed: {INSTALL}")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", __name__, str(path), str(result)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return NotJudged(BACKEND, f"the compiler took longer than {TIMEOUT_SECONDS:g} s")
        if done.returncode != 0 or not result.is_file():
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            return NotJudged(BACKEND, f"the compiler ended with {done.returncode}: {said}")
        return Placement(**json.loads(result.read_text()))


def _compile(path: Path) -> Placement:
    qnn = import_module(PACKAGE)
    name = qnn.get_ep_name()
    onnxruntime.register_execution_provider_library(name, qnn.get_library_path())
    device = next(device for device in onnxruntime.get_ep_devices() if device.ep_name == name)
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        options.add_session_config_entry("ep.context_enable", "1")  # compile, as there is no NPU here to run on
        options.add_session_config_entry("ep.context_file_path", str(Path(folder) / "compiled.onnx"))
        options.add_provider_for_devices(
            [device],
            {
                "backend_path": qnn.get_qnn_htp_path(),
                "htp_arch": ARCHITECTURE,
                "soc_model": CHIP,
                "enable_htp_fp16_precision": "1",
            },
        )
        session = onnxruntime.InferenceSession(path, options)
        pieces = session.get_provider_graph_assignment_info()
    left: dict[str, int] = {}
    for piece in pieces:
        for node in piece.get_nodes() if piece.ep_name != name else ():
            left[node.op_type] = left.get(node.op_type, 0) + 1
    taken = [len(piece.get_nodes()) for piece in pieces if piece.ep_name == name]
    return Placement(
        backend=BACKEND,
        operators=sum(taken) + sum(left.values()),
        taken=sum(taken),
        partitions=len(taken),
        left=left,
        judged_by=f"compiled by onnxruntime-qnn {qnn.__version__} for Hexagon v{ARCHITECTURE}",
    )


def main(path: str, result: str) -> None:
    Path(result).write_text(json.dumps(_compile(Path(path)).__dict__))


if __name__ == "__main__":
    main(*sys.argv[1:])
