"""A MIL program executed operator by operator in numpy: what is shipped for CoreML, run where CoreML does not run.

The semantics are those that the MIL documentation gives for each operator, in float32. What the program declares as
float16 is held in float32 and rounded to float16 (to nearest even, subnormals kept) after every operator that
computes. For +, -, *, / and the square root of float16 numbers that is exactly what arithmetic in float16 gives, as
float32 has more than twice its digits; sums (matrix products, means, normalisation) accumulate in float32 and are
rounded once at their end. Real hardware may accumulate otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from export.mil_program import MilProgram, Operation, read_program
from export.quiet import kept_quiet

Array = NDArray[Any]
Arguments = Mapping[str, Any]
Kernel = Callable[[Arguments], Array | Sequence[Array]]

SMALLEST_NORMAL_FLOAT16 = float(np.finfo(np.float16).smallest_normal)


class UnknownOperatorError(Exception):
    """A program that uses an operator, or an operator's option, that the interpreter does not know."""


def _refuse_option(operator: str, parameter: str, got: object, wanted: str) -> None:
    raise UnknownOperatorError(f"operator '{operator}': {parameter}: got {got}, wanted {wanted}")


def _flags(arguments: Arguments, parameter: str, rank: int) -> list[bool]:
    given = arguments.get(parameter)
    return [False] * rank if given is None else [bool(flag) for flag in given]


def _slice_by_index(arguments: Arguments) -> Array:
    x = arguments["x"]
    strides = arguments.get("stride", np.ones(x.ndim, np.int32))
    index: list[slice | int] = []
    for begin, end, stride, from_start, to_end, single in zip(
        arguments["begin"].tolist(),
        arguments["end"].tolist(),
        strides.tolist(),
        _flags(arguments, "begin_mask", x.ndim),
        _flags(arguments, "end_mask", x.ndim),
        _flags(arguments, "squeeze_mask", x.ndim),
        strict=True,
    ):
        index.append(begin if single else slice(None if from_start else begin, None if to_end else end, stride))
    return np.asarray(x[tuple(index)])


def _matmul(arguments: Arguments) -> Array:
    x, y = arguments["x"], arguments["y"]
    if arguments.get("transpose_x", False):
        x = np.swapaxes(x, -1, -2)
    if arguments.get("transpose_y", False):
        y = np.swapaxes(y, -1, -2)
    return np.asarray(np.matmul(x, y))


def _linear(arguments: Arguments) -> Array:
    product = arguments["x"] @ arguments["weight"].T
    return np.asarray(product + arguments["bias"] if "bias" in arguments else product)


def _squeeze(arguments: Arguments) -> Array:
    x = arguments["x"]
    axes = arguments.get("axes", np.arange(x.ndim))
    return np.asarray(np.squeeze(x, tuple(axis for axis in axes.tolist() if x.shape[axis] == 1)))


def _expand_dims(arguments: Arguments) -> Array:
    return np.expand_dims(arguments["x"], tuple(arguments["axes"].tolist()))


def _split(arguments: Arguments) -> list[Array]:
    if "split_sizes" in arguments:
        return np.split(arguments["x"], np.cumsum(arguments["split_sizes"])[:-1].tolist(), int(arguments["axis"]))
    return np.split(arguments["x"], int(arguments["num_splits"]), int(arguments["axis"]))


def _concat(arguments: Arguments) -> Array:
    if arguments.get("interleave", False):
        _refuse_option("concat", "interleave", True, "False")
    return np.concatenate(arguments["values"], int(arguments["axis"]))


def _stack(arguments: Arguments) -> Array:
    return np.stack(arguments["values"], int(arguments["axis"]))


def _reshape(arguments: Arguments) -> Array:
    shape = arguments["shape"].tolist()
    if 0 in shape:
        _refuse_option("reshape", "shape", shape, "sizes without 0")
    return np.asarray(arguments["x"].reshape(shape))


def _pad(arguments: Arguments) -> Array:
    if arguments.get("mode", "constant") != "constant":
        _refuse_option("pad", "mode", arguments["mode"], "'constant'")
    x = arguments["x"]
    padding = arguments["pad"].reshape(-1, 2).tolist()
    before_last = [[0, 0]] * (x.ndim - len(padding))
    widths = before_last + padding
    padded = np.full(
        [size + sum(width) for size, width in zip(x.shape, widths, strict=True)],
        arguments.get("constant_val", 0.0),
        x.dtype,
    )
    padded[tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, widths, strict=True))] = x
    return padded


