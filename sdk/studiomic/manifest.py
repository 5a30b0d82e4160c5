"""The manifest of a model bundle: what its graphs are called, what shapes they have, how to tell that they are whole.

The manifest is the contract between the exporter, which writes it, and every reader on every platform. It is validated
as strictly on writing as on reading, so that no bundle leaves the exporter that a reader would refuse.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from studiomic.errors import BundleCorruptError, BundleNotFoundError, ContractError

CONTRACT_VERSION = 1
MANIFEST_NAME = "manifest.json"
METADATA_KEY = "studiomic.contract"
"""The key under which each graph file's own metadata holds `Manifest.embedded_contract`."""

CONTROL_COUNT = 3
"""denoise, dereverb, extend"""
GRAPH_FORMATS = ("onnx", "tflite", "coreml")
PRECISIONS = ("fp32", "fp16", "int8")
"""What a graph file may be, and what it may store its weights and calculate in; int8 stands for every 8-bit scheme."""
GRAPH_CHANNELS = (1, 2)
"""A graph is mono or stereo; wider audio runs as pairs or singles."""
SMALLEST_RATE = 8000
LARGEST_RATE = 192000
"""Hz, of graphs and of streams."""
_READ_BYTES = 1 << 20
_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

Value = TypeVar("Value", str, int, float, list, dict)


@dataclass(frozen=True)
class TensorSpec:
    """One float32 tensor of a graph: its contract name and static shape."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class GraphTensors:
    """The tensors of the graph for one channel count, in call order.

    inputs: audio [channels, hop], controls [1, 3], state_0, state_1, ...;
    outputs: enhanced [channels, hop], next_state_0, next_state_1, ... with the shapes of the states.
    """

    channels: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def hop(self) -> int:
        """Samples per channel that one call takes and gives."""
        return self.inputs[0].shape[1]

    @property
    def states(self) -> tuple[TensorSpec, ...]:
        """The state inputs alone."""
        return self.inputs[2:]


@dataclass(frozen=True)
class LossRecord:
    """What a reduced precision takes from the figures of the fp32 graph, in the worst scenario; below 0 it gave."""

    si_sdr_db: float
    visqol: float | None
    """None where ViSQOL was not measured."""


@dataclass(frozen=True)
class ParityRecord:
    """How far a file's graph was measured to be from what it was made from: fp32 from the generator that was exported,
    a reduced precision from the fp32 graph.

    relative_error: ||ours - theirs|| / ||theirs|| of the output; largest_error: the largest |ours - theirs|;
    state_error: the relative error of the fed-back state, of its worst part; runtime: what ran the file; loss: None
    where the precision is not judged by figures.
    """

    seconds: float
    relative_error: float
    largest_error: float
    state_error: float
    runtime: str
    loss: LossRecord | None


@dataclass(frozen=True)
class GraphFile:
    """One file (or `.mlpackage` folder) that holds a graph, and its own names for the contract's tensors."""

    path: str
    format: str
    precision: str
    channels: int
    sha256: str
    names: Mapping[str, str]
    parity: ParityRecord


@dataclass(frozen=True)
class DataCard:
    """The list of recordings that taught the generator; `licences` counts recordings by SPDX identifier."""

    path: str
    sha256: str
    recordings: int
    licences: Mapping[str, int]


@dataclass(frozen=True)
class Manifest:
    """All that a reader must know of a bundle before it opens a graph. Rates in Hz, hop and latency in samples."""

    contract_version: int
    name: str
    sample_rate: int
    hop: int
    graph_latency: int
    tensors: tuple[GraphTensors, ...]
    files: tuple[GraphFile, ...]
    data_card: DataCard

    def graph(self, channels: int) -> GraphTensors:
        """The tensors of the graph for `channels`; raises ContractError where the bundle has none."""
        for graph in self.tensors:
            if graph.channels == channels:
                return graph
        offered = ", ".join(str(graph.channels) for graph in self.tensors)
        raise ContractError(f"bundle '{self.name}' has no graph for {channels} channels; it has graphs for: {offered}")

    def embedded_contract(self, channels: int) -> str:
        """The compact JSON that a graph file of `channels` carries in its own metadata under METADATA_KEY."""
        contract = {
            "contract_version": self.contract_version,
            "name": self.name,
            "sample_rate": self.sample_rate,
            "hop": self.hop,
            "graph_latency": self.graph_latency,
            "tensors": asdict(self.graph(channels)),
        }
        return json.dumps(contract, separators=(",", ":"))

    def to_json(self) -> str:
        """The manifest as indented JSON, keys in the contract's order, with a line feed at the end."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Parse and validate; `source` names the text in messages.

        Raises BundleCorruptError where the text is not JSON, ContractError where it is not this contract.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleCorruptError(
                f"{source}: wanted a manifest in JSON, got text that is not JSON ({error}); install the bundle again"
            ) from error
        return _parse_manifest(_Node(document, source, ""))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read `folder`/manifest.json. Raises BundleNotFoundError where there is none, else as `from_json`."""
        path = folder / MANIFEST_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleNotFoundError(f"no bundle at {folder}: wanted a folder with a file {MANIFEST_NAME}") from error
        except UnicodeDecodeError as error:
            raise BundleCorruptError(
                f"{path}: wanted a manifest in UTF-8 JSON, got bytes that are not UTF-8; install the bundle again"
            ) from error
        except OSError as error:
            raise BundleCorruptError(f"{path}: wanted a readable manifest, got {error.strerror or error}") from error
        return cls.from_json(text, str(path))

    def write(self, folder: Path) -> None:
        """Validate, then write `folder`/manifest.json whole or not at all. Raises as `from_json`, or OSError."""
        path = folder / MANIFEST_NAME
        text = self.to_json()
        Manifest.from_json(text, str(path))
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as hex; of a folder (`.mlpackage`) over its sorted relative paths and their bytes.

    For a folder each file adds its POSIX path in UTF-8, a zero byte, its size as eight little-endian bytes, then its
    bytes: no two different trees feed the digest the same bytes.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        for relative in sorted(files):
            file = files[relative]
            digest.update(relative.encode("utf-8") + b"\0" + file.stat().st_size.to_bytes(8, "little"))
            _feed(digest, file)
    else:
        _feed(digest, path)
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, file: Path) -> None:
    with file.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)


