"""CoreML packages hold the streaming graph: run as shipped, by CoreML where it is, else interpreted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from export.coreml_file import float32_nodes, write_coreml
from export.graph_runner import GraphRunner
from export.hop_runner import INPUT_NAMES, OUTPUT_NAMES, HopRunner, run_clip
from export.material import synthesised_music
from export.mil_interpreter import InterpretedCoreml, RealCoreml, open_coreml, runs_coreml
from export.mil_program import MilProgram, read_program
from export.quiet import kept_quiet
from export.streaming_graph import StreamingGraph
from models.generators.band_split import COPY_HERTZ, BandSplitConfig, BandSplitGenerator, copy_shifts
from models.generators.declipping import WAITED_FOR
from studiomic.manifest import METADATA_KEY, PRECISIONS, sha256_of

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = '{"contract_version":1}'
HOP_EIGHTHS = 5
HOP, OVERLAP = 1280, 768
LATENCY = OVERLAP + WAITED_FOR + 1
HOPS = 24
LEAST_SNR_DB = {"fp32": 100.0, "fp16": 50.0, "int8": 35.0}
LARGEST_SHARE_OF_FLOAT32 = 0.6


def opened(packages: Packages, precision: str, where: str) -> HopRunner:
    path, names = packages.paths[precision], packages.names[precision]
    return open_coreml(path, names) if where == "CoreML" else InterpretedCoreml(path, names)


everywhere = pytest.mark.parametrize("where", ["interpreted", "CoreML"] if runs_coreml() else ["interpreted"])
"""The interpreter on every system, and CoreML itself on those that have it."""


class Packages(NamedTuple):
    graph: StreamingGraph
    paths: dict[str, Path]
    names: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    torch.manual_seed(5)
    generator = BandSplitGenerator(
        BandSplitConfig(
            hop_eighths=HOP_EIGHTHS,
            copy_shifts=copy_shifts(COPY_HERTZ, 48000, 2048, HOP_EIGHTHS),
            channels=40,
            blocks=1,
            band_hidden=8,
            channel_hidden=32,
            bin_hidden=64,
            most_units=16,
            colour_hidden=8,
            room_hidden=4,
            envelope_hidden=4,
            declipping=True,
            evening=True,
        )
    )
    for parameter in generator.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    graph = StreamingGraph(generator.eval(), 1)
    folder = tmp_path_factory.mktemp("packages")
    paths = {precision: folder / f"{precision}.mlpackage" for precision in PRECISIONS}
    names = {
        precision: write_coreml(graph, path, precision, {METADATA_KEY: CONTRACT}) for precision, path in paths.items()
    }
    return Packages(graph, paths, names)


def music_and_controls() -> tuple[np.ndarray, np.ndarray]:
    music = synthesised_music(HOPS * HOP / 48000, 48000, 1, seed=3)
    return music, np.tile(np.array([1.0, 0.7, 0.9], np.float32), (HOPS, 1))


def snr_db(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(20 * np.log10(np.linalg.norm(wanted) / np.linalg.norm(found.astype(np.float64) - wanted)))


@everywhere
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_package_is_the_graph_hop_by_hop(packages: Packages, precision: str, where: str) -> None:
    music, controls = music_and_controls()
    runner = opened(packages, precision, where)
    reference = GraphRunner(packages.graph)
    assert runner.state_size == reference.state_size
    found, state = run_clip(runner, music, controls, HOP)
    wanted, wanted_state = run_clip(reference, music, controls, HOP)
    assert snr_db(found, wanted) > LEAST_SNR_DB[precision]
    assert state.shape == wanted_state.shape
    assert snr_db(state, wanted_state) > LEAST_SNR_DB[precision]
    if precision == "fp32":
        assert np.linalg.norm(found - wanted) < 1e-4 * np.linalg.norm(wanted)
        # the slow minima carry the rounding of quiet bins' logarithms
        assert np.max(np.abs(state - wanted_state)) < 1e-2


@everywhere
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bypass_is_bit_exact(packages: Packages, precision: str, where: str) -> None:
    music, controls = music_and_controls()
    out, _ = run_clip(opened(packages, precision, where), music, 0 * controls, HOP)
    np.testing.assert_array_equal(out[:, LATENCY:], music[:, :-LATENCY])


@pytest.mark.parametrize("flush_subnormals", [False, True])
@pytest.mark.parametrize("what", ["silence", "a full-scale sine", "denormal numbers", "one sample"])
def test_float16_survives(packages: Packages, what: str, flush_subnormals: bool) -> None:
    time = np.arange(8 * HOP)
    audio = {
        "silence": np.zeros(time.size),
        "a full-scale sine": np.sin(2 * np.pi * 1000 * time / 48000),
        "denormal numbers": np.where(time % 2, 1e-40, -1e-40),
        "one sample": np.where(time == 5000, 1.0, 0.0),
    }[what].astype(np.float32)[None]
    controls = np.ones((8, 3), np.float32)
    runner = InterpretedCoreml(packages.paths["fp16"], packages.names["fp16"], flush_subnormals)
    found, state = run_clip(runner, audio, controls, HOP)
    wanted, _ = run_clip(GraphRunner(packages.graph), audio, controls, HOP)
    assert np.isfinite(found).all()
    assert np.isfinite(state).all()
    assert np.linalg.norm(found - wanted) <= 10 ** (-50 / 20) * np.linalg.norm(wanted) + 1e-7


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_package_describes_itself(packages: Packages, precision: str) -> None:
    program = read_program(packages.paths[precision])
    names = packages.names[precision]
    assert list(names) == [*INPUT_NAMES, *OUTPUT_NAMES]
    shapes = {"audio": (1, HOP), "controls": (1, 3), "enhanced": (1, HOP)}
    states = dict.fromkeys(("state_0", "next_state_0"), (1, packages.graph.state_size))
    assert {name: tuple(program.boundary[own]) for name, own in names.items()} == {
        name: ("fp32", shape) for name, shape in (shapes | states).items()
    }
    assert program.metadata[METADATA_KEY] == CONTRACT


def test_precisions_are_what_they_say(packages: Packages) -> None:
    programs = {precision: read_program(path) for precision, path in packages.paths.items()}
    assert dtypes_of(programs["fp32"]) == {"fp32"}
    assert dtypes_of(programs["fp16"]) == {"fp32", "fp16"}
    compressed = [
        operation for operation in programs["int8"].operations if operation.kind == "constexpr_affine_dequantize"
    ]
    assert len(compressed) > 10
    assert not [operation.name for operation in compressed if "dft" in operation.name or "window" in operation.name]
    sizes = {
        precision: sum(f.stat().st_size for f in path.rglob("weight.bin")) for precision, path in packages.paths.items()
    }
    assert sizes["fp16"] < LARGEST_SHARE_OF_FLOAT32 * sizes["fp32"]
    assert sizes["int8"] < LARGEST_SHARE_OF_FLOAT32 * sizes["fp16"]


def test_the_states_of_stereo_are_packed_in_float32(packages: Packages) -> None:
    graph = StreamingGraph(packages.graph.generator, 2).eval()
    with kept_quiet(), torch.no_grad():
        program = torch.export.export(graph, graph.example_inputs()).run_decompositions({})
    kept = float32_nodes(program)
    (outputs,) = (node for node in program.graph.nodes if node.op == "output")
    waiting, seen = [outputs.all_input_nodes[-1]], set()
    while waiting:
        node = waiting.pop()
        if str(node.target).split(".")[1:2] in (["cat"], ["view"], ["_unsafe_view"], ["reshape"], ["clone"]):
            seen.add(node.name)
            waiting.extend(node.all_input_nodes)
    joined = [node for node in program.graph.nodes if node.name in seen and "cat" in str(node.target)]
    assert len(joined) > 3
    assert not [node.name for node in joined if node.name not in kept]


def test_float16_keeps_head_recurrences_and_tail_in_float32(packages: Packages) -> None:
    program = read_program(packages.paths["fp16"])
    for kind, wanted in {
        "log": {"fp32"},
        "avg_pool": {"fp32"},
        "silu": {"fp32", "fp16"},  # the recurrence's gate, the mixing across bands and channels
        "layer_norm": {"fp16"},
        "exp": {"fp32", "fp16"},  # of the gate of rooms, of masks and copies
    }.items():
        made = {program.types[o.outputs[0]].dtype for o in program.operations if o.kind == kind}
        assert made == wanted, kind


def dtypes_of(program: MilProgram) -> set[str]:
    return {program.types[name].dtype for operation in program.operations for name in operation.outputs}


def test_writing_twice_gives_the_same_bytes_of_no_machine_or_day(packages: Packages, tmp_path: Path) -> None:
    again = tmp_path / "again.mlpackage"
    again.mkdir()
    (again / "old").write_text("replaced")
    write_coreml(packages.graph, again, "fp16", {METADATA_KEY: CONTRACT})
    assert sha256_of(again) == sha256_of(packages.paths["fp16"])
    assert list(tmp_path.iterdir()) == [again]
    content = b"".join(path.read_bytes() for path in again.rglob("*") if path.is_file())
    assert str(ROOT).encode() not in content
    assert b"conversion_date" not in content


def test_opening_a_package_leaves_it_as_it_was(packages: Packages) -> None:
    before = sha256_of(packages.paths["fp32"])
    with kept_quiet():
        import coremltools

        coremltools.models.MLModel(str(packages.paths["fp32"]), skip_model_load=True)
    assert sha256_of(packages.paths["fp32"]) == before


def test_coreml_itself_runs_a_package_where_the_system_has_it(
    packages: Packages,
) -> None:
    path, names = packages.paths["fp32"], packages.names["fp32"]
    wanted = RealCoreml if runs_coreml() else InterpretedCoreml
    assert isinstance(open_coreml(path, names), wanted)
    assert InterpretedCoreml(path, names).runtime == "interpreted MIL program"


def test_unknown_precisions_and_suffixes_are_refused(packages: Packages, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'int4', wanted one of: fp32, fp16, int8"):
        write_coreml(packages.graph, tmp_path / "a.mlpackage", "int4", {})
    with pytest.raises(ValueError, match=r"got a\.onnx, wanted a name that ends in \.mlpackage"):
        write_coreml(packages.graph, tmp_path / "a.onnx", "fp32", {})
    assert list(tmp_path.iterdir()) == []
