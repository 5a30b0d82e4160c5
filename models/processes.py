"""The processes of a run: one, or as many as torchrun starts, each with its own processor or GPU.

Data parallel (torch's DistributedDataParallel: Li et al. 2020, arXiv 2006.15704): each process draws its own examples,
and gradients are averaged, so that n processes learn as one with n times the batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models.memory import keep_freed_memory


@dataclass(frozen=True)
class Processes:
    """This process, number `rank` of `size`, computes on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 a device is a name, and never changes

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, with gradients averaged over all processes; it begins with the first one's weights."""
        return DistributedDataParallel(module, forward_sync_buffers=False) if self.size > 1 else module

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Figures of the same names, averaged over all processes."""
        if self.size == 1:
            return dict(figures)
        values = torch.tensor(list(figures.values()), dtype=torch.float64, device=self.device)
        distributed.all_reduce(values)
        return dict(zip(figures, (values / self.size).tolist(), strict=True))

    def agreed(self, value: float) -> float:
        """The first process's value: clocks differ, and all must stop after the same step."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, src=0)
        return float(shared)


ALONE = Processes()


def prepare_process(seed: int, threads: int) -> None:
    """What every training command begins with: random numbers from `seed`, so many processor threads, and memory that
    stays."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    keep_freed_memory()


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """What torchrun started this process as, on its GPU where there is one; alone where it was started by hand."""
    size, local_rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    if size == 1:
        yield Processes(device=device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()
