"""Reader of the golden vectors; their format is in tests/vectors/README.md."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studiomic.controls import Controls
from studiomic.manifest import GraphFile, sha256_of
from studiomic.stream import Stream
from tests.support.signals import pieces

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
INDEX_NAME = "index.json"
BUNDLE_NAME = "bundle"
FORMAT_VERSION = 1
STORED_TYPE = np.dtype("<f4")

Samples = NDArray[np.float32]
Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Vector:
    """One file of little-endian float32 numbers, row by row."""

    path: str
    shape: tuple[int, ...]
    holds: str
    sha256: str


@dataclass(frozen=True)
class Tolerance:
    """How far from the golden one a result may be: samples by the largest |a - b| and by ||a - b|| / ||b||, the states
    of a hop by the latter alone."""

    largest_error: float
    relative_error: float
    state_relative_error: float


@dataclass(frozen=True)
class HopCase:
    """One call of the graph: each input and output by its contract name, as the vector that holds it."""

    name: str
    holds: str
    channels: int
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Step:
    """Something done to a stream: "process" samples `start` to `end` of the input, set "controls", "flush", "reset"."""

    do: Literal["process", "controls", "flush", "reset"]
    start: int | None = None
    end: int | None = None
    controls: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class StreamCase:
    """A stream's whole life: its output is all that "process" and "flush" give, one after the other."""

    name: str
    holds: str
    channels: int
    input: str
    output: str
    steps: tuple[Step, ...]
    block_sizes: tuple[int, ...]
    exact: bool
    """Whether the output must be met bit for bit, in every precision."""


@dataclass(frozen=True)
class Index:
    """All that index.json says. `bundle`: the SHA-256 of each file of the bundle by its path; rate in Hz; hop, latency
    in samples; `tolerances` by precision."""

    format_version: int
    sample_rate: int
    hop: int
    latency: int
    bundle: dict[str, str]
    weights_sha256: str
    tolerances: dict[str, Tolerance]
    vectors: dict[str, Vector]
    hops: tuple[HopCase, ...]
    streams: tuple[StreamCase, ...]

    def to_json(self) -> str:
        """Indented JSON; what a step does not have is left out."""
        document = asdict(self)
        for case in document["streams"]:
            case["steps"] = [{key: value for key, value in step.items() if value is not None} for step in case["steps"]]
        return json.dumps(document, indent=1) + "\n"


def read_index(folder: Path = FOLDER) -> Index:
    """The index of the vectors in `folder`. Raises ValueError where it is of another format version."""
    document: dict[str, Any] = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    if document["format_version"] != FORMAT_VERSION:
        raise ValueError(f"{folder / INDEX_NAME}: got format {document['format_version']}, wanted {FORMAT_VERSION}")
    streams = []
    for case in document.pop("streams"):
        steps = tuple(_read_step(step) for step in case.pop("steps"))
        streams.append(StreamCase(**{**case, "steps": steps, "block_sizes": tuple(case["block_sizes"])}))
    tolerances = {name: Tolerance(**bounds) for name, bounds in document.pop("tolerances").items()}
    vectors = {
        name: Vector(**{**vector, "shape": tuple(vector["shape"])}) for name, vector in document.pop("vectors").items()
    }
    hops = tuple(HopCase(**case) for case in document.pop("hops"))
    return Index(**document, tolerances=tolerances, vectors=vectors, hops=hops, streams=tuple(streams))


def _read_step(step: dict[str, Any]) -> Step:
    controls = step.get("controls")
    return Step(step["do"], step.get("start"), step.get("end"), controls if controls is None else tuple(controls))


def read_vector(index: Index, name: str, folder: Path = FOLDER) -> Samples:
    """A vector in its shape. Raises ValueError where the file is not the one that the index describes."""
    vector = index.vectors[name]
    content = (folder / vector.path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != vector.sha256:
        raise ValueError(f"{vector.path}: got SHA-256 {digest}, wanted {vector.sha256}")
    return np.frombuffer(content, dtype=STORED_TYPE).astype(np.float32).reshape(vector.shape)


def write_vector(folder: Path, name: str, samples: Samples, holds: str) -> Vector:
    """Write a vector as NAME.f32."""
    path = folder / f"{name}.f32"
    path.write_bytes(np.ascontiguousarray(samples, dtype=STORED_TYPE).tobytes())
    return Vector(path.name, samples.shape, holds, sha256_of(path))


def bundle_hashes(bundle: Path) -> dict[str, str]:
    """The SHA-256 of each file and each `.mlpackage` of a bundle, by its name."""
    return {path.name: sha256_of(path) for path in sorted(bundle.iterdir())}


def cases_of(index: Index, file: GraphFile) -> tuple[list[HopCase], list[StreamCase]]:
    """The hops and the streams that a file of the bundle can be held to: those of its channels."""
    return (
        [hop for hop in index.hops if hop.channels == file.channels],
        [stream for stream in index.streams if stream.channels == file.channels],
    )


def replayed(index: Index, case: StreamCase, stream: Stream, block_size: int, folder: Path = FOLDER) -> Samples:
    """All that the stream gives for the case's steps, [samples, channels]."""
    sound = read_vector(index, case.input, folder)
    given = []
    for step in case.steps:
        if step.do == "process":
            given += [stream.process(block) for block in pieces(sound[step.start : step.end], block_size)]
        elif step.do == "controls":
            assert step.controls is not None
            stream.controls = Controls(*step.controls)
        elif step.do == "flush":
            given.append(stream.flush())
        else:
            stream.reset()
    return np.concatenate(given)


def assert_near(found: Samples, wanted: Samples, tolerance: Tolerance, what: str) -> None:
    """Raise AssertionError, with the errors found, unless samples are within the tolerance of those wanted."""
    largest = float(np.max(np.abs(_difference(found, wanted, what))))
    assert largest <= tolerance.largest_error, f"{what}: largest error {largest:.2e}, wanted {tolerance}"
    relative = relative_error(found, wanted, what)
    assert relative <= tolerance.relative_error, f"{what}: relative error {relative:.2e}, wanted {tolerance}"


def relative_error(found: Numbers, wanted: Numbers, what: str) -> float:
    """||found - wanted|| / ||wanted||. Raises AssertionError where the shapes differ."""
    return float(np.linalg.norm(_difference(found, wanted, what)) / np.linalg.norm(wanted))


def _difference(found: Numbers, wanted: Numbers, what: str) -> NDArray[np.float64]:
    assert found.shape == wanted.shape, f"{what}: got shape {found.shape}, wanted {wanted.shape}"
    return found.astype(np.float64) - wanted
