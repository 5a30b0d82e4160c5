"""Weights whose numbers fit into 16 bits: python -m models.rounding runs/first/generator.safetensors --out WEIGHTS

Large tensors are rounded to what float16 holds, and stay float32: the generator calculates as before, with weights that
files can store in half the space (export/onnx_storage.py). A weight moves by at most 2^-11 of itself; biases, norms and
time constants are small tensors and stay as they were trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import load_generator, save_generator

LEAST_ELEMENTS = 1024
"""Of a tensor that is rounded, and that files store in 16 bits: a smaller one saves less than 2 kB, and a node of its
own that opens it takes some of that."""


def rounded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 tensors by name, those of at least LEAST_ELEMENTS rounded to the nearest that float16 holds.

    Raises ValueError where a weight is too large for it, naming the tensor.
    """
    found = {}
    for name, tensor in weights.items():
        found[name] = tensor if tensor.numel() < LEAST_ELEMENTS else tensor.to(torch.float16).to(tensor.dtype)
        if not found[name].isfinite().all():
            largest = torch.finfo(torch.float16).max
            raise ValueError(f"{name}: got weights of up to {tensor.abs().max():g}, wanted at most {largest:g}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.rounding", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="a generator, as models.train writes it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the rounded one goes")
    options = parser.parse_args(arguments)
    try:
        generator, facts = load_generator(options.weights)
        save_generator(options.out, generator, rounded(generator.state_dict()), facts)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
