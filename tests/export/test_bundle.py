"""From a generator to a bundle: the graph is the generator, hop by hop, and nothing unproven is written."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch

import studiomic
from export.__main__ import main
from export.bundle import FileReport, graph_around, write_bundle
from export.hop_runner import run_clip
from export.material import read_music, synthesised_music
from export.mil_interpreter import runs_coreml
from export.onnx_file import OnnxRunner, count_onnx_operators
from export.proof import ParityError, prove_fp32
from export.prover import ProofPlan
from models.checkpoint import load_generator, save_generator
from models.data.recordings import Recording
from models.data_card import write_data_card
from models.generators.band_split import BandSplitGenerator
from models.generators.declipping import WAITED_FOR
from studiomic.manifest import METADATA_KEY, LossRecord, Manifest, sha256_of
from tests.support.runners import SkewedRunner

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED_WEIGHTS = ROOT / "models" / "weights"
EMBEDDED_BUNDLES = ROOT / "sdk" / "studiomic" / "bundles"
LARGEST_FILE_BYTES = 4_000_000
MOST_NODES = {"studio": {1: 120, 2: 121}, "live": {1: 281, 2: 285}}
"""By bundle and channels, every 10 ms: nodes cost ONNX Runtime about as much as their arithmetic. So many cost what was
measured (README, "What it costs")."""
LARGEST_STREAMING_FILE_BYTES = 3_000_000
LONGEST_DELAY_SECONDS = {"studio": 0.09, "live": 0.022}
"""Of the graph's latency and a hop."""
LATENCY = 1024 + WAITED_FOR + 1
SECONDS = 1.5
PLAN = ProofPlan(seconds=SECONDS, repeats=3, visqol=False)


