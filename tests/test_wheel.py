"""What is published: a wheel that is small, whole, and enhances in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
LARGEST_WHEEL_BYTES = 11_000_000
LARGEST_BUNDLE_FILE_BYTES = 4_000_000


def run(*command: str | Path, cwd: Path) -> str:
    """Run away from the checkout, without what this process's environment would add to the path; return the output."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    finished = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel. Its build tree lies apart, so that nothing left over in the checkout gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    build: list[str | Path] = ["egg_info", "--egg-base", folder, "build", "--build-base", folder / "build"]
    run(sys.executable, "setup.py", "-q", *build, "bdist_wheel", "--dist-dir", folder, cwd=ROOT)
    (built,) = folder.glob("studiomic-*.whl")
    return built


@pytest.fixture(scope="module")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    run(scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder)
    return scripts


def test_the_wheel_is_small_and_holds_what_it_needs(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST_WHEEL_BYTES
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    bundle = {Path(name).name: size for name, size in sizes.items() if name.startswith("studiomic/bundles/studio/")}
    assert {"manifest.json", "mono.onnx", "stereo.onnx", "data_card.csv"} <= set(bundle)
    assert max(bundle.values()) < LARGEST_BUNDLE_FILE_BYTES
    assert {"studiomic/samples/take.flac", "studiomic/samples/truth.flac", "studiomic/py.typed"} <= set(sizes)
    assert {name.split("/")[0].split("-")[0] for name in sizes} == {"studiomic"}


def test_the_wheel_enhances_in_an_empty_environment(empty_environment: Path, tmp_path: Path) -> None:
    take = 0.1 * np.random.default_rng(17).standard_normal((48000, 2))
    soundfile.write(tmp_path / "take.wav", take, 48000, "PCM_24")
    run(empty_environment / "studiomic", "enhance", "take.wav", "better.wav", cwd=tmp_path)
    before, after = (soundfile.read(tmp_path / name)[0] for name in ("take.wav", "better.wav"))
    assert after.shape == before.shape
    assert np.all(np.isfinite(after))
    assert np.sqrt(np.mean((after - before) ** 2)) > 1e-4
    where = run(empty_environment / "python", "-c", "import studiomic; print(studiomic.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(empty_environment.parent)


def test_the_demo_runs_there_without_the_extras(empty_environment: Path, tmp_path: Path) -> None:
    printed = run(empty_environment / "studiomic", "demo", cwd=tmp_path)
    assert "real-time factor" in printed
    assert sorted(os.listdir(tmp_path / "demo_out")) == ["after.wav", "before.wav"]
