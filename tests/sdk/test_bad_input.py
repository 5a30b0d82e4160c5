"""Bad input of every kind: each case names its error, and what the message must say came and was wanted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from studiomic import (
    BundleCorruptError,
    BundleNotFoundError,
    ContractError,
    Controls,
    InvalidAudioError,
    InvalidControlError,
    InvalidLayoutError,
    InvalidOptionError,
    InvalidRateError,
    MissingExtraError,
    RuntimeFailureError,
    Stream,
    StudiomicError,
    enhance,
    load_bundle,
)
from studiomic.manifest import MANIFEST_NAME, Manifest, sha256_of
from studiomic.whole import WholeEnhancer
from tests.support.graphs import FakeBundle, graph_file, own_name, small_manifest, small_model

SILENCE = np.zeros(100, np.float32)
RATES_WANTED = "wanted an integer from 8000 to 192000 Hz"
TYPES_WANTED = "wanted one of float32, float64, int16, int32"


@dataclass(frozen=True)
class Case:
    """A call that must fail with `error`, whose message must hold every one of `says`."""

    name: str
    call: Callable[[FakeBundle], object]
    error: type[StudiomicError]
    says: tuple[str, ...]


def stream(fake: FakeBundle, *arguments: Any, **options: Any) -> Stream:
    return Stream(*arguments, bundle=fake, **options)


def with_bad(value: float, kind: type = np.float32) -> np.ndarray[Any, Any]:
    samples: np.ndarray[Any, Any] = np.zeros((50, 2), kind)
    samples[17:, 1] = value
    return samples


CALLS = [
    # rates
    Case("rate too low", lambda b: stream(b, 7999), InvalidRateError, ("got 7999 Hz", RATES_WANTED)),
    Case("rate too high", lambda b: stream(b, 192001), InvalidRateError, ("got 192001 Hz", RATES_WANTED)),
    Case("rate of zero", lambda b: stream(b, 0), InvalidRateError, ("got 0 Hz", RATES_WANTED)),
    Case("negative rate", lambda b: enhance(SILENCE, -48000, bundle=b), InvalidRateError, ("-48000", RATES_WANTED)),
    Case("rate as bool", lambda b: stream(b, True), InvalidRateError, ("got True (bool)", RATES_WANTED)),
    Case("rate as text", lambda b: stream(b, "48000"), InvalidRateError, ("got '48000' (str)", RATES_WANTED)),
    Case("rate as float", lambda b: stream(b, 44100.0), InvalidRateError, ("got 44100.0 (float)", RATES_WANTED)),
    Case("no rate", lambda b: enhance(SILENCE, None, bundle=b), InvalidRateError, ("None", RATES_WANTED)),  # type: ignore[arg-type] # on purpose
    Case(
        "output rate out of range",
        lambda b: enhance(SILENCE, 48000, output_rate=4000, bundle=b),
        InvalidRateError,
        ("output rate: got 4000 Hz", RATES_WANTED),
    ),
    Case(
        "output rate as bool",
        lambda b: WholeEnhancer(48000, 1, output_rate=True, bundle=b),
        InvalidRateError,
        ("output rate: got True (bool)", RATES_WANTED),
    ),
    # channels and groups
    Case(
        "no channels", lambda b: stream(b, 48000, 0), InvalidLayoutError, ("got 0", "wanted an integer from 1 to 128")
    ),
    Case("129 channels", lambda b: stream(b, 48000, 129), InvalidLayoutError, ("got 129", "from 1 to 128")),
    Case("channels as bool", lambda b: stream(b, 48000, True), InvalidLayoutError, ("True (bool)", "from 1 to 128")),
    Case("channels as text", lambda b: stream(b, 48000, "2"), InvalidLayoutError, ("got '2' (str)", "from 1 to 128")),
    Case(
        "pairs of three channels",
        lambda b: stream(b, 48000, 3, channel_groups="pairs"),
        InvalidLayoutError,
        ("got 'pairs' for 3 channels", "wanted an even number"),
    ),
    Case(
        "groups that overlap",
        lambda b: stream(b, 48000, 3, channel_groups=[(0, 1), (1, 2)]),
        InvalidLayoutError,
        ("got [(0, 1), (1, 2)]", "each of 0 to 2 once"),
    ),
    Case(
        "groups that miss a channel",
        lambda b: stream(b, 48000, 3, channel_groups=[(0, 1)]),
        InvalidLayoutError,
        ("got [(0, 1)]", "each of 0 to 2 once"),
    ),
    Case(
        "a group of a channel that is not there",
        lambda b: stream(b, 48000, 2, channel_groups=[(0,), (2,)]),
        InvalidLayoutError,
        ("got [(0,), (2,)]", "each of 0 to 1 once"),
    ),
    Case(
        "a group of three",
        lambda b: stream(b, 48000, 3, channel_groups=[(0, 1, 2)]),
        InvalidLayoutError,
        ("got [(0, 1, 2)]", "groups of one or two channels"),
    ),
    Case(
        "an empty group",
        lambda b: stream(b, 48000, 1, channel_groups=[(0,), ()]),
        InvalidLayoutError,
        ("got [(0,), ()]", "groups of one or two channels"),
    ),
    Case(
        "an unknown grouping",
        lambda b: stream(b, 48000, 2, channel_groups="stereo"),
        InvalidLayoutError,
        ("got 'stereo'", "wanted 'auto', 'pairs', 'singles'"),
    ),
    Case(
        "groups of text",
        lambda b: stream(b, 48000, 2, channel_groups=["01"]),
        InvalidLayoutError,
        ("got ['01']", "groups of one or two channels"),
    ),
    # controls
    Case(
        "control above 1", lambda b: Controls(denoise=1.01), InvalidControlError, ("'denoise': got 1.01", "from 0 to 1")
    ),
    Case(
        "control below 0", lambda b: Controls(extend=-0.1), InvalidControlError, ("'extend': got -0.1", "from 0 to 1")
    ),
    Case(
        "control NaN", lambda b: Controls(dereverb=np.nan), InvalidControlError, ("'dereverb': got nan", "from 0 to 1")
    ),
    Case("control infinite", lambda b: Controls(np.inf), InvalidControlError, ("'denoise': got inf", "from 0 to 1")),
    Case(
        "control as text",
        lambda b: Controls(denoise="0.5"),  # type: ignore[arg-type] # on purpose
        InvalidControlError,
        ("'denoise': got '0.5' (str)", "wanted a number from 0 to 1"),
    ),
    Case(
        "control as bool", lambda b: Controls(True), InvalidControlError, ("True (bool)", "wanted a number from 0 to 1")
    ),
    Case(
        "controls as a tuple",
        lambda b: stream(b, controls=(1, 1, 1)),
        InvalidControlError,
        ("got (1, 1, 1) (tuple)", "wanted Controls"),
    ),
    Case(
        "controls set to a number",
        lambda b: setattr(stream(b), "controls", 0.5),
        InvalidControlError,
        ("got 0.5 (float)", "wanted Controls"),
    ),
    # arrays
    Case("a list", lambda b: stream(b).process([0.0]), InvalidAudioError, ("got list", "wanted a numpy array")),  # type: ignore[arg-type] # on purpose
    Case("bytes", lambda b: enhance(b"12", 48000, bundle=b), InvalidAudioError, ("got bytes", "wanted a numpy array")),  # type: ignore[arg-type] # on purpose
    Case("uint8", lambda b: stream(b).process(np.zeros(5, np.uint8)), InvalidAudioError, ("uint8", TYPES_WANTED)),
    Case(
        "int64", lambda b: enhance(np.zeros(5, np.int64), 48000, bundle=b), InvalidAudioError, ("int64", TYPES_WANTED)
    ),
    Case(
        "float16", lambda b: stream(b).process(SILENCE.astype(np.float16)), InvalidAudioError, ("float16", TYPES_WANTED)
    ),
    Case(
        "complex", lambda b: stream(b).process(SILENCE.astype(complex)), InvalidAudioError, ("complex128", TYPES_WANTED)
    ),
    Case("text", lambda b: stream(b).process(np.array(["a"])), InvalidAudioError, ("<U1", TYPES_WANTED)),
    Case("objects", lambda b: stream(b).process(np.array([None])), InvalidAudioError, ("object", TYPES_WANTED)),
    Case(
        "the other byte order",
        lambda b: stream(b).process(SILENCE.astype(np.dtype(np.float32).newbyteorder("S"))),
        InvalidAudioError,
        ("got samples of type >f4" if sys.byteorder == "little" else "got samples of type <f4", "native byte order"),
    ),
    Case(
        "no axis",
        lambda b: stream(b).process(np.array(0.5, np.float32)),
        InvalidAudioError,
        ("shape []", "wanted [n, 1] or [n]"),
    ),
    Case(
        "three axes",
        lambda b: enhance(np.zeros((2, 5, 1), np.float32), 48000, bundle=b),
        InvalidAudioError,
        ("shape [2, 5, 1]", "wanted [n, channels] or [n]"),
    ),
    Case(
        "flat samples for two channels",
        lambda b: stream(b, 48000, 2).process(SILENCE),
        InvalidAudioError,
        ("shape [100]", "wanted [n, 2]"),
    ),
    Case(
        "channels first",
        lambda b: stream(b, 48000, 2).process(np.zeros((2, 480), np.float32)),
        InvalidAudioError,
        ("shape [2, 480]", "wanted [n, 2]", "transpose"),
    ),
    Case(
        "samples without channels",
        lambda b: enhance(np.zeros((10, 0), np.float32), 48000, bundle=b),
        InvalidAudioError,
        ("shape [10, 0]", "wanted [n, channels]"),
    ),
    Case(
        "a recording with more channels than there may be",
        lambda b: enhance(np.zeros((2, 480), np.float32), 48000, bundle=b),
        InvalidLayoutError,
        ("got 480", "wanted an integer from 1 to 128"),
    ),
    Case(
        "another channel count than the recording began with",
        lambda b: WholeEnhancer(48000, 2, bundle=b).push(np.zeros((5, 3), np.float32)),
        InvalidAudioError,
        ("shape [5, 3]", "wanted [n, 2]"),
    ),
    Case(
        "NaN in a recording",
        lambda b: enhance(with_bad(np.nan), 48000, bundle=b),
        InvalidAudioError,
        ("sample 17 of channel 1 is nan", "wanted finite samples"),
    ),
    Case(
        "infinity in a recording of double precision",
        lambda b: enhance(with_bad(-np.inf, np.float64), 44100, bundle=b),
        InvalidAudioError,
        ("sample 17 of channel 1 is -inf", "wanted finite samples"),
    ),
    Case(
        "integers that were never scaled",
        lambda b: enhance(with_bad(2.0**31), 8000, bundle=b),
        InvalidAudioError,
        ("sample 17 of channel 1 is 2147483648.0", "full scale being 1"),
    ),
    # bundles and runtimes that cannot be had
    Case(
        "a bundle that is not there",
        lambda b: Stream(bundle="no_such_bundle"),
        BundleNotFoundError,
        ("got 'no_such_bundle'", "wanted the path of a folder with a file manifest.json"),
    ),
    Case("a bundle of a wrong type", lambda b: load_bundle(5), BundleNotFoundError, ("got int", "wanted the name")),  # type: ignore[arg-type] # on purpose
    Case(
        "a folder that is no bundle",
        lambda b: load_bundle(Path(__file__).parent),
        BundleNotFoundError,
        (str(Path(__file__).parent), "wanted the path of a folder with a file manifest.json"),
    ),
    Case(
        "a file for a bundle",
        lambda b: load_bundle(__file__),
        BundleNotFoundError,
        (__file__, "wanted the path of a folder"),
    ),
]


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_calls(case: Case, fake: FakeBundle) -> None:
    with pytest.raises(case.error) as caught:
        case.call(fake)
    assert type(caught.value) is case.error
    for fragment in case.says:
        assert fragment in str(caught.value)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A way of spoiling a bundle by changing its manifest."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        change(document)
        (folder / MANIFEST_NAME).write_text(json.dumps(document), encoding="utf-8")

    return spoil


def rehashed(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A way of spoiling mono.onnx whose hash in the manifest is then put right, so that only the content betrays it."""

    def spoil(folder: Path) -> None:
        change(folder / "mono.onnx")
        digest = sha256_of(folder / "mono.onnx")
        edited(lambda document: document["files"][0].update(sha256=digest))(folder)

    return spoil


