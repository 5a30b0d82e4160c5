"""Weights and training state on disk: safetensors beside JSON, never pickles, written whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.earlier_layouts import (
    from_fifth_layout,
    from_first_layout,
    from_fourth_layout,
    from_second_layout,
    from_third_layout,
)
from models.generators.unet import UNet, UNetConfig

Generator = BandSplitGenerator | UNet
BAND_SPLIT, UNET = "band_split", "unet"
GENERATORS = (BAND_SPLIT, UNET)
FIRST_LAYOUT, SECOND_LAYOUT, THIRD_LAYOUT, FOURTH_LAYOUT, FIFTH_LAYOUT, LAYOUT = "1", "2", "3", "4", "5", "6"
"""How a streaming generator's weights lie; a file that says nothing has the first layout."""


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, partial, metadata)
    partial.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises ValueError where it is missing or no such file."""
    if not path.is_file():
        raise ValueError(f"no weights at {path}; wanted a .safetensors file, as models.train writes it")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is no readable safetensors file: {error}") from error


def kind_of(generator: Generator) -> str:
    """What the `generator` field of a weights file calls it, one of GENERATORS."""
    return UNET if isinstance(generator, UNet) else BAND_SPLIT


def config_text(config: BandSplitConfig | UNetConfig) -> str:
    """A configuration as JSON."""
    return json.dumps(asdict(config))


def read_config(text: str) -> dict[str, Any]:
    """What `config_text` wrote, for a configuration's constructor."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}


def save_generator(path: Path, generator: Generator, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a generator's `weights` with its configuration and `facts` (how it was trained) in the file's metadata."""
    metadata = {
        "generator": kind_of(generator),
        "config": config_text(generator.config),
        "layout": LAYOUT,
        "facts": json.dumps(facts),
    }
    write_tensors(path, weights, metadata)


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """The generator in a weights file, of either kind, in evaluation mode, and the facts written with it.

    Weights in earlier layouts are brought to today's. Raises ValueError where the file is missing or holds something
    else.
    """
    tensors, metadata = read_tensors(path)
    kind = metadata.get("generator")
    if kind not in GENERATORS:
        raise ValueError(f"{path} holds a generator of kind {kind!r}, wanted one of {', '.join(GENERATORS)}")
    config = read_config(metadata["config"])
    generator: Generator
    generator = UNet(UNetConfig(**config)) if kind == UNET else BandSplitGenerator(BandSplitConfig(**config))
    layout = metadata.get("layout", FIRST_LAYOUT) if kind == BAND_SPLIT else LAYOUT
    if layout == FIRST_LAYOUT:
        tensors, layout = from_first_layout(tensors), SECOND_LAYOUT
    if layout == SECOND_LAYOUT:
        tensors, layout = from_second_layout(tensors, generator.state_dict()), THIRD_LAYOUT
    if layout == THIRD_LAYOUT and isinstance(generator, BandSplitGenerator):
        tensors, layout = from_third_layout(tensors, generator.layout), FOURTH_LAYOUT
    if layout == FOURTH_LAYOUT and isinstance(generator, BandSplitGenerator):
        tensors, layout = from_fourth_layout(tensors, generator.layout), FIFTH_LAYOUT
    if layout == FIFTH_LAYOUT:
        tensors = from_fifth_layout(tensors)
    generator.load_state_dict(tensors)
    return generator.eval(), json.loads(metadata["facts"])


def load_band_split(path: Path) -> tuple[BandSplitGenerator, dict[str, Any]]:
    """The streaming generator in a weights file, as `load_generator`. Raises ValueError for a U-Net, too."""
    generator, facts = load_generator(path)
    if not isinstance(generator, BandSplitGenerator):
        raise ValueError(f"{path} holds a generator of kind {kind_of(generator)!r}, wanted {BAND_SPLIT!r}")
    return generator, facts


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's running moments as named tensors."""
    return {
        f"optimizer.{index}.{name}": value
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Undo `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        prefix, _, rest = name.partition(".")
        if prefix == "optimizer":
            index, _, moment = rest.partition(".")
            state.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_training(
    path: Path,
    prefix: str,
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    metadata: dict[str, str],
    facts: dict[str, Any],
) -> None:
    """Write a module that helps in training, its weights' names after `prefix`, with all that going on needs."""
    tensors = {f"{prefix}{name}": value for name, value in module.state_dict().items()}
    write_tensors(path, tensors | optimizer_tensors(optimizer), {**metadata, "facts": json.dumps(facts)})


def restore_training(
    path: Path, prefix: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> dict[str, Any]:
    """Undo `save_training`, into a module of the same configuration; returns the facts."""
    tensors, metadata = read_tensors(path)
    module.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    if optimizer is not None:
        restore_optimizer(optimizer, tensors)
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return facts
