"""The gated linear recurrence against its definition, forwards and backwards."""

import torch

from models.generators.recurrence import linear_recurrence


def by_definition(decay: torch.Tensor, drive: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    states, state = [], start
    for t in range(drive.shape[1]):
        state = decay[:, t] * state + drive[:, t]
        states.append(state)
    return torch.stack(states, dim=1)


def random_inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    decay = torch.rand(3, 5, 2, 4, generator=generator, dtype=torch.float64)
    drive = torch.randn(3, 5, 2, 4, generator=generator, dtype=torch.float64)
    start = torch.randn(3, 2, 4, generator=generator, dtype=torch.float64)
    return decay.requires_grad_(), drive.requires_grad_(), start.requires_grad_()


def test_states_follow_the_definition() -> None:
    inputs = random_inputs()
    torch.testing.assert_close(linear_recurrence(*inputs), by_definition(*inputs))


def test_a_single_step_follows_the_definition() -> None:
    decay, drive, start = random_inputs()
    one = linear_recurrence(decay[:, :1], drive[:, :1], start)
    torch.testing.assert_close(one, by_definition(decay[:, :1], drive[:, :1], start))


def test_gradients_are_those_of_the_definition() -> None:
    assert torch.autograd.gradcheck(linear_recurrence, random_inputs())
