"""Several processes learn as one with the batch of all; precisions."""

import csv
import json
import math
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import multiprocessing

from models.adversarial import AdversarialWeights
from models.checkpoint import load_generator
from models.data.dataset import Batch
from models.discriminators.stored import discriminator_for
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig
from models.opponent import Opponent
from models.precision import Precision, autocast
from models.processes import ALONE, Processes, joined_processes
from models.reconstruction import ReconstructionWeights
from models.train import main
from models.trainer import Trainer, TrainingOptions

NARROW = UNetConfig(sample_rate=10000, window=512, channels=(4, 6), filters=(9, 5), dropout=0.0)
PLAYING = AdversarialWeights(features=0.0, alone_share=0.5, learning_rate=1e-3)
STEPS = 6
PROCESSES = 2


def four_clips() -> Batch:
    random = torch.Generator().manual_seed(0)
    target = 0.2 * torch.sin(torch.arange(1024) * torch.arange(1, 5).reshape(4, 1, 1) / 20)
    nyquist = torch.full((4,), 5000.0)
    return Batch(target + 0.1 * torch.randn(target.shape, generator=random), target, torch.ones(4, 3), nyquist, nyquist)


def share(batch: Batch, processes: Processes) -> Batch:
    """Each process's own clips."""
    rows = slice(processes.rank * 4 // processes.size, (processes.rank + 1) * 4 // processes.size)
    return Batch(
        batch.degraded[rows], batch.target[rows], batch.controls[rows], batch.passband_hz[rows], batch.cutoff_hz[rows]
    )


def curve(out: Path, processes: Processes) -> list[dict[str, float]]:
    """The figures of a few steps, half of them against a discriminator."""
    torch.manual_seed(0)
    generator = UNet(NARROW)
    opponent = Opponent(discriminator_for(generator, "first_half", True), PLAYING, processes)
    options = TrainingOptions(
        minutes=1,
        batch=4 // processes.size,
        learning_rate=3e-3,
        reconstruction=ReconstructionWeights("l2", 0.0),
        adversarial=PLAYING,
    )
    trainer = Trainer(out, generator, options, opponent, processes=processes)
    rows = []
    for step in range(STEPS):
        trainer.minutes = processes.agreed(0.1 if step < STEPS // 2 else 0.6 + processes.rank)
        rows.append({**trainer.step(share(four_clips(), processes)), "examples": float(trainer.examples)})
    return rows


def in_a_process(rank: int, ports: tuple[int, int], folder: Path) -> None:
    """What torchrun makes of a process, then a curve, and a run by the command."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(PROCESSES)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    with joined_processes() as processes:
        rows = curve(folder, processes)
    (folder / f"curve{rank}.json").write_text(json.dumps(rows))
    os.environ["MASTER_PORT"] = str(ports[1])  # the other process may still be at the first
    places = ["--audio", str(folder / "songs"), "--out", str(folder / "run"), "--cache", str(folder / "cache")]
    sizes = ["--sample-rate", "10000", "--window", "512", "--depth", "2", "--width", "4", "--threads", "1"]
    rest = ["--batch", "1", "--seconds", "0.5", "--rooms", "0", "--workers", "0", "--degradations", "resample 5000"]
    main([*places, *sizes, *rest, "--generator", "unet", "--minutes", "0.01"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(96000)
    soundfile.write(tmp_path / "songs" / "song.wav", noise, 48000)
    multiprocessing.spawn(in_a_process, ((free_port(), free_port()), tmp_path), nprocs=PROCESSES)
    alone = curve(tmp_path, ALONE)
    assert all("discriminator" in row for row in alone[STEPS // 2 :])
    assert alone[-1]["waveform"] != alone[0]["waveform"]
    for rank in range(PROCESSES):
        together = json.loads((tmp_path / f"curve{rank}.json").read_text())
        for ours, wanted in zip(together, alone, strict=True):
            assert ours == pytest.approx(wanted, rel=1e-4)
    generator, facts = load_generator(tmp_path / "run" / "generator.safetensors")
    assert facts["processes"] == PROCESSES
    assert all(bool(value.isfinite().all()) for value in generator.state_dict().values())
    with open(tmp_path / "run" / "curve.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert float(rows[-1]["examples"]) == PROCESSES * facts["steps"]


def test_a_process_started_by_hand_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes() as processes:
        assert (processes.rank, processes.size, processes.first) == (0, 1, True)
        assert processes.mean({"loss": 2.0}) == {"loss": 2.0}
        assert processes.agreed(3.0) == 3.0
        module = UNet(NARROW)
        assert processes.parallel(module) is module


@pytest.mark.parametrize("kind", ["unet", "band_split"])
def test_half_the_bits_learn_much_the_same(tmp_path: Path, kind: str) -> None:
    losses: dict[Precision, list[float]] = {}
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        torch.manual_seed(0)
        streaming = BandSplitConfig(channels=8, blocks=1, band_hidden=8, channel_hidden=8)
        generator = UNet(NARROW) if kind == "unet" else BandSplitGenerator(streaming)
        options = TrainingOptions(
            minutes=1, reconstruction=ReconstructionWeights("l2", 0.0), adversarial=PLAYING, precision=precision
        )
        opponent = Opponent(discriminator_for(generator, "first_half", False), PLAYING, precision=precision)
        trainer = Trainer(tmp_path, generator, options, opponent)
        trainer.minutes = 0.6
        batch = four_clips()
        losses[precision] = [trainer.step(batch)["loss"] for _ in range(5)]
        assert all(parameter.dtype == torch.float32 for parameter in generator.parameters())
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert all(math.isfinite(loss) for loss in losses["bf16"])


def test_precisions_that_are_none_are_refused_and_auto_is_exact_on_processors() -> None:
    with pytest.raises(ValueError, match="got 'fp8', wanted one of auto, fp32, bf16"):
        autocast("fp8", torch.device("cpu"))  # type: ignore[arg-type] # on purpose
    matrix = torch.eye(2)
    with autocast("auto", torch.device("cpu")):
        assert (matrix @ matrix).dtype == torch.float32
    with autocast("bf16", torch.device("cpu")):
        assert (matrix @ matrix).dtype == torch.bfloat16
