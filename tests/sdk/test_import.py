"""What `import studiomic` brings, and what it must not."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import studiomic
from studiomic import errors

SDK = Path(__file__).parents[2] / "sdk"
HEAVY = ("torch", "matplotlib", "av", "scipy", "tqdm", "onnx", "onnxruntime")
PUBLIC = {
    "AudioFileError",
    "AudioFormatError",
    "AudioReadError",
    "AudioWriteError",
    "Bundle",
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "ContractError",
    "Controls",
    "Enhanced",
    "FileReport",
    "InvalidAudioError",
    "InvalidControlError",
    "InvalidLayoutError",
    "InvalidOptionError",
    "InvalidRateError",
    "MissingExtraError",
    "RuntimeFailureError",
    "Stream",
    "StreamBusyError",
    "StreamStatistics",
    "StudiomicError",
    "__version__",
    "enhance",
    "enhance_file",
    "load_bundle",
}


def in_fresh_interpreter(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SDK)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_brings_nothing_heavy() -> None:
    loaded = in_fresh_interpreter("import sys, studiomic; print(' '.join(sorted(sys.modules)))").split()
    assert "studiomic.stream" in loaded
    assert not {module.split(".")[0] for module in loaded} & set(HEAVY)


def test_enhancing_brings_onnxruntime_and_no_torch(tiny_bundle: Path) -> None:
    code = (
        "import sys, numpy, studiomic; "
        f"studiomic.enhance(numpy.zeros(2048, numpy.float32), 48000, bundle={str(tiny_bundle)!r}); "
        "print(' '.join(sorted(sys.modules)))"
    )
    loaded = {module.split(".")[0] for module in in_fresh_interpreter(code).split()}
    assert loaded & set(HEAVY) == {"onnxruntime"}


def test_the_public_names_are_exactly_these() -> None:
    assert set(studiomic.__all__) == PUBLIC
    assert list(studiomic.__all__) == sorted(studiomic.__all__)
    assert all(hasattr(studiomic, name) for name in PUBLIC)


def test_every_error_of_the_tree_is_public_and_below_its_root() -> None:
    classes = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
    tree = {name for name, value in classes.items() if value.__module__ == errors.__name__}
    assert tree == {name for name in PUBLIC if name.endswith("Error")}
    assert all(issubclass(getattr(errors, name), errors.StudiomicError) for name in tree)
