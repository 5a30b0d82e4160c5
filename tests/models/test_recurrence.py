"""The gated linear recurrence against its definition, forwards and backwards, and frames in order of time."""

import torch

from models.generators.recurrence import gated_recurrence, latest

BANDS, TIME, BATCH, CHANNELS = 3, 5, 2, 4


def by_definition(update: torch.Tensor, candidate: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    shape = (BANDS, -1, BATCH, CHANNELS)
    states, state = [], start.reshape(BANDS, BATCH, CHANNELS)
    for u, c in zip(update.reshape(shape).unbind(1), candidate.reshape(shape).unbind(1), strict=True):
        state = (1 - u) * state + u * c
        states.append(state)
    return torch.stack(states, dim=1).reshape(update.shape)


def random_inputs(time: int = TIME) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    update = torch.rand(BANDS * time * BATCH, CHANNELS, generator=generator, dtype=torch.float64)
    candidate = torch.randn(BANDS * time * BATCH, CHANNELS, generator=generator, dtype=torch.float64)
    start = torch.randn(BANDS * BATCH, CHANNELS, generator=generator, dtype=torch.float64)
    return update.requires_grad_(), candidate.requires_grad_(), start.requires_grad_()


def test_states_follow_the_definition() -> None:
    inputs = random_inputs()
    torch.testing.assert_close(gated_recurrence(*inputs, BANDS), by_definition(*inputs))


def test_a_single_step_follows_the_definition() -> None:
    inputs = random_inputs(time=1)
    torch.testing.assert_close(gated_recurrence(*inputs, BANDS), by_definition(*inputs))


def test_gradients_are_those_of_the_definition() -> None:
    def states(update: torch.Tensor, candidate: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        return gated_recurrence(update, candidate, start, BANDS)

    assert torch.autograd.gradcheck(states, random_inputs())


def test_the_last_frame_is_told_apart_from_bands_and_clips() -> None:
    frames = torch.arange(float(BANDS * TIME * BATCH)).reshape(-1, 1)
    before = -torch.ones(BANDS * BATCH, 1)
    assert torch.equal(latest(frames, before, BANDS).flatten(), frames.reshape(BANDS, TIME, BATCH)[:, -1].flatten())
    assert torch.equal(latest(before + 3, before, BANDS), before + 3)
