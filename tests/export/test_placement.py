"""What back ends take is counted truly, and what stands in the way is named."""

from dataclasses import dataclass
from pathlib import Path

import litert_torch
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.mil_program import MilProgram, Operation, TensorType
from export.placement import qualcomm
from export.placement.__main__ import main, table
from export.placement.coreml import place_program
from export.placement.litert import Operator, gpu_refusal, place_on_litert
from export.placement.mobile import place_on_mobile
from export.placement.record import NotJudged, Placement, count_partitions
from export.quiet import kept_quiet
from tests.support.vectors import BUNDLE_NAME, FOLDER

FIXTURE = FOLDER / BUNDLE_NAME


@dataclass(frozen=True)
class Link:
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


CHAIN = [Link(("a",), ("b",)), Link(("b",), ("c",)), Link(("c",), ("d",)), Link(("d",), ("e",))]
FORK = [Link(("a",), ("b",)), Link(("a",), ("c",)), Link(("b",), ("d",)), Link(("c", "d"), ("e",))]


@pytest.mark.parametrize(
    ("nodes", "taken", "wanted"),
    [
        (CHAIN, (1, 1, 1, 1), 1),
        (CHAIN, (0, 0, 0, 0), 0),
        (CHAIN, (1, 0, 1, 1), 2),
        (CHAIN, (0, 1, 1, 0), 1),
        (CHAIN, (1, 0, 1, 0), 2),
        (FORK, (1, 0, 1, 1), 1),  # what is left beside does not cut
        (FORK, (1, 1, 0, 1), 2),
        ([], (), 0),
    ],
)
def test_partitions(nodes: list[Link], taken: tuple[int, ...], wanted: int) -> None:
    assert count_partitions(nodes, [bool(one) for one in taken]) == wanted


def operator(name: str, *shapes: tuple[int, ...], constants: tuple[int, ...] = ()) -> Operator:
    """Of tensors 0, 1, ..., the last of which is its output."""
    last = len(shapes) - 1
    return Operator(name, tuple(range(last)), (last,), dict(enumerate(shapes)), frozenset(constants))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (operator("SLICE", (1, 9), (1, 3)), "SLICE not of rank 3 or 4"),
        (operator("SLICE", (1, 1, 9), (1, 1, 3)), None),
        (operator("PAD", (1, 9), (1, 12)), "PAD not of rank 3 or 4"),
        (operator("STABLEHLO_SORT", (1, 9), (1, 9)), "STABLEHLO_SORT"),
        (operator("RELU_0_TO_1", (1, 9), (1, 9)), "RELU_0_TO_1"),
        (operator("RESHAPE", (1, 9), (1, 1, 1, 3, 3)), "RESHAPE above rank 4"),
        (operator("MUL", (1, 9, 1), (1, 1, 9), (1, 9, 9)), "MUL of a column with a row"),
        (operator("MUL", (1, 9, 9), (1, 1, 9), (1, 9, 9)), None),
        (operator("MUL", (9, 9), (9,), (9, 9)), None),
        (operator("FULLY_CONNECTED", (4, 9), (9, 9), (4, 9), constants=(0,)), "FULLY_CONNECTED of a constant"),
        (operator("FULLY_CONNECTED", (4, 9), (9, 9), (4, 9), constants=(1,)), None),
    ],
)
def test_rules_of_the_gpu_delegate(given: Operator, wanted: str | None) -> None:
    assert gpu_refusal(given) == wanted


class Clamped(torch.nn.Module):
    """In the middle an operator that neither delegate takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp((2.0 * x).clamp(0.0, 1.0) * x)


def test_delegates_are_asked_and_measured(tmp_path: Path) -> None:
    path = tmp_path / "clamped.tflite"
    with kept_quiet():
        litert_torch.convert(Clamped().eval(), (torch.zeros(1, 2, 3),)).export(str(path))
    for found in place_on_litert(path):
        assert found.left == {"RELU_0_TO_1": 1}
        assert (found.operators, found.taken, found.partitions) == (4, 3, 2)


def test_xnnpack_takes_matrices_alone(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Log", ["y"], ["z"]),
        helper.make_node("Unsqueeze", ["z", "axis"], ["u"]),
        helper.make_node("MatMul", ["u", "w"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (3, 4))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, 3, 4))],
        [
            numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"),
            numpy_helper.from_array(np.array([0], dtype=np.int64), "axis"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "m.onnx")
    found = {placement.backend: placement for placement in place_on_mobile(tmp_path / "m.onnx")}
    assert found["ONNX Runtime XNNPACK"].left == {"Log": 1, "Unsqueeze": 1, "MatMul": 1}
    assert found["ONNX Runtime XNNPACK"].partitions == 1
    assert found["ONNX Runtime CoreML"].left == {"Log": 1}
    assert found["ONNX Runtime CoreML"].partitions == 2


def test_without_its_compiler_the_npu_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm, "find_spec", lambda name: None)
    found = qualcomm.place_on_qualcomm(FIXTURE / "mono.onnx")
    assert isinstance(found, NotJudged)
    assert "pip install onnxruntime-qnn" in found.why


def test_a_compiler_that_fails_judges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm, "find_spec", lambda name: object())
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    found = qualcomm.place_on_qualcomm(tmp_path / "broken.onnx")
    assert isinstance(found, NotJudged)
    assert "the compiler ended with" in found.why


def test_the_table_tells_what_is_left_and_who_says_so() -> None:
    placement = Placement("NPU", 10, 8, 2, {"Sort": 2}, "its maker")
    told = table([("mono.x", placement), ("mono.y", NotJudged("DSP", "no compiler"))])
    assert "mono.x, NPU leaves: 2 Sort" in told
    assert "NPU: its maker" in told
    assert "DSP: no compiler" in told
    assert "not judged" in told


def test_the_command_goes_over_a_bundle(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([str(FIXTURE)]) == 0
    told = capsys.readouterr().out
    assert "mono.onnx" in told
    assert "ONNX Runtime CoreML" in told
    assert main([str(tmp_path)]) != 0
    assert "no bundle" in capsys.readouterr().err


def test_the_neural_engine_is_given_float16_alone_and_weights_are_unpacked_beforehand() -> None:
    single, half = TensorType("fp32", (4,)), TensorType("fp16", (4,))
    program = MilProgram(
        inputs=("x",),
        outputs=("z",),
        types={"x": single, "w": half, "a": half, "b": half, "z": single},
        constants={},
        operations=(
            Operation("constexpr_affine_dequantize", "w", {}, ("w",)),
            Operation("cast", "a", {"x": ("x",)}, ("a",)),
            Operation("mul", "b", {"x": ("a",), "y": ("w",)}, ("b",)),
            Operation("cast", "z", {"x": ("b",)}, ("z",)),
        ),
        metadata={},
        boundary={"x": single, "z": single},
    )
    found = place_program(program)
    assert (found.operators, found.taken, found.partitions) == (3, 1, 1)
    assert found.left == {"cast in float32": 2}
