"""The golden vectors are whole and true, and every runtime that runs here gives what they hold."""

import sys

import numpy as np
import pytest

import studiomic
from studiomic.manifest import GRAPH_FORMATS, GraphFile, Manifest, sha256_of
from tests.support.vectors import (
    BUNDLE_NAME,
    FOLDER,
    HopCase,
    StreamCase,
    assert_near,
    bundle_hashes,
    cases_of,
    read_index,
    read_vector,
    relative_error,
    replayed,
)
from tests.vectors.cases import CASES, inputs
from tests.vectors.fixture import CONFIG, WEIGHTS, frozen_generator
from tests.vectors.reference import ReferenceGraph, stream_output
from tests.vectors.sound import DARK_SECONDS, RATE

INDEX = read_index()
BUNDLE = FOLDER / BUNDLE_NAME
MANIFEST = Manifest.read(BUNDLE)
LARGEST_BYTES = 2_000_000
MAKE = "stale: run python -m tests.vectors.make"
HEARD = 0.01
"""The least share of the sound that a control must change for the vectors to tell whether it works."""


RUNNABLE = [file for file in MANIFEST.files if file.format != "coreml" or sys.platform == "darwin"]
"""The bundle's files that a runtime on this system takes."""


def named(what: GraphFile | HopCase | StreamCase) -> str:
    return what.path if isinstance(what, GraphFile) else what.name


HOPS = [(file, hop) for file in RUNNABLE for hop in cases_of(INDEX, file)[0]]
STREAMS = [(file, stream) for file in RUNNABLE for stream in cases_of(INDEX, file)[1]]


def test_the_files_are_those_of_the_index() -> None:
    assert bundle_hashes(BUNDLE) == INDEX.bundle, MAKE
    assert sha256_of(WEIGHTS) == INDEX.weights_sha256, MAKE
    assert sorted(path.name for path in FOLDER.glob("*.f32")) == sorted(v.path for v in INDEX.vectors.values()), MAKE
    for name, vector in INDEX.vectors.items():
        assert read_vector(INDEX, name).shape == vector.shape
    assert {file.precision for file in MANIFEST.files} == set(INDEX.tolerances), MAKE


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if not path.name.endswith(".pyc")) < LARGEST_BYTES


def test_every_case_is_replayed_in_every_format() -> None:
    for format in GRAPH_FORMATS:
        files = [file for file in MANIFEST.files if file.format == format]
        hops = [hop.name for file in files for hop in cases_of(INDEX, file)[0]]
        streams = [stream.name for file in files for stream in cases_of(INDEX, file)[1]]
        assert set(hops) == {hop.name for hop in INDEX.hops}
        assert set(streams) == {stream.name for stream in INDEX.streams}
        assert {file.precision for file in files if file.channels == 1} == set(INDEX.tolerances)


def test_the_golden_outputs_are_the_generators() -> None:
    """Also fails where the generator's structure has changed since the vectors were made."""
    generator = frozen_generator()
    graphs = {channels: ReferenceGraph(generator, channels) for channels in (1, 2)}
    sounds = inputs()
    assert INDEX.streams == CASES, MAKE
    for name, samples in sounds.items():
        np.testing.assert_allclose(read_vector(INDEX, name), samples, rtol=0, atol=1e-6, err_msg=MAKE)
    for case in CASES:
        wanted = read_vector(INDEX, case.output)
        found = stream_output(graphs[case.channels], case, sounds[case.input])
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6, err_msg=f"{case.name}: {MAKE}")


def test_every_control_is_heard_in_the_dark_beginning() -> None:
    graph = ReferenceGraph(frozen_generator(), 1)
    hops = round(DARK_SECONDS * RATE) // CONFIG.hop
    sound = inputs()["sound_mono"][: hops * CONFIG.hop].astype(np.float64)
    without = graph.over(sound, np.zeros((hops, 3)))
    for control in range(3):
        changed = graph.over(sound, np.tile(np.eye(3)[control], (hops, 1)))
        assert relative_error(changed, without, f"control {control}") > HEARD


@pytest.mark.parametrize(("file", "case"), HOPS, ids=named)
def test_one_hop(file: GraphFile, case: HopCase) -> None:
    runtime = studiomic.load_bundle(BUNDLE).open(case.channels, file.format, file.precision)
    audio, controls, state = (read_vector(INDEX, case.inputs[name]) for name in ("audio", "controls", "state_0"))
    enhanced, (next_state,) = runtime.run(audio, controls, [state])
    tolerance = INDEX.tolerances[file.precision]
    assert_near(enhanced, read_vector(INDEX, case.outputs["enhanced"]), tolerance, case.name)
    wanted = read_vector(INDEX, case.outputs["next_state_0"])
    assert relative_error(next_state, wanted, case.name) <= tolerance.state_relative_error


@pytest.mark.parametrize(("file", "case"), STREAMS, ids=named)
def test_streams(file: GraphFile, case: StreamCase) -> None:
    wanted = read_vector(INDEX, case.output)
    outputs = []
    for block_size in case.block_sizes:
        stream = studiomic.Stream(
            INDEX.sample_rate, case.channels, bundle=BUNDLE, backend=file.format, precision=file.precision
        )
        assert stream.latency == INDEX.latency
        outputs.append(replayed(INDEX, case, stream, block_size))
    if case.exact:
        np.testing.assert_array_equal(outputs[0], wanted)
    assert_near(outputs[0], wanted, INDEX.tolerances[file.precision], case.name)
    for output in outputs[1:]:
        np.testing.assert_array_equal(output, outputs[0])
