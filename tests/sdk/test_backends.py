"""Which of a bundle's files runs, and in what: the choice reaches the graph from every entrance, or is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from studiomic import InvalidOptionError, MissingExtraError, Stream, enhance, enhance_file, load_bundle
from studiomic.command_line import main
from tests.support.graphs import fake_bundle
from tests.support.signals import noise, streamed

BACKENDS = ("onnx", "tflite")
RATE = 48000
NEAR = 1e-6
"""Between runtimes that calculate the same in another order."""


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, noise(5000, 1), RATE, "FLOAT")
    return path


@pytest.fixture
def wanted() -> NDArray[Any]:
    return enhance(noise(5000, 1), RATE, bundle=fake_bundle()).samples


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_entrance_takes_a_backend(
    backend: str, two_formats: Path, take: Path, wanted: NDArray[Any], tmp_path: Path
) -> None:
    samples = noise(5000, 1)
    stream = Stream(RATE, 1, bundle=two_formats, backend=backend, threads=2)
    assert np.abs(streamed(stream, samples)[stream.latency :] - wanted).max() < NEAR
    assert np.abs(enhance(samples, RATE, bundle=two_formats, backend=backend).samples - wanted).max() < NEAR
    enhance_file(take, tmp_path / "in_python.wav", bundle=two_formats, backend=backend)
    assert np.abs(soundfile.read(tmp_path / "in_python.wav")[0] - wanted[:, 0]).max() < NEAR
    command = ["enhance", str(take), str(tmp_path / "commanded.wav"), "--bundle", str(two_formats), "--quiet"]
    assert main([*command, "--backend", backend, "--precision", "fp32", "--threads", "1"]) == 0
    assert np.abs(soundfile.read(tmp_path / "commanded.wav")[0] - wanted[:, 0]).max() < NEAR


def test_a_folder_and_the_demo_take_a_backend(two_formats: Path, take: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    take.rename(tmp_path / "in" / "take.wav")
    options = ["--bundle", str(two_formats), "--backend", "tflite", "--quiet"]
    assert main(["enhance", str(tmp_path / "in"), str(tmp_path / "out"), *options]) == 0
    assert soundfile.info(tmp_path / "out" / "take.wav").frames == 5000
    soundfile.write(tmp_path / "longer.wav", noise(2 * RATE, 1), RATE)
    assert main(["demo", str(tmp_path / "longer.wav"), "--out", str(tmp_path / "demo"), *options]) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_runtime_says_what_it_is(backend: str, two_formats: Path) -> None:
    import ai_edge_litert
    import onnxruntime

    names = {
        "onnx": f"ONNX Runtime {onnxruntime.__version__}",
        "tflite": f"LiteRT {ai_edge_litert.__version__}",
    }
    assert load_bundle(two_formats).open(1, backend).name == names[backend]


def test_a_bundle_without_the_format_tells_what_it_offers_and_where_more_are(
    tiny_bundle: Path, take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--bundle", str(tiny_bundle), "--backend", "tflite", "--precision", "int8"]
    assert main(["enhance", str(take), str(tmp_path / "out.wav"), *options]) == 64
    told = capsys.readouterr().err
    assert "bundle 'tiny': got a request for tflite int8 (1 channels), wanted one that the bundle offers" in told
    assert "onnx fp32 (1 channels), onnx fp32 (2 channels)" in told
    assert "'python -m export'" in told
    assert "--bundle" in told


def test_a_missing_runtime_gives_the_command_that_installs_it(
    two_formats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"mono\.tflite needs .*pip install 'studiomic\[tflite\]'"):
        load_bundle(two_formats).open(1, "tflite")


def test_the_providers_are_those_of_onnx_runtime(two_formats: Path) -> None:
    runtime = load_bundle(two_formats).open(1, providers=["CPUExecutionProvider"])
    assert runtime.name.startswith("ONNX Runtime")
    with pytest.raises(InvalidOptionError) as caught:
        Stream(RATE, 1, bundle=two_formats, providers=("NoSuchExecutionProvider", "CPUExecutionProvider"))
    assert "providers: got NoSuchExecutionProvider, wanted what this onnxruntime" in str(caught.value)
    assert "CPUExecutionProvider" in str(caught.value)


@pytest.mark.parametrize("providers", ["CPUExecutionProvider", (), [1], 5])
def test_providers_that_are_no_names_are_refused(providers: Any, two_formats: Path) -> None:
    with pytest.raises(InvalidOptionError, match=r"providers: got .*wanted names of ONNX Runtime's"):
        Stream(RATE, 1, bundle=two_formats, providers=providers)


def test_other_backends_have_no_providers(two_formats: Path) -> None:
    with pytest.raises(InvalidOptionError, match=r"got CPUExecutionProvider for the backend 'tflite', wanted none"):
        Stream(RATE, 1, bundle=two_formats, backend="tflite", providers=("CPUExecutionProvider",))


def test_the_command_hands_providers_on(two_formats: Path, take: Path, tmp_path: Path) -> None:
    command = ["enhance", str(take), str(tmp_path / "out.wav"), "--bundle", str(two_formats), "--quiet"]
    assert main([*command, "--providers", "CPUExecutionProvider"]) == 0
    assert main([*command, "--overwrite", "--providers", "NoSuchExecutionProvider"]) == 64
