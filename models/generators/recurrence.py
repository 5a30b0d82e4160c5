"""The gated linear recurrence h[t] = h[t-1] + u[t] (c[t] - h[t-1]), and frames in order of time.

It is the recurrence of minGRU (Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201): u and c do not depend
on h, so that training needs no back-propagation through matrix products in time.

What happens over time is [bands * time * batch, channels], rows in that order, with [bands * batch, channels] before
the first frame. Where there is but one frame, as in the exported graph, both have one shape and nothing need move.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Recurrence(torch.autograd.Function):
    """Forward and backward as one loop each: autograd's own graph over thousands of tiny nodes costs more than the
    work. [bands, time, ...], and `start` [bands, ...].
    """

    @staticmethod
    def forward(ctx: Any, update: Tensor, candidate: Tensor, start: Tensor) -> Tensor:
        states = torch.empty_like(candidate)
        state = start
        for t in range(candidate.shape[1]):
            state = torch.lerp(state, candidate[:, t], update[:, t], out=states[:, t])
        ctx.save_for_backward(update, candidate, states, start)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        update, candidate, states, start = ctx.saved_tensors
        gradient = gradients[0]
        decay = 1.0 - update
        of_state = torch.empty_like(gradient)
        of_state[:, -1] = gradient[:, -1]
        for t in range(gradient.shape[1] - 2, -1, -1):
            torch.addcmul(gradient[:, t], decay[:, t + 1], of_state[:, t + 1], out=of_state[:, t])
        earlier = torch.cat([start.unsqueeze(1), states[:, :-1]], dim=1)
        return of_state * (candidate - earlier), of_state * update, decay[:, 0] * of_state[:, 0]


def _timed(x: Tensor, start: Tensor, bands: int) -> Tensor:
    """[bands, time, batch * channels]."""
    return x.reshape(bands, -1, start.numel() // bands)


def gated_recurrence(update: Tensor, candidate: Tensor, start: Tensor, bands: int) -> Tensor:
    """All states of h[t] = h[t-1] + update[t] (candidate[t] - h[t-1]); `start`: h before the first frame."""
    if candidate.shape == start.shape:
        return start + update * (candidate - start)
    # Under autocast, too, at least float32: 8 bits of mantissa cannot tell a decay near one from one.
    exact = torch.promote_types(candidate.dtype, torch.float32)
    timed = [_timed(given, start, bands).to(exact) for given in (update, candidate)]
    states: Tensor = _Recurrence.apply(*timed, start.reshape(bands, -1).to(exact))
    return states.reshape(candidate.shape)


def latest(x: Tensor, start: Tensor, bands: int) -> Tensor:
    """The last frame of x; `start`: one of its shape."""
    return x if x.shape == start.shape else _timed(x, start, bands)[:, -1].reshape(start.shape)
