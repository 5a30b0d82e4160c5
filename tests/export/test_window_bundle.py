"""A U-Net as a bundle: proven like any other, and streamed by an SDK that knows nothing of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from export.__main__ import main
from export.bundle import FileReport, graph_around, offered, write_bundle
from export.formats import tflite_format
from export.hop_runner import run_clip
from export.material import synthesised_music
from export.onnx_file import OnnxRunner
from export.proof import ParityError, prove_fp32
from export.prover import ProofPlan
from export.window_graph import WindowedGenerator
from models.checkpoint import save_generator
from models.data.recordings import Recording
from models.data_card import write_data_card
from models.generators.unet import UNet, UNetConfig
from studiomic import Controls, Stream, load_bundle
from studiomic.command_line import main as studiomic_command
from studiomic.manifest import GRAPH_FORMATS, PRECISIONS, Manifest
from tests.support.runners import SkewedRunner
from tests.support.signals import noise, streamed

HOP = 512
CONFIG = UNetConfig(window=2 * HOP, channels=(6, 8), filters=(17, 9))
PLAN = ProofPlan(seconds=0.5, repeats=3, visqol=False)
RATES = (8000, 44100, 48000, 96000)
BLOCK_SIZES = (1, 480, HOP, HOP + 1, "random")
IDENTITY = Controls(0, 0, 0)
MIXED = Controls(denoise=0.75, dereverb=0.5, extend=0.25)


@pytest.fixture(scope="module")
def windows() -> UNet:
    torch.manual_seed(4)
    made = UNet(CONFIG).eval()
    torch.nn.init.normal_(made.last.weight, std=0.1)
    return made


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "data_card.csv"
    write_data_card(path, [Recording(Path("a.wav"), "a.wav", "music", "CC0-1.0", "Ann")])
    return path


@pytest.fixture(scope="module")
def reports() -> list[FileReport]:
    return []


@pytest.fixture(scope="module")
def bundle(windows: UNet, card: Path, reports: list[FileReport], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With every ONNX file that a U-Net is written as; nobody may write to it."""
    out = tmp_path_factory.mktemp("bundles") / "unet"
    write_bundle(windows, card, out, "unet", PLAN, ["onnx"], report=reports.append)
    return out


def test_every_file_that_can_be_proven_is_there(bundle: Path, reports: list[FileReport]) -> None:
    names = ["mono.onnx", "mono.fp16.onnx", "stereo.onnx", "stereo.fp16.onnx"]
    manifest = Manifest.read(bundle)
    assert [file.path for file in manifest.files] == [report.file.path for report in reports] == names
    assert (manifest.sample_rate, manifest.hop, manifest.graph_latency) == (48000, HOP, HOP)
    for file in manifest.files:
        assert 0 < file.parity.relative_error < {"fp32": 1e-4, "fp16": 10 ** (-50 / 20)}[file.precision]
    assert (bundle / "mono.fp16.onnx").stat().st_size < 0.7 * (bundle / "mono.onnx").stat().st_size


