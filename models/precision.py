"""In which precision networks compute while they are trained; weights, losses and figures are always float32."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context to run networks in: bfloat16 where asked for, or by "auto" where the device is a GPU that has it.

    Raises ValueError for another precision. bfloat16 has float32's range, so that no loss needs scaling (Kalamkar et
    al. 2019, arXiv 1905.12322).
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision: got {precision!r}, wanted one of {', '.join(PRECISIONS)}")
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" or (precision == "auto" and fast))
