"""The gated linear recurrence h[t] = a[t] h[t-1] + b[t], over the second axis.

It is the recurrence of minGRU (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201): a and b do not depend
on h, so that training needs no back-propagation through matrix products in time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Recurrence(torch.autograd.Function):
    """Forward and backward as one loop each: autograd's own graph over thousands of tiny nodes costs more than the
    work.
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, drive: Tensor, start: Tensor) -> Tensor:
        states = torch.empty_like(drive)
        state = start
        for t in range(drive.shape[1]):
            state = torch.addcmul(drive[:, t], decay[:, t], state, out=states[:, t])
        ctx.save_for_backward(decay, states, start)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, states, start = ctx.saved_tensors
        gradient = gradients[0]
        drive_gradient = torch.empty_like(gradient)
        steps = gradient.shape[1]
        drive_gradient[:, -1] = gradient[:, -1]
        for t in range(steps - 2, -1, -1):
            torch.addcmul(gradient[:, t], decay[:, t + 1], drive_gradient[:, t + 1], out=drive_gradient[:, t])
        earlier = torch.cat([start.unsqueeze(1), states[:, :-1]], dim=1)
        return drive_gradient * earlier, drive_gradient, decay[:, 0] * drive_gradient[:, 0]


def linear_recurrence(decay: Tensor, drive: Tensor, start: Tensor) -> Tensor:
    """All states of h[t] = decay[t] h[t-1] + drive[t].

    `decay`, `drive`: [bands, time, ...]; `start`: [bands, ...], h before the first step. Returns [bands, time, ...].
    """
    if drive.shape[1] == 1:  # the exported graph: one step, plain operators
        return drive + decay * start.unsqueeze(1)
    # Under autocast, too, at least float32: 8 bits of mantissa cannot tell a decay near one from one.
    exact = torch.promote_types(drive.dtype, torch.float32)
    result: Tensor = _Recurrence.apply(decay.to(exact), drive.to(exact), start.to(exact))
    return result