def test_the_command_takes_a_checkpoint_of_either_kind_and_tells_what_it_leaves_out(
    windows: UNet, card: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_generator(card.parent / "generator.safetensors", windows, windows.state_dict(), {})
    short = ["--formats", "onnx", "--precisions", "fp32", "int8", "--seconds", "0.1", "--name", "unet"]
    main(["--checkpoint", str(card.parent / "generator.safetensors"), "--out", str(tmp_path / "unet"), *short])
    assert (tmp_path / "unet" / "mono.onnx").read_bytes() == (bundle / "mono.onnx").read_bytes()
    assert "not written, as a UNet cannot be had in it: onnx int8\n" in capsys.readouterr().out


def test_tflite_is_proven_as_well(windows: UNet, tmp_path: Path) -> None:
    assert offered(windows, GRAPH_FORMATS, PRECISIONS) == {"onnx": ["fp32", "fp16"], "tflite": ["fp32"]}
    graph, form = graph_around(windows, 1), tflite_format()
    names = form.write(graph, tmp_path / "mono.tflite", "fp32", {}, form.convert(graph))
    runner = form.open(tmp_path / "mono.tflite", names)
    record = prove_fp32(graph, runner, synthesised_music(0.5, 48000, 1), "mono.tflite")
    assert 0 < record.relative_error < 1e-5
    assert record.runtime.startswith("LiteRT")


def test_what_is_offered_in_no_asked_for_precision_is_refused(windows: UNet, card: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got a request for onnx in int8, wanted some of what a UNet is written in"):
        write_bundle(windows, card, tmp_path / "b", "b", PLAN, ["onnx"], ["int8"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_off_is_refused_and_nothing_is_written(
    windows: UNet, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.formats.OnnxRunner", lambda path: SkewedRunner(OnnxRunner(path), output=1.0003))
    with pytest.raises(ParityError, match=r"mono.onnx differs from the generator at controls .*3\.00e-04"):
        write_bundle(windows, card, tmp_path / "bad", "bad", PLAN, ["onnx"], ["fp32"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("channels", [1, 2])
def test_the_stream_gives_what_the_generator_gives_over_the_whole(bundle: Path, windows: UNet, channels: int) -> None:
    music = synthesised_music(0.5, 48000, channels, seed=4)
    ruling = torch.from_numpy(MIXED.as_array()).repeat(-(-music.shape[1] // HOP), 1)
    with torch.no_grad():
        wanted = WindowedGenerator(windows)(torch.from_numpy(music)[None], ruling[None])[0].numpy().T
    stream = Stream(48000, channels, controls=MIXED, bundle=bundle)
    assert stream.latency == 2 * HOP - 1
    found = streamed(stream, np.ascontiguousarray(music.T), 777)[stream.latency :]
    assert np.abs(found - wanted).max() < 1e-4
    assert np.abs(found - music.T).max() > 1e-2


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_chunked_equals_whole_bit_for_bit(bundle: Path, rate: int, size: int | str) -> None:
    samples = noise(rate // 12 | 1, 2)
    whole = streamed(Stream(rate, 2, controls=MIXED, bundle=bundle), samples)
    stream = Stream(rate, 2, controls=MIXED, bundle=bundle)
    assert np.array_equal(streamed(stream, samples, size), whole)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_at_zero_controls_the_delayed_input_comes_out_bit_for_bit(bundle: Path, rate: int, kind: type) -> None:
    samples: NDArray[Any] = noise(rate // 12 | 1, 2)
    samples = (samples * 2**15).astype(kind) if kind is np.int16 else samples.astype(kind)
    stream = Stream(rate, 2, controls=IDENTITY, bundle=bundle)
    output = streamed(stream, samples, 480)
    assert not output[: stream.latency].any()
    assert np.array_equal(output[stream.latency :], samples)


def test_the_bypass_is_bit_exact_in_every_file(bundle: Path) -> None:
    music = synthesised_music(1.0, 48000, 1)[:, : 40 * HOP]
    for name in ("mono.onnx", "mono.fp16.onnx"):
        out, _ = run_clip(OnnxRunner(bundle / name), music, np.zeros((40, 3), np.float32), HOP)
        np.testing.assert_array_equal(out[:, HOP:], music[:, :-HOP])


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_flush_and_a_reset_leave_a_fresh_stream(bundle: Path, rate: int) -> None:
    samples = noise(4000, 1)
    wanted = streamed(Stream(rate, 1, controls=MIXED, bundle=bundle), samples)
    stream = Stream(rate, 1, controls=MIXED, bundle=bundle)
    stream.process(noise(3000, 1, seed=9))
    assert len(stream.flush()) == stream.latency
    assert np.array_equal(streamed(stream, samples), wanted)
    stream.process(noise(3000, 1, seed=9))
    stream.reset()
    assert np.array_equal(streamed(stream, samples), wanted)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_moving_controls_do_not_depend_on_the_cut(bundle: Path, rate: int) -> None:
    samples = noise(5001, 1)

    def moved(size: int) -> NDArray[np.float32]:
        stream = Stream(rate, 1, bundle=bundle)
        outputs = []
        for index, part in enumerate(np.array_split(samples, 9)):
            stream.controls = Controls(denoise=index / 9, dereverb=0, extend=0)
            outputs += [stream.process(part[start : start + size]) for start in range(0, len(part), size)]
        return np.concatenate([*outputs, stream.flush()])

    assert np.array_equal(moved(len(samples)), moved(31))


def test_channels_are_restored_each_by_itself(bundle: Path) -> None:
    samples = noise(4000, 2) * np.array([1.0, 0.01], np.float32)
    pair = streamed(Stream(48000, 2, controls=MIXED, bundle=bundle), samples)
    for channel in range(2):
        alone = streamed(Stream(48000, 1, controls=MIXED, bundle=bundle), samples[:, [channel]])
        assert np.abs(pair[:, [channel]] - alone).max() < 1e-6


def test_the_command_enhances_by_it(bundle: Path, tmp_path: Path) -> None:
    samples = noise(6001, 1)
    soundfile.write(tmp_path / "in.wav", samples, 48000, "FLOAT")
    command = ["enhance", str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--bundle", str(bundle), "--quiet"]
    assert studiomic_command(command) == 0
    found, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    stream = Stream(48000, 1, bundle=bundle)
    assert rate == 48000
    assert np.abs(found - streamed(stream, samples)[stream.latency :]).max() < 1e-4


def test_the_embedded_one_runs_by_its_name(tmp_path: Path) -> None:
    samples = noise(48001, 1)
    soundfile.write(tmp_path / "in.wav", samples, 48000, "FLOAT")
    command = ["enhance", str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--bundle", "unet", "--quiet"]
    assert studiomic_command(command) == 0
    found, _ = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    window = load_bundle("unet").manifest.hop * 2
    stream = Stream(48000, 1, bundle="unet")
    assert stream.latency == window - 1
    wanted = streamed(stream, samples, 480)[stream.latency :]
    assert found.shape == samples.shape
    assert np.abs(found - wanted).max() < 1e-4
    assert np.abs(found - samples).max() > 1e-3
