"""Weights that fit into 16 bits."""

from pathlib import Path

import pytest
import torch

from models.checkpoint import load_generator, save_generator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.rounding import LEAST_ELEMENTS, main, rounded


def test_large_tensors_are_rounded_and_small_ones_left() -> None:
    torch.manual_seed(1)
    weights = {"large": torch.randn(LEAST_ELEMENTS), "small": torch.randn(LEAST_ELEMENTS - 1)}
    found = rounded(weights)
    assert torch.equal(found["small"], weights["small"])
    assert found["large"].dtype == torch.float32
    assert torch.equal(found["large"], found["large"].half().float())
    assert 0 < float((found["large"] / weights["large"] - 1).abs().max()) <= 2**-11


def test_what_float16_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wide: got weights of up to 1e\+06, wanted at most 65504"):
        rounded({"wide": torch.full((LEAST_ELEMENTS,), 1e6)})


def test_a_file_is_rounded_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = BandSplitGenerator(BandSplitConfig(window=512, copy_shifts=(20,), blocks=1))
    save_generator(tmp_path / "given.safetensors", generator, generator.state_dict(), {"minutes": 1})
    main([str(tmp_path / "given.safetensors"), "--out", str(tmp_path / "rounded.safetensors")])
    found, facts = load_generator(tmp_path / "rounded.safetensors")
    assert facts == {"minutes": 1}
    wanted = rounded(generator.state_dict())
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.safetensors"), "--out", str(tmp_path / "never.safetensors")])
    assert "no weights at" in capsys.readouterr().err
    assert not (tmp_path / "never.safetensors").exists()