def _avg_pool(arguments: Arguments) -> Array:
    x, sizes = arguments["x"], arguments["kernel_sizes"].tolist()
    if arguments["pad_type"] not in ("custom", "valid"):
        _refuse_option("avg_pool", "pad_type", arguments["pad_type"], "'custom' or 'valid'")
    if arguments.get("ceil_mode", False):
        _refuse_option("avg_pool", "ceil_mode", True, "False")
    spatial = len(sizes)
    widths = np.zeros((spatial, 2), np.int32)
    if arguments["pad_type"] == "custom" and "pad" in arguments:
        widths = arguments["pad"].reshape(-1, 2)
    padding = [(0, 0)] * (x.ndim - spatial) + [tuple(width) for width in widths.tolist()]
    strides = arguments.get("strides", np.ones(spatial, np.int32)).tolist()
    total = _window_sums(np.pad(x, padding), sizes, strides)
    if arguments.get("exclude_padding_from_average", False):
        inside = np.ones((1,) * (x.ndim - spatial) + x.shape[-spatial:], x.dtype)
        return np.asarray(total / _window_sums(np.pad(inside, padding), sizes, strides))
    return np.asarray(total / x.dtype.type(np.prod(sizes)))


def _window_sums(x: Array, sizes: list[int], strides: list[int]) -> Array:
    """Sums over windows of `sizes`, `strides` apart, along the last axes."""
    ends = [length - size + 1 for length, size in zip(x.shape[-len(sizes) :], sizes, strict=True)]
    total = np.zeros((), x.dtype)
    for corner in product(*(range(size) for size in sizes)):
        shifted = [slice(start, start + end, step) for start, end, step in zip(corner, ends, strides, strict=True)]
        index: tuple[Any, ...] = (..., *shifted)
        total = total + x[index]
    return np.asarray(total)


def _layer_norm(arguments: Arguments) -> Array:
    x = arguments["x"]
    axes = tuple(arguments["axes"].tolist()) if "axes" in arguments else tuple(range(x.ndim))
    shape = [1] * x.ndim
    for axis in axes:
        shape[axis] = x.shape[axis]
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    normed = centred / np.sqrt(variance + arguments.get("epsilon", np.float32(1e-5)))
    if "gamma" in arguments:
        normed = normed * arguments["gamma"].reshape(shape)
    if "beta" in arguments:
        normed = normed + arguments["beta"].reshape(shape)
    return np.asarray(normed)


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1.0)))


def _reduce(function: Callable[..., Array], arguments: Arguments) -> Array:
    axes = tuple(arguments["axes"].tolist()) if "axes" in arguments else None
    return np.asarray(function(arguments["x"], axis=axes, keepdims=bool(arguments.get("keep_dims", False))))


def _log(arguments: Arguments) -> Array:
    return np.asarray(np.log(arguments["x"] + arguments.get("epsilon", np.float32(1e-45))))


def _inverse(arguments: Arguments) -> Array:
    return np.asarray(np.reciprocal(arguments["x"] + arguments.get("epsilon", np.float32(1e-4))))


def _cast(arguments: Arguments) -> Array:
    if arguments["dtype"] not in (
        "fp16",
        "fp32",
    ):  # both are held in float32: the rounding follows by the output's type
        _refuse_option("cast", "dtype", arguments["dtype"], "'fp16' or 'fp32'")
    return np.asarray(arguments["x"])


def _affine_dequantize(arguments: Arguments) -> Array:
    """scale * (quantized_data - zero_point), scale and zero point along `axis`."""
    data = arguments["quantized_data"]
    shape = [1] * data.ndim
    shape[int(arguments["axis"])] = -1
    scale, zero = arguments["scale"], np.asarray(arguments["zero_point"], np.float32)
    scale = scale.reshape(shape) if scale.ndim else scale
    zero = zero.reshape(shape) if zero.ndim else zero
    return np.asarray((data.astype(np.float32) - zero) * scale)