@pytest.fixture(scope="module")
def checkpoint(generator: BandSplitGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_generator(folder / "generator.safetensors", generator, generator.state_dict(), {})
    write_data_card(folder / "data_card.csv", [Recording(Path("a.wav"), "a.wav", "music", "CC0-1.0", "Ann")])
    return folder / "generator.safetensors"


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "small"
    short = ["--seconds", str(SECONDS), "--repeats", "3", "--no-visqol"]
    main(["--checkpoint", str(checkpoint), "--out", str(out), "--formats", "onnx", *short])
    return out


def test_the_bundle_is_complete_and_its_errors_are_measured(bundle: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == [
        "data_card.csv",
        "manifest.json",
        "mono.fp16.onnx",
        "mono.int8.onnx",
        "mono.onnx",
        "stereo.fp16.onnx",
        "stereo.int8.onnx",
        "stereo.onnx",
    ]
    manifest = Manifest.read(bundle)
    assert (manifest.hop, manifest.graph_latency) == (1024, LATENCY)
    assert manifest.data_card.licences == {"CC0-1.0": 1}
    for file in manifest.files:
        largest = {"fp32": 1e-4, "fp16": 10 ** (-50 / 20), "int8": 10 ** (-30 / 20)}[file.precision]
        assert 0 < file.parity.relative_error < largest
        assert 0 < file.parity.largest_error < largest
        assert file.parity.state_error > 0
        assert file.parity.runtime.startswith("ONNX Runtime 1.")
        repeats = 1 if file.precision == "fp32" else 3
        assert file.parity.seconds == pytest.approx(repeats * SECONDS, abs=0.06)
        if file.precision == "int8":
            assert isinstance(file.parity.loss, LossRecord)
            assert abs(file.parity.loss.si_sdr_db) <= 0.3
        else:
            assert file.parity.loss is None


def test_each_file_carries_its_contract_and_no_path_of_the_machine(bundle: Path) -> None:
    manifest = Manifest.read(bundle)
    for file in manifest.files:
        model = onnx.load(bundle / file.path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(metadata[METADATA_KEY]) == json.loads(manifest.embedded_contract(file.channels))
        assert str(ROOT).encode() not in (bundle / file.path).read_bytes()


def test_shapes_are_static_and_control_flow_is_absent(bundle: Path) -> None:
    for file in Manifest.read(bundle).files:
        model = onnx.load(bundle / file.path)
        for value in (*model.graph.input, *model.graph.output):
            assert all(axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim)
        assert not {node.op_type for node in model.graph.node} & {
            "Loop",
            "If",
            "Scan",
            "Gather",
            "GatherND",
            "NonZero",
            "Where",
        }


def test_the_sdk_streams_what_the_generator_says(bundle: Path, generator: BandSplitGenerator) -> None:
    music = synthesised_music(SECONDS, 48000, 2, seed=4)
    with torch.no_grad():
        wanted = generator(torch.from_numpy(music)[None], torch.tensor([[1.0, 0.5, 0.25]]))[0].numpy().T
    controls = studiomic.Controls(denoise=1.0, dereverb=0.5, extend=0.25)
    stream = studiomic.Stream(48000, 2, bundle=bundle, controls=controls)
    found = np.concatenate(
        [*(stream.process(music.T[i : i + 777]) for i in range(0, music.shape[1], 777)), stream.flush()]
    )
    assert np.max(np.abs(found[stream.latency :] - wanted)) < 1e-4
    assert stream.latency == LATENCY + 1023


def test_the_bypass_is_bit_exact_in_the_graph(bundle: Path) -> None:
    music = synthesised_music(SECONDS, 48000, 1)[:, : 60 * 1024]
    out, _ = run_clip(OnnxRunner(bundle / "mono.onnx"), music, np.zeros((60, 3), np.float32), 1024)
    np.testing.assert_array_equal(out[:, LATENCY:], music[:, :-LATENCY])


def test_a_graph_that_is_off_is_refused_and_nothing_is_written(
    generator: BandSplitGenerator, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.formats.OnnxRunner", lambda path: SkewedRunner(OnnxRunner(path), output=1.0003))
    with pytest.raises(
        ParityError, match=r"mono.onnx differs from the generator at controls .*relative error 3\.00e-04"
    ):
        write_bundle(generator, checkpoint.parent / "data_card.csv", tmp_path / "bad", "bad", PLAN)
    assert list(tmp_path.iterdir()) == []


def test_every_format_and_precision_is_offered_and_no_other(
    generator: BandSplitGenerator, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = checkpoint.parent / "data_card.csv"
    with pytest.raises(ValueError, match=r"formats: got onnx, caffe, wanted some of: onnx, tflite, coreml"):
        write_bundle(generator, card, tmp_path / "bad", "bad", PLAN, formats=["onnx", "caffe"])
    with pytest.raises(ValueError, match=r"precisions: got none, wanted some of: fp32, fp16, int8"):
        write_bundle(generator, card, tmp_path / "bad", "bad", PLAN, precisions=[])
    monkeypatch.setattr("export.bundle.GRAPH_NAMES", {1: "mono"})
    reports: list[FileReport] = []
    formats, precisions = ["coreml", "tflite"], ["int8"]
    write_bundle(generator, card, tmp_path / "b", "b", PLAN, formats, precisions, report=reports.append)
    assert [report.file.path for report in reports] == ["mono.int8.tflite", "mono.int8.mlpackage"]
    assert [report.file.sha256 for report in reports] == [
        sha256_of(tmp_path / "b" / name) for name in ("mono.int8.tflite", "mono.int8.mlpackage")
    ]
    assert [report.time is None for report in reports] == [False, not runs_coreml()]
    assert all(report.operators > 100 and report.bytes > 10_000 for report in reports)


def test_the_proof_takes_a_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", 0.1 * np.ones((4800, 1)), 48000)
    music = read_music(tmp_path / "song.wav", 0.2, 48000, 2)
    assert music.shape == (2, 9600)
    np.testing.assert_allclose(music, 0.1, atol=1e-4)
    soundfile.write(tmp_path / "slow.wav", np.ones(4800), 16000)
    with pytest.raises(ValueError, match=r"16000 Hz, wanted 48000 Hz"):
        read_music(tmp_path / "slow.wav", 0.2, 48000, 1)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 48000)
    with pytest.raises(ValueError, match="holds no samples"):
        read_music(tmp_path / "empty.wav", 0.2, 48000, 1)


@pytest.mark.parametrize("name", ["studio", "live", "unet"])
def test_an_embedded_bundle_is_the_weights_beside_it(name: str) -> None:
    """The bundles in the package come from the weights in the checkout, and their cards with them."""
    weights, bundle = EMBEDDED_WEIGHTS / name, EMBEDDED_BUNDLES / name
    generator, _ = load_generator(weights / "generator.safetensors")
    manifest = Manifest.read(bundle)
    assert manifest.name == name
    for file in manifest.files:
        music = synthesised_music(SECONDS, 48000, file.channels, seed=1)
        path = bundle / file.path
        parity = prove_fp32(graph_around(generator, file.channels), OnnxRunner(path), music, file.path)
        assert max(parity.relative_error, parity.largest_error, parity.state_error) < 1e-4
        assert file.parity.seconds >= 59.9
        assert path.stat().st_size < LARGEST_FILE_BYTES
    assert (weights / "data_card.csv").read_bytes() == (bundle / "data_card.csv").read_bytes()


@pytest.mark.parametrize("name", ["studio", "live"])
def test_the_embedded_streaming_graphs_are_small_and_early(name: str) -> None:
    bundle = EMBEDDED_BUNDLES / name
    manifest = Manifest.read(bundle)
    assert (manifest.graph_latency + manifest.hop) / manifest.sample_rate <= LONGEST_DELAY_SECONDS[name]
    for file in manifest.files:
        assert (bundle / file.path).stat().st_size <= LARGEST_STREAMING_FILE_BYTES
        hops = 0.01 * manifest.sample_rate / manifest.hop
        assert hops * count_onnx_operators(bundle / file.path) <= MOST_NODES[name][file.channels]