class _Node:
    """One value of the parsed JSON together with the path to it, so that every complaint can say where it is."""

    def __init__(self, value: object, source: str, where: str) -> None:
        self.value = value
        self.source = source
        self.where = where

    def refusal(self, got: object, wanted: str) -> ContractError:
        place = self.where or "the manifest"
        return ContractError(
            f"{self.source}: {place}: got {_shortened(got)}, wanted {wanted}; "
            "use a bundle that was exported for this version of studiomic"
        )

    def member(self, key: str) -> _Node:
        mapping = self.of(dict, "an object")
        where = f"{self.where}.{key}" if self.where else key
        if key not in mapping:
            raise _Node(None, self.source, where).refusal("nothing", f"the key '{key}'")
        return _Node(mapping[key], self.source, where)

    def items(self) -> list[_Node]:
        values = self.of(list, "a list")
        return [_Node(value, self.source, f"{self.where}[{index}]") for index, value in enumerate(values)]

    def of(self, kind: type[Value], wanted: str) -> Value:
        value = self.value
        # JSON's true is no number, although Python's bool is an int.
        if isinstance(value, bool) or not isinstance(value, kind):
            raise self.refusal(value, wanted)
        return value

    def text(self) -> str:
        value = self.of(str, "a text")
        if not value:
            raise self.refusal("''", "a text that is not empty")
        return value

    def integer(self, smallest: int) -> int:
        wanted = f"an integer of {smallest} or more"
        value = self.of(int, wanted)
        if value < smallest:
            raise self.refusal(value, wanted)
        return value

    def measure(self) -> float:
        wanted = "a finite number of 0 or more"
        value = float(self.value) if type(self.value) is int else self.of(float, wanted)
        if not 0.0 <= value < float("inf"):
            raise self.refusal(value, wanted)
        return value

    def difference(self) -> float:
        wanted = "a finite number"
        value = float(self.value) if type(self.value) is int else self.of(float, wanted)
        if not math.isfinite(value):
            raise self.refusal(value, wanted)
        return value

    def one_of(self, offered: tuple[str, ...]) -> str:
        value = self.text()
        if value not in offered:
            raise self.refusal(value, "one of " + ", ".join(offered))
        return value

    def digest(self) -> str:
        wanted = "a SHA-256 of 64 lower-case hexadecimal digits"
        value = self.of(str, wanted)
        if not _SHA256_PATTERN.fullmatch(value):
            raise self.refusal(value, wanted)
        return value

    def path_inside(self) -> str:
        """A relative POSIX path that cannot lead out of the bundle's folder, on any platform."""
        value = self.text()
        parts = PurePosixPath(value).parts
        if value.startswith("/") or ".." in parts or "\\" in value or ":" in value or "\0" in value or not parts:
            raise self.refusal(value, "a relative path inside the bundle's folder")
        return value


def _shortened(got: object) -> str:
    limit = 80
    text = got if isinstance(got, str) else json.dumps(got)
    return text if len(text) <= limit else text[:limit] + "..."


def _parse_manifest(node: _Node) -> Manifest:
    version = node.member("contract_version")
    if version.integer(1) != CONTRACT_VERSION:
        raise version.refusal(f"contract version {version.value}", f"contract version {CONTRACT_VERSION}")
    name = node.member("name")
    if not _NAME_PATTERN.fullmatch(name.text()):
        raise name.refusal(name.value, "a name of letters, digits, '-', '_' and '.'")
    hop = node.member("hop").integer(1)
    tensors = _parse_tensors(node.member("tensors"), hop)
    return Manifest(
        contract_version=CONTRACT_VERSION,
        name=name.text(),
        sample_rate=_parse_rate(node.member("sample_rate")),
        hop=hop,
        graph_latency=node.member("graph_latency").integer(0),
        tensors=tensors,
        files=_parse_files(node.member("files"), tensors),
        data_card=_parse_data_card(node.member("data_card")),
    )