def remodelled(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], object]:
    """A way of spoiling mono.onnx by changing its model."""

    def spoil(path: Path) -> None:
        model = onnx.load(str(path))
        change(model)
        onnx.save(model, str(path))

    return rehashed(spoil)


def swapped(folder: Path) -> None:
    mono, stereo = (folder / "mono.onnx").read_bytes(), (folder / "stereo.onnx").read_bytes()
    (folder / "mono.onnx").write_bytes(stereo)
    (folder / "stereo.onnx").write_bytes(mono)


def foldered(folder: Path) -> None:
    (folder / "mono.onnx").unlink()
    (folder / "mono.onnx").mkdir()


def retyped(model: onnx.ModelProto) -> None:
    """Turn the model into one of the same names and shapes that gives float64."""
    enhanced = own_name("enhanced")
    for node in model.graph.node:
        for index, output in enumerate(node.output):
            if output == enhanced:
                node.output[index] = "single"
    model.graph.node.append(helper.make_node("Cast", ["single"], [enhanced], to=TensorProto.DOUBLE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def with_contract(**facts: Any) -> Callable[[onnx.ModelProto], object]:
    """Change facts in the metadata of a model."""

    def change(model: onnx.ModelProto) -> None:
        (entry,) = model.metadata_props
        entry.value = json.dumps(json.loads(entry.value) | facts, separators=(",", ":"))

    return change


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@dataclass(frozen=True)
class Spoilt:
    """A bundle that must be refused, while its manifest is loaded or while its mono graph is opened."""

    name: str
    spoil: Callable[[Path], object]
    error: type[StudiomicError]
    says: tuple[str, ...]


BUNDLES = [
    # the manifest
    Spoilt(
        "manifest missing",
        lambda f: (f / MANIFEST_NAME).unlink(),
        BundleNotFoundError,
        ("wanted the path", MANIFEST_NAME),
    ),
    Spoilt(
        "manifest not JSON",
        lambda f: (f / MANIFEST_NAME).write_text("{nope"),
        BundleCorruptError,
        ("wanted a manifest in JSON, got text that is not JSON",),
    ),
    Spoilt(
        "manifest truncated",
        lambda f: truncated(f / MANIFEST_NAME),
        BundleCorruptError,
        ("wanted a manifest in JSON, got text that is not JSON",),
    ),
    Spoilt(
        "manifest not UTF-8",
        lambda f: (f / MANIFEST_NAME).write_bytes(b"\xff\xfe{}"),
        BundleCorruptError,
        ("wanted a manifest in UTF-8 JSON, got bytes that are not UTF-8",),
    ),
    Spoilt(
        "manifest a list",
        lambda f: (f / MANIFEST_NAME).write_text("[]"),
        ContractError,
        ("the manifest: got [], wanted an object",),
    ),
    Spoilt(
        "another contract version",
        edited(lambda d: d.update(contract_version=2)),
        ContractError,
        ("got contract version 2, wanted contract version 1",),
    ),
    Spoilt("hop missing", edited(lambda d: d.pop("hop")), ContractError, ("hop: got nothing, wanted the key 'hop'",)),
    Spoilt(
        "a state's shape missing",
        edited(lambda d: d["tensors"][0]["inputs"][2].pop("shape")),
        ContractError,
        ("tensors[0].inputs[2].shape: got nothing, wanted the key 'shape'",),
    ),
    Spoilt(
        "hop negative", edited(lambda d: d.update(hop=-1)), ContractError, ("hop: got -1", "wanted an integer of 1")
    ),
    Spoilt(
        "rate as bool",
        edited(lambda d: d.update(sample_rate=True)),
        ContractError,
        ("sample_rate: got true", "wanted an integer"),
    ),
    Spoilt(
        "rate out of range",
        edited(lambda d: d.update(sample_rate=48)),
        ContractError,
        ("sample_rate: got 48", "wanted an integer from 8000 to 192000"),
    ),
    Spoilt(
        "latency as text",
        edited(lambda d: d.update(graph_latency="1024")),
        ContractError,
        ("graph_latency: got 1024", "wanted an integer of 0 or more"),
    ),
    Spoilt(
        "a name that is a path",
        edited(lambda d: d.update(name="../tiny")),
        ContractError,
        ("name: got ../tiny", "wanted a name of letters"),
    ),
    Spoilt(
        "no tensors", edited(lambda d: d.update(tensors=[])), ContractError, ("got an empty list", "at least one graph")
    ),
    Spoilt(
        "a graph of three channels",
        edited(lambda d: d["tensors"][0].update(channels=3)),
        ContractError,
        ("tensors[0].channels: got 3", "wanted 1 or 2, each once"),
    ),
    Spoilt(
        "two mono graphs",
        edited(lambda d: d["tensors"][1].update(channels=1)),
        ContractError,
        ("tensors[1].channels: got 1", "wanted 1 or 2, each once"),
    ),
    Spoilt(
        "a wrong shape",
        edited(lambda d: d["tensors"][0]["inputs"][0].update(shape=[1, 512])),
        ContractError,
        ("got audio[1, 512]", "wanted audio[1, 1024]"),
    ),
    Spoilt(
        "a wrong name",
        edited(lambda d: d["tensors"][0]["inputs"][1].update(name="knobs")),
        ContractError,
        ("got audio[1, 1024], knobs[1, 3]", "wanted audio[1, 1024], controls[1, 3]"),
    ),
    Spoilt(
        "a next state of another shape",
        edited(lambda d: d["tensors"][0]["outputs"][2].update(shape=[1, 2])),
        ContractError,
        ("next_state_1[1, 2]", "next_state_1[1, 1]"),
    ),
    Spoilt(
        "a shape of zero",
        edited(lambda d: d["tensors"][0]["inputs"][2].update(shape=[0])),
        ContractError,
        ("tensors[0].inputs[2].shape[0]: got 0", "wanted an integer of 1"),
    ),
    Spoilt(
        "no files",
        edited(lambda d: d.update(files=[])),
        ContractError,
        ("got an empty list", "at least one graph file"),
    ),
    Spoilt(
        "a path that leads out",
        edited(lambda d: d["files"][0].update(path="../mono.onnx")),
        ContractError,
        ("files[0].path: got ../mono.onnx", "wanted a relative path inside the bundle's folder"),
    ),
    Spoilt(
        "an absolute path",
        edited(lambda d: d["files"][0].update(path="/mono.onnx")),
        ContractError,
        ("files[0].path: got /mono.onnx", "wanted a relative path"),
    ),
    Spoilt(
        "a path of another platform",
        edited(lambda d: d["data_card"].update(path="..\\card.csv")),
        ContractError,
        ("data_card.path: got ..\\card.csv", "wanted a relative path"),
    ),
    Spoilt(
        "a hash of another length",
        edited(lambda d: d["files"][0].update(sha256="abc")),
        ContractError,
        ("files[0].sha256: got abc", "wanted a SHA-256 of 64"),
    ),
    Spoilt(
        "a file of a channel count without tensors",
        edited(lambda d: d["files"][0].update(channels=4)),
        ContractError,
        ("files[0].channels: got 4", "wanted one of the channel counts in tensors: [1, 2]"),
    ),
    Spoilt(
        "a tensor without a name in the file",
        edited(lambda d: d["files"][0]["names"].pop("state_1")),
        ContractError,
        ("files[0].names: got audio", "wanted exactly the names audio", "state_1"),
    ),
    Spoilt(
        "two tensors of one name",
        edited(lambda d: d["files"][0]["names"].update(state_1=own_name("state_0"))),
        ContractError,
        ("files[0].names", "wanted a different name for every tensor"),
    ),
    Spoilt(
        "one graph twice",
        edited(lambda d: d["files"].append(d["files"][0])),
        ContractError,
        ("files[2]: got onnx fp32 1", "each format, precision and channel count once"),
    ),
    Spoilt(
        "parity that is not a number",
        edited(lambda d: d["files"][0]["parity"].update(largest_error=float("nan"))),
        ContractError,
        ("parity.largest_error: got NaN", "wanted a finite number"),
    ),
    Spoilt(
        "licences that are not counted",
        edited(lambda d: d["data_card"].update(licences=["CC0-1.0"])),
        ContractError,
        ('data_card.licences: got ["CC0-1.0"]', "wanted an object"),
    ),
    # the files
    Spoilt("file missing", lambda f: (f / "mono.onnx").unlink(), BundleCorruptError, ("mono.onnx: got no such file",)),
    Spoilt(
        "file truncated",
        lambda f: truncated(f / "mono.onnx"),
        BundleCorruptError,
        ("mono.onnx: got a file of", "with SHA-256", "wanted", "truncated or edited"),
    ),
    Spoilt(
        "file edited",
        lambda f: (f / "mono.onnx").write_bytes((f / "mono.onnx").read_bytes()[:-1] + b"?"),
        BundleCorruptError,
        ("with SHA-256", "wanted", "truncated or edited"),
    ),
    Spoilt("mono and stereo swapped", swapped, BundleCorruptError, ("mono.onnx", "with SHA-256", "wanted")),
    Spoilt(
        "a folder for a file",
        foldered,
        BundleCorruptError,
        ("with SHA-256", "wanted"),
    ),
    Spoilt(
        "no ONNX",
        rehashed(lambda p: p.write_bytes(b"not a graph")),
        BundleCorruptError,
        ("wanted a graph that ONNX Runtime", "got:"),
    ),
    Spoilt(
        "ONNX cut off, with the hash put right",
        rehashed(truncated),
        BundleCorruptError,
        ("wanted a graph that ONNX Runtime", "got:"),
    ),
    Spoilt(
        "an unknown operator",
        remodelled(lambda m: setattr(m.graph.node[0], "op_type", "Enchant")),
        BundleCorruptError,
        ("wanted a graph that ONNX Runtime", "Enchant"),
    ),
    Spoilt(
        "stereo in the mono file, with the hash put right",
        rehashed(lambda p: p.write_bytes((p.parent / "stereo.onnx").read_bytes())),
        ContractError,
        ("inputs: got", "[2, 1024]", "wanted", "[1, 1024]"),
    ),
    Spoilt(
        "names that the file does not have",
        edited(lambda d: d["files"][0]["names"].update(audio="sound")),
        ContractError,
        ("inputs: got", own_name("audio"), "wanted", "'sound'"),
    ),
    Spoilt(
        "another type",
        remodelled(retyped),
        ContractError,
        ("outputs: got", "tensor(double)", "wanted", "tensor(float)"),
    ),
    Spoilt(
        "no metadata",
        remodelled(lambda m: m.metadata_props.pop()),
        ContractError,
        ("metadata 'studiomic.contract': got nothing, wanted the bundle's contract",),
    ),
    Spoilt(
        "metadata not JSON",
        remodelled(lambda m: setattr(m.metadata_props[0], "value", "{")),
        ContractError,
        ("metadata 'studiomic.contract': got text that is not JSON",),
    ),
    Spoilt(
        "metadata of another rate",
        remodelled(with_contract(sample_rate=44100)),
        ContractError,
        ("sample_rate: got 44100, wanted 48000",),
    ),
    Spoilt(
        "metadata of another latency",
        remodelled(with_contract(graph_latency=0)),
        ContractError,
        ("graph_latency: got 0, wanted 1024",),
    ),
    Spoilt(
        "metadata with more in it",
        remodelled(with_contract(extra=1)),
        ContractError,
        ("in another order or with additions",),
    ),
]


@pytest.mark.parametrize("case", BUNDLES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_bundles(case: Spoilt, tiny_copy: Path) -> None:
    case.spoil(tiny_copy)
    with pytest.raises(case.error) as caught:
        load_bundle(tiny_copy).open(1)
    assert type(caught.value) is case.error
    message = str(caught.value)
    assert str(tiny_copy) in message
    for fragment in case.says:
        assert fragment in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"backend": "tensorrt"}, ("backend: got 'tensorrt'", "wanted one of: onnx, tflite, coreml")),
        ({"backend": None}, ("backend: got None", "wanted one of: onnx, tflite, coreml")),
        (
            {"precision": "fp16"},
            ("got a request for onnx fp16 (1 channels)", "wanted one that the bundle offers: onnx fp32"),
        ),
        ({"threads": 0}, ("threads: got 0", "wanted an integer of 1 or more")),
        ({"threads": True}, ("threads: got True", "wanted an integer of 1 or more")),
        ({"threads": 1.5}, ("threads: got 1.5", "wanted an integer of 1 or more")),
    ],
    ids=str,
)
def test_bad_options(options: dict[str, Any], says: tuple[str, ...], tiny_bundle: Path) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        Stream(48000, 1, bundle=tiny_bundle, **options)
    for fragment in says:
        assert fragment in str(caught.value)


