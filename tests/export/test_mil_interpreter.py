"""The interpreter does what MIL's documentation says: each operator against PyTorch, or against values by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from export.mil_interpreter import MilInterpreter, UnknownOperatorError, operators, round_to_float16
from export.mil_program import MilProgram, Operation, TensorType

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((2, 3, 4)).astype(np.float32)
Y = RANDOM.standard_normal((2, 4, 5)).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(0.1)
T = torch.from_numpy


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def numpy_of(made: Any) -> list[np.ndarray]:
    tensors = made if isinstance(made, list | tuple) else [made]
    return [tensor.numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor) for tensor in tensors]


CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "add": ("add", {"x": X, "y": X[:1]}, T(X) + T(X[:1])),
    "sub": ("sub", {"x": X, "y": X[:, :1]}, T(X) - T(X[:, :1])),
    "mul": ("mul", {"x": X, "y": np.float32(3)}, T(X) * 3),
    "real_div": ("real_div", {"x": X, "y": POSITIVE}, T(X) / T(POSITIVE)),
    "minimum": ("minimum", {"x": X, "y": -X}, torch.minimum(T(X), -T(X))),
    "maximum": ("maximum", {"x": X, "y": -X}, torch.maximum(T(X), -T(X))),
    "abs": ("abs", {"x": X}, T(X).abs()),
    "exp": ("exp", {"x": X}, T(X).exp()),
    "sqrt": ("sqrt", {"x": POSITIVE}, T(POSITIVE).sqrt()),
    "sigmoid": ("sigmoid", {"x": 40 * X}, torch.sigmoid(T(40 * X))),
    "silu": ("silu", {"x": 3 * X}, functional.silu(T(3 * X))),
    "relu": ("relu", {"x": X}, T(X).relu()),
    "clip": ("clip", {"x": X, "alpha": np.float32(-0.5), "beta": np.float32(0.25)}, T(X).clamp(-0.5, 0.25)),
    "log": ("log", {"x": POSITIVE, "epsilon": np.float32(0.5)}, (T(POSITIVE) + 0.5).log()),
    "log, epsilon left out": ("log", {"x": POSITIVE}, T(POSITIVE).log()),
    "inverse": ("inverse", {"x": POSITIVE, "epsilon": np.float32(0.5)}, 1 / (T(POSITIVE) + 0.5)),
    "inverse, epsilon left out": ("inverse", {"x": POSITIVE}, 1 / (T(POSITIVE) + 1e-4)),
    "matmul": ("matmul", {"x": X, "y": Y}, T(X) @ T(Y)),
    "matmul, both transposed": (
        "matmul",
        {"x": X.swapaxes(1, 2), "y": Y.swapaxes(1, 2), "transpose_x": np.True_, "transpose_y": np.True_},
        T(X) @ T(Y),
    ),
    "linear": (
        "linear",
        {"x": X, "weight": X[0], "bias": np.arange(3, dtype=np.float32)},
        functional.linear(T(X), T(X[0]), torch.arange(3.0)),
    ),
    "linear, bias left out": ("linear", {"x": X, "weight": X[0]}, functional.linear(T(X), T(X[0]))),
    "layer_norm": (
        "layer_norm",
        {"x": X, "axes": integers(-1), "gamma": X[0, 0], "beta": X[0, 1], "epsilon": np.float32(0.1)},
        functional.layer_norm(T(X), (4,), T(X[0, 0]), T(X[0, 1]), 0.1),
    ),
    "layer_norm, all left out": ("layer_norm", {"x": X}, functional.layer_norm(T(X), (2, 3, 4))),
    "avg_pool": (
        "avg_pool",
        {
            "x": X[None],
            "kernel_sizes": integers(1, 3),
            "strides": integers(1, 1),
            "pad_type": "custom",
            "pad": integers(0, 0, 1, 1),
            "exclude_padding_from_average": np.True_,
            "ceil_mode": np.False_,
        },
        functional.avg_pool2d(T(X[None]), (1, 3), 1, (0, 1), count_include_pad=False),
    ),
    "avg_pool, padding counted, in strides": (
        "avg_pool",
        {
            "x": X[None],
            "kernel_sizes": integers(3, 2),
            "strides": integers(1, 2),
            "pad_type": "custom",
            "pad": integers(1, 1, 0, 0),
        },
        functional.avg_pool2d(T(X[None]), (3, 2), (1, 2), (1, 0)),
    ),
    "avg_pool, valid": (
        "avg_pool",
        {"x": X, "kernel_sizes": integers(2), "pad_type": "valid"},
        functional.avg_pool1d(T(X), 2, 1),
    ),
    "reduce_mean": ("reduce_mean", {"x": X, "axes": integers(1), "keep_dims": np.True_}, T(X).mean(1, keepdim=True)),
    "reduce_mean, all left out": ("reduce_mean", {"x": X}, T(X).mean()),
    "reduce_max": ("reduce_max", {"x": X, "axes": integers(-1)}, T(X).amax(-1)),
    "reduce_sum": ("reduce_sum", {"x": X, "axes": integers(-1)}, T(X).sum(-1)),
    "cast": ("cast", {"x": X, "dtype": "fp32"}, X),
    "slice_by_index": (
        "slice_by_index",
        {"x": X, "begin": integers(0, 1, -3), "end": integers(1, 3, 4), "stride": integers(1, 1, 2)},
        X[0:1, 1:3, -3:4:2],
    ),
    "slice_by_index, masks": (
        "slice_by_index",
        {
            "x": X,
            "begin": integers(1, 1, 1),
            "end": integers(0, 2, 2),
            "begin_mask": np.array([False, True, False]),
            "end_mask": np.array([False, False, True]),
            "squeeze_mask": np.array([True, False, False]),
        },
        X[1, :2, 1:],
    ),
    "reshape": ("reshape", {"x": X, "shape": integers(4, -1)}, X.reshape(4, 6)),
    "transpose": ("transpose", {"x": X, "perm": integers(2, 0, 1)}, T(X).permute(2, 0, 1)),
    "squeeze": ("squeeze", {"x": X[:1], "axes": integers(0, 1)}, X[0]),
    "squeeze, axes left out": ("squeeze", {"x": X[:1, :1]}, X[0, 0]),
    "expand_dims": ("expand_dims", {"x": X, "axes": integers(0, -1)}, X[None, ..., None]),
    "split": ("split", {"x": X, "split_sizes": integers(1, 2), "axis": np.int32(1)}, T(X).split([1, 2], 1)),
    "split, evenly": ("split", {"x": X, "num_splits": np.int32(2), "axis": np.int32(-1)}, T(X).chunk(2, -1)),
    "concat": (
        "concat",
        {"values": [X, X[:, :1]], "axis": np.int32(1), "interleave": np.False_},
        torch.cat([T(X), T(X[:, :1])], 1),
    ),
    "stack": ("stack", {"values": [X, -X], "axis": np.int32(-1)}, torch.stack([T(X), -T(X)], -1)),
    "pad": (
        "pad",
        {"x": X, "pad": integers(1, 0, 0, 2), "mode": "constant", "constant_val": np.float32(7)},
        functional.pad(T(X), (0, 2, 1, 0), value=7),
    ),
    "constexpr_affine_dequantize": (
        "constexpr_affine_dequantize",
        {
            "quantized_data": np.array([[1, 2], [-3, 4]], np.int8),
            "scale": np.array([0.5, 2], np.float32),
            "zero_point": np.array([1, 0], np.int8),
            "axis": np.int32(1),
        },
        np.array([[0, 4], [-2, 8]], np.float32),
    ),
    "constexpr_blockwise_shift_scale": (
        "constexpr_blockwise_shift_scale",
        {
            "data": np.array([[1, 2, 3, 4]], np.int8),
            "scale": np.array([[1, 10]], np.float32),
            "offset": np.array([[0, 1]], np.int8),
        },
        np.array([[1, 2, 20, 30]], np.float32),
    ),
    "constexpr_lut_to_dense": (
        "constexpr_lut_to_dense",
        {
            "lut": np.array([10, 11, 12, 13], np.float32),
            "indices": np.array([0b01101100, 0b11], np.uint8),
            "shape": np.array([5], np.uint32),
        },
        np.array([10, 13, 12, 11, 13], np.float32),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operators_do_what_is_documented(case: str) -> None:
    kind, arguments, wanted = CASES[case]
    found = numpy_of(operators()[kind].kernel(arguments))
    assert [value.shape for value in found] == [value.shape for value in numpy_of(wanted)]
    for value, expected in zip(found, numpy_of(wanted), strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-6, atol=2e-6)
        assert value.dtype == np.float32


def test_every_operator_is_tested() -> None:
    assert {kind for kind, _, _ in CASES.values()} == set(operators())


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("concat", {"values": [X, X], "axis": np.int32(0), "interleave": np.True_}, "interleave: got True"),
        ("pad", {"x": X, "pad": integers(1, 1), "mode": "reflect"}, "mode: got reflect"),
        ("avg_pool", {"x": X, "kernel_sizes": integers(2), "pad_type": "same"}, "pad_type: got same"),
        ("avg_pool", {"x": X, "kernel_sizes": integers(2), "pad_type": "valid", "ceil_mode": np.True_}, "ceil_mode"),
        ("reshape", {"x": X, "shape": integers(0, 12)}, r"shape: got \[0, 12\]"),
        ("cast", {"x": X, "dtype": "int32"}, "dtype: got int32"),
    ],
)
def test_options_that_it_does_not_know_are_refused(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownOperatorError, match=message):
        operators()[kind].kernel(arguments)


def program(kind: str, dtype: str) -> MilProgram:
    """made = kind(x + offset, y = 3): the sum is of type `dtype`, the result too."""
    return MilProgram(
        inputs=("x",),
        outputs=("made",),
        types={"x": TensorType("fp32", (2,)), "sum": TensorType(dtype, (2,)), "made": TensorType(dtype, (2,))},
        constants={"offset": np.array(1.0, np.float16), "three": np.array(3.0, np.float32)},
        operations=(
            Operation("add", "sum", {"x": ("x",), "y": ("offset",)}, ("sum",)),
            Operation(kind, "made", {"x": ("sum",), "y": ("three",)}, ("made",)),
        ),
        metadata={},
        boundary={},
    )


def test_float16_is_rounded_after_every_operator() -> None:
    x = np.array([2**-12, 0.1], np.float32)
    half = np.float16
    wanted = ((x + half(1)).astype(half) * half(3)).astype(np.float32)
    np.testing.assert_array_equal(MilInterpreter(program("mul", "fp16")).run({"x": x})["made"], wanted)
    exact = (x + np.float32(1)) * np.float32(3)
    np.testing.assert_array_equal(MilInterpreter(program("mul", "fp32")).run({"x": x})["made"], exact)
    assert (wanted != exact).all()


def test_unknown_operators_and_types_are_refused() -> None:
    with pytest.raises(UnknownOperatorError, match=r"got operator 'gather' \(it makes made\), wanted one of: abs, add"):
        MilInterpreter(program("gather", "fp32"))
    with pytest.raises(UnknownOperatorError, match="got an output of type int32, wanted fp16 or fp32"):
        MilInterpreter(program("mul", "int32"))


def test_inputs_of_another_shape_or_name_are_refused() -> None:
    interpreter = MilInterpreter(program("mul", "fp32"))
    with pytest.raises(ValueError, match=r"got \{'x': \(3,\)\}, wanted \{'x': \(2,\)\}"):
        interpreter.run({"x": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"got \{'y'"):
        interpreter.run({"y": np.zeros(2, np.float32)})


def test_rounding_is_that_of_float16() -> None:
    values = np.concatenate(
        [
            RANDOM.standard_normal(1000) * 10.0 ** RANDOM.uniform(-9, 5, 1000),
            [0, -0.0, 65504, 65519.99, 65520, -1e9, 2**-24, 2**-25, 6e-8, np.inf, np.nan, 1 + 2**-11, 1 + 3 * 2**-11],
        ]
    ).astype(np.float32)
    with np.errstate(over="ignore"):
        wanted = values.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(round_to_float16(values), wanted)
    flushed = round_to_float16(values, flush_subnormals=True)
    small = np.abs(wanted) < np.finfo(np.float16).smallest_normal
    assert 20 < small.sum() < len(values) / 2
    assert not flushed[small].any()
    np.testing.assert_array_equal(flushed[~small], wanted[~small])