def _parse_rate(node: _Node) -> int:
    wanted = f"an integer from {SMALLEST_RATE} to {LARGEST_RATE}"
    rate = node.of(int, wanted)
    if not SMALLEST_RATE <= rate <= LARGEST_RATE:
        raise node.refusal(rate, wanted)
    return rate


def _parse_tensors(node: _Node, hop: int) -> tuple[GraphTensors, ...]:
    graphs: list[GraphTensors] = []
    for entry in node.items():
        channels = entry.member("channels")
        taken = [graph.channels for graph in graphs]
        if channels.integer(1) not in GRAPH_CHANNELS or channels.value in taken:
            raise channels.refusal(channels.value, "1 or 2, each once")
        graph = GraphTensors(
            channels=channels.integer(1),
            inputs=tuple(_parse_tensor(tensor) for tensor in entry.member("inputs").items()),
            outputs=tuple(_parse_tensor(tensor) for tensor in entry.member("outputs").items()),
        )
        _check_graph(entry, graph, hop)
        graphs.append(graph)
    if not graphs:
        raise node.refusal("an empty list", "at least one graph's tensors")
    return tuple(graphs)


def _parse_tensor(node: _Node) -> TensorSpec:
    shape = tuple(axis.integer(1) for axis in node.member("shape").items())
    return TensorSpec(name=node.member("name").text(), shape=shape)


def _check_graph(node: _Node, graph: GraphTensors, hop: int) -> None:
    states = graph.inputs[2:]
    sound = (graph.channels, hop)
    inputs = (
        TensorSpec("audio", sound),
        TensorSpec("controls", (1, CONTROL_COUNT)),
        *(TensorSpec(f"state_{index}", state.shape) for index, state in enumerate(states)),
    )
    outputs = (
        TensorSpec("enhanced", sound),
        *(TensorSpec(f"next_state_{index}", state.shape) for index, state in enumerate(states)),
    )
    for role, got, wanted in (("inputs", graph.inputs, inputs), ("outputs", graph.outputs, outputs)):
        if got != wanted:
            raise node.member(role).refusal(_listed(got), _listed(wanted))


def _listed(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{tensor.name}{list(tensor.shape)}" for tensor in tensors) or "nothing"


def _parse_files(node: _Node, tensors: tuple[GraphTensors, ...]) -> tuple[GraphFile, ...]:
    graphs = {graph.channels: graph for graph in tensors}
    files: list[GraphFile] = []
    for entry in node.items():
        channels = entry.member("channels")
        if channels.integer(1) not in graphs:
            raise channels.refusal(channels.value, f"one of the channel counts in tensors: {sorted(graphs)}")
        file = GraphFile(
            path=entry.member("path").path_inside(),
            format=entry.member("format").one_of(GRAPH_FORMATS),
            precision=entry.member("precision").one_of(PRECISIONS),
            channels=channels.integer(1),
            sha256=entry.member("sha256").digest(),
            names=_parse_names(entry.member("names"), graphs[channels.integer(1)]),
            parity=_parse_parity(entry.member("parity")),
        )
        if any(_kind(file) == _kind(other) for other in files):
            raise entry.refusal(" ".join(map(str, _kind(file))), "each format, precision and channel count once")
        files.append(file)
    if not files:
        raise node.refusal("an empty list", "at least one graph file")
    return tuple(files)


def _kind(file: GraphFile) -> tuple[str, str, int]:
    return file.format, file.precision, file.channels


def _parse_names(node: _Node, graph: GraphTensors) -> dict[str, str]:
    names = {key: node.member(key).text() for key in node.of(dict, "an object")}
    wanted = [tensor.name for tensor in graph.inputs + graph.outputs]
    if sorted(names) != sorted(wanted):
        raise node.refusal(", ".join(sorted(names)) or "nothing", "exactly the names " + ", ".join(wanted))
    for role in (graph.inputs, graph.outputs):
        own = [names[tensor.name] for tensor in role]
        if len(set(own)) != len(own):
            raise node.refusal(", ".join(own), "a different name for every tensor")
    return {name: names[name] for name in wanted}


def _parse_parity(node: _Node) -> ParityRecord:
    return ParityRecord(
        seconds=node.member("seconds").measure(),
        relative_error=node.member("relative_error").measure(),
        largest_error=node.member("largest_error").measure(),
        state_error=node.member("state_error").measure(),
        runtime=node.member("runtime").text(),
        loss=_parse_loss(node.member("loss")),
    )


def _parse_loss(node: _Node) -> LossRecord | None:
    if node.value is None:
        return None
    visqol = node.member("visqol")
    return LossRecord(
        si_sdr_db=node.member("si_sdr_db").difference(),
        visqol=None if visqol.value is None else visqol.difference(),
    )


def _parse_data_card(node: _Node) -> DataCard:
    licences = node.member("licences")
    return DataCard(
        path=node.member("path").path_inside(),
        sha256=node.member("sha256").digest(),
        recordings=node.member("recordings").integer(0),
        licences={key: licences.member(key).integer(0) for key in licences.of(dict, "an object")},
    )