def test_a_bundle_without_the_wanted_channels(tiny_copy: Path) -> None:
    edited(lambda document: document["files"].pop(1))(tiny_copy)
    with pytest.raises(InvalidOptionError) as caught:
        Stream(48000, 2, bundle=tiny_copy)
    assert "got a request for onnx fp32 (2 channels)" in str(caught.value)
    assert "wanted one that the bundle offers: onnx fp32 (1 channels)" in str(caught.value)


def test_a_missing_runtime(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"mono\.onnx needs the package 'onnxruntime'.*pip install"):
        load_bundle(tiny_bundle).open(1)


def test_a_runtime_that_fails_while_it_runs(tiny_bundle: Path) -> None:
    runtime = load_bundle(tiny_bundle).open(1)
    wrong = np.zeros((1, 7), np.float32)
    with pytest.raises(
        RuntimeFailureError, match=r"ONNX Runtime .* failed while running a hop: .*wanted enhanced samples"
    ):
        runtime.run(wrong, Controls().as_array(), runtime.initial_states())


def test_an_unreadable_manifest_names_itself(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).mkdir()
    with pytest.raises(BundleCorruptError, match=r"manifest\.json: wanted a readable manifest, got Is a directory"):
        Manifest.read(tmp_path)


def test_one_sample_and_64_channels_are_no_mistake(fake: FakeBundle) -> None:
    enhanced = enhance(np.full((1, 64), 0.5, np.float32), 48000, controls=Controls(0, 0, 0), bundle=fake)
    assert np.array_equal(enhanced.samples, np.full((1, 64), 0.5, np.float32))


def test_the_unspoilt_bundle_opens(tiny_copy: Path) -> None:
    # Else every case above could pass for the wrong reason.
    rehashed(lambda path: onnx.save(small_model(1, small_manifest((graph_file(1),)).embedded_contract(1)), str(path)))(
        tiny_copy
    )
    assert load_bundle(tiny_copy).open(1).graph.channels == 1