def _blockwise_shift_scale(arguments: Arguments) -> Array:
    """scale * (data - offset), each scale for a block of the data."""
    data, scale = arguments["data"].astype(np.float32), arguments["scale"]
    offset = np.asarray(arguments.get("offset", np.zeros_like(scale)), np.float32)
    for axis, (size, blocks) in enumerate(zip(data.shape, scale.shape, strict=True)):
        scale, offset = (np.repeat(held, size // blocks, axis) for held in (scale, offset))
    return np.asarray((data - offset) * scale)


def _lut_to_dense(arguments: Arguments) -> Array:
    """A palette's entries by index; indices of 1, 2, 4, 6 or 8 bits, packed from the lowest bit on."""
    lut, shape = arguments["lut"], arguments["shape"].tolist()
    width = int(np.log2(lut.size))
    count = int(np.prod(shape))
    bits = np.unpackbits(arguments["indices"], bitorder="little")[: count * width].reshape(count, width)
    indices = bits @ (1 << np.arange(width))
    return np.asarray(lut.reshape(-1)[indices].reshape(shape))


def _binary(function: Callable[[Array, Array], Array]) -> Kernel:
    return lambda arguments: function(arguments["x"], arguments["y"])


def _unary(function: Callable[[Array], Array]) -> Kernel:
    return lambda arguments: function(arguments["x"])


class Operator(NamedTuple):
    """How an operator is computed, and whether it computes at all (else it only moves numbers, and nothing rounds)."""

    kernel: Kernel
    computes: bool


def operators() -> dict[str, Operator]:
    """Every operator that the interpreter knows, by its name in MIL."""
    computing: dict[str, Kernel] = {
        "add": _binary(np.add),
        "sub": _binary(np.subtract),
        "mul": _binary(np.multiply),
        "real_div": _binary(np.divide),
        "minimum": _binary(np.minimum),
        "maximum": _binary(np.maximum),
        "abs": _unary(np.abs),
        "exp": _unary(np.exp),
        "sqrt": _unary(np.sqrt),
        "sigmoid": _unary(_sigmoid),
        "silu": _unary(lambda x: x * _sigmoid(x)),
        "relu": _unary(lambda x: np.maximum(x, np.float32(0.0))),
        "clip": lambda arguments: np.clip(arguments["x"], arguments["alpha"], arguments["beta"]),
        "log": _log,
        "inverse": _inverse,
        "matmul": _matmul,
        "linear": _linear,
        "layer_norm": _layer_norm,
        "avg_pool": _avg_pool,
        "reduce_mean": partial(_reduce, np.mean),
        "reduce_max": partial(_reduce, np.max),
        "reduce_sum": partial(_reduce, np.sum),
        "cast": _cast,
        "constexpr_affine_dequantize": _affine_dequantize,
        "constexpr_blockwise_shift_scale": _blockwise_shift_scale,
        "constexpr_lut_to_dense": _lut_to_dense,
    }
    moving: dict[str, Kernel] = {
        "slice_by_index": _slice_by_index,
        "reshape": _reshape,
        "transpose": lambda arguments: np.transpose(arguments["x"], arguments["perm"].tolist()),
        "squeeze": _squeeze,
        "expand_dims": _expand_dims,
        "split": _split,
        "concat": _concat,
        "stack": _stack,
        "pad": _pad,
    }
    return {
        **{name: Operator(kernel, True) for name, kernel in computing.items()},
        **{name: Operator(kernel, False) for name, kernel in moving.items()},
    }


def round_to_float16(values: Array, flush_subnormals: bool = False) -> Array:
    """float32 values rounded to the nearest that float16 can hold (beyond its range: infinite), still as float32.

    `flush_subnormals`: those too small for full precision become zero, as on hardware that has no subnormals.
    """
    # torch converts with vector instructions, numpy number by number
    rounded: Array = torch.from_numpy(np.require(values, np.float32, ["C", "W"])).half().float().numpy()
    if flush_subnormals:
        rounded = np.where(np.abs(rounded) < SMALLEST_NORMAL_FLOAT16, np.float32(0.0), rounded)
    return rounded.reshape(np.shape(values))


class _Step(NamedTuple):
    kernel: Kernel
    fixed: dict[str, Any]
    fed: dict[str, str]
    fed_lists: dict[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    rounds: bool


class MilInterpreter:
    """A program ready to run: constants expanded once, one step an operator.

    Raises UnknownOperatorError for an operator, or a data type, outside of what the interpreter knows.
    """

    def __init__(self, program: MilProgram, flush_subnormals: bool = False) -> None:
        self.program = program
        self._flush_subnormals = flush_subnormals
        self._known = operators()
        self._constants = {name: _held(value) for name, value in program.constants.items()}
        if flush_subnormals:
            for name, value in self._constants.items():
                if program.types.get(name, ("", ()))[0] == "fp16":
                    self._constants[name] = round_to_float16(value, True)
        self._steps = []
        for operation in program.operations:
            step = self._prepare(operation)
            if step.fed or step.fed_lists:
                self._steps.append(step)
            else:  # a compressed weight: expanded here, once
                self._execute(step, self._constants)

    def _prepare(self, operation: Operation) -> _Step:
        if operation.kind not in self._known:
            raise UnknownOperatorError(
                f"got operator '{operation.kind}' (it makes {operation.outputs[0]}), wanted one of: "
                f"{', '.join(sorted(self._known))}"
            )
        dtypes = {self.program.types[name].dtype for name in operation.outputs}
        if not dtypes <= {"fp16", "fp32"}:
            raise UnknownOperatorError(
                f"operator '{operation.kind}': got an output of type {', '.join(sorted(dtypes))}, wanted fp16 or fp32"
            )
        fixed: dict[str, Any] = {}
        fed: dict[str, str] = {}
        fed_lists: dict[str, tuple[str, ...]] = {}
        for parameter, names in operation.inputs.items():
            if parameter == "values":
                fed_lists[parameter] = names
            elif names[0] in self._constants:
                fixed[parameter] = self._constants[names[0]]
            else:
                fed[parameter] = names[0]
        operator = self._known[operation.kind]
        return _Step(
            operator.kernel, fixed, fed, fed_lists, operation.outputs, operator.computes and dtypes == {"fp16"}
        )

    def _execute(self, step: _Step, values: dict[str, Any]) -> None:
        arguments = dict(step.fixed)
        for parameter, name in step.fed.items():
            arguments[parameter] = values[name]
        for parameter, names in step.fed_lists.items():
            arguments[parameter] = [values[name] for name in names]
        made = step.kernel(arguments)
        for name, value in zip(step.outputs, made if isinstance(made, list) else [made], strict=True):
            values[name] = round_to_float16(value, self._flush_subnormals) if step.rounds else value

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs of the program, float32, by name, for its inputs by name; float32 arrays of the program's shapes.

        Raises ValueError where an input is missing, superfluous or of another shape.
        """
        values = dict(self._constants)
        wanted = {name: self.program.types[name].shape for name in self.program.inputs}
        got = {name: np.shape(value) for name, value in inputs.items()}
        if got != wanted:
            raise ValueError(f"inputs: got {got}, wanted {wanted}")
        for name, value in inputs.items():
            values[name] = np.asarray(value, np.float32)
        # NaN and infinity are the program's own business, as on a device
        with np.errstate(all="ignore"):
            for step in self._steps:
                self._execute(step, values)
        return {name: np.array(values[name], np.float32) for name in self.program.outputs}


def _held(value: Any) -> Any:
    """A constant as the kernels take it: floats in float32, scalars and others as they are."""
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


class InterpretedCoreml:
    """A package's graph in the interpreter, as a HopRunner; `names` as write_coreml gives them."""

    runtime = "interpreted MIL program"

    def __init__(self, path: Path, names: Mapping[str, str], flush_subnormals: bool = False) -> None:
        self._interpreter = MilInterpreter(read_program(path), flush_subnormals)
        self._names = names

    @property
    def state_size(self) -> int:
        return self._interpreter.program.types[self._names["state_0"]].shape[1]

    def hop(self, audio: Array, controls: Array, state: Array) -> tuple[Array, Array]:
        names = self._names
        made = self._interpreter.run({names["audio"]: audio, names["controls"]: controls, names["state_0"]: state})
        return made[names["enhanced"]], made[names["next_state_0"]]


class RealCoreml:
    """A package's graph in CoreML itself, as a HopRunner: on macOS only."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        with kept_quiet():
            import coremltools

            self._model = coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
        self._names = names
        self._state_size = read_program(path).types[names["state_0"]].shape[1]
        self.runtime = f"CoreML by coremltools {coremltools.__version__}, CPU"

    @property
    def state_size(self) -> int:
        return self._state_size

    def hop(self, audio: Array, controls: Array, state: Array) -> tuple[Array, Array]:
        names = self._names
        made = self._model.predict({names["audio"]: audio, names["controls"]: controls, names["state_0"]: state})
        return made[names["enhanced"]], made[names["next_state_0"]]


def runs_coreml() -> bool:
    """Whether this system can run CoreML itself."""
    return sys.platform == "darwin"


def open_coreml(path: Path, names: Mapping[str, str]) -> InterpretedCoreml | RealCoreml:
    """CoreML itself where the system has it, else the interpreter."""
    return RealCoreml(path, names) if runs_coreml() else InterpretedCoreml(path, names)
