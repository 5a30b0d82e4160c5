"""The manifest: written as read, and strict both ways."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from studiomic.bundle import Bundle
from studiomic.errors import BundleCorruptError, ContractError
from studiomic.manifest import MANIFEST_NAME, GraphFile, LossRecord, Manifest, sha256_of
from tests.support.graphs import graph_file, small_manifest

MANIFEST = small_manifest((graph_file(1), graph_file(2)))


def test_it_reads_what_it_wrote(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    assert Manifest.read(tmp_path) == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_json_keeps_the_contracts_keys_and_order() -> None:
    document = json.loads(MANIFEST.to_json())
    assert list(document) == [
        "contract_version",
        "name",
        "sample_rate",
        "hop",
        "graph_latency",
        "tensors",
        "files",
        "data_card",
    ]
    assert list(document["tensors"][0]) == ["channels", "inputs", "outputs"]
    assert document["tensors"][1]["inputs"][0] == {"name": "audio", "shape": [2, 1024]}
    assert list(document["files"][0]) == ["path", "format", "precision", "channels", "sha256", "names", "parity"]
    parity = ["seconds", "relative_error", "largest_error", "state_error", "runtime", "loss"]
    assert list(document["files"][0]["parity"]) == parity


def test_a_file_carries_the_facts_of_its_own_graph() -> None:
    assert MANIFEST.embedded_contract(1) == (
        '{"contract_version":1,"name":"tiny","sample_rate":48000,"hop":1024,"graph_latency":1024,"tensors":'
        '{"channels":1,"inputs":[{"name":"audio","shape":[1,1024]},{"name":"controls","shape":[1,3]},'
        '{"name":"state_0","shape":[1,1024]},{"name":"state_1","shape":[1,1]}],"outputs":'
        '[{"name":"enhanced","shape":[1,1024]},{"name":"next_state_0","shape":[1,1024]},'
        '{"name":"next_state_1","shape":[1,1]}]}}'
    )
    assert MANIFEST.graph(2).hop == 1024
    assert [state.name for state in MANIFEST.graph(2).states] == ["state_0", "state_1"]


def test_what_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    before = (tmp_path / MANIFEST_NAME).read_bytes()
    with pytest.raises(ContractError, match="hop: got 0, wanted an integer of 1 or more"):
        dataclasses.replace(MANIFEST, hop=0).write(tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_a_graph_that_it_lacks_is_refused() -> None:
    mono = dataclasses.replace(MANIFEST, tensors=MANIFEST.tensors[:1], files=MANIFEST.files[:1])
    with pytest.raises(ContractError, match="'tiny' has no graph for 2 channels; it has graphs for: 1"):
        mono.graph(2)


def with_file(**changes: Any) -> Manifest:
    first, second = MANIFEST.files
    return dataclasses.replace(MANIFEST, files=(dataclasses.replace(first, **changes), second))


@pytest.mark.parametrize("loss", [LossRecord(0.21, 0.013), LossRecord(-0.1, None)])
def test_the_loss_of_a_reduced_precision_is_kept(loss: LossRecord, tmp_path: Path) -> None:
    parity = dataclasses.replace(MANIFEST.files[0].parity, loss=loss)
    manifest = with_file(precision="int8", parity=parity)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path).files[0].parity.loss == loss


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "caffe"}, r"files\[0\].format: got caffe, wanted one of onnx, tflite, coreml"),
        ({"precision": "fp64"}, r"files\[0\].precision: got fp64, wanted one of fp32, fp16, int8"),
    ],
)
def test_unknown_formats_and_precisions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Manifest.from_json(with_file(**changes).to_json(), "here")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state_error": -1.0}, r"parity.state_error: got -1.0, wanted a finite number of 0 or more"),
        ({"runtime": ""}, r"parity.runtime: got '', wanted a text that is not empty"),
        ({"loss": 0.3}, r"parity.loss: got 0.3, wanted an object"),
        ({"loss": {"si_sdr_db": 0.3}}, r"parity.loss.visqol: got nothing, wanted the key 'visqol'"),
        ({"loss": {"si_sdr_db": float("inf"), "visqol": None}}, r"si_sdr_db: got Infinity, wanted a finite number"),
        ({"loss": {"si_sdr_db": None, "visqol": None}}, r"si_sdr_db: got null, wanted a finite number"),
    ],
)
def test_a_parity_record_is_read_strictly(changes: dict[str, object], message: str) -> None:
    document = json.loads(MANIFEST.to_json())
    document["files"][0]["parity"].update(changes)
    with pytest.raises(ContractError, match=message):
        Manifest.from_json(json.dumps(document), "here")


def test_a_folder_is_a_graph_file_whose_every_byte_is_verified(tmp_path: Path) -> None:
    weights = tmp_path / "mono.mlpackage" / "Data" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"1234")
    file = with_file(path="mono.mlpackage", format="coreml", sha256=sha256_of(tmp_path / "mono.mlpackage")).files[0]
    assert isinstance(file, GraphFile)
    weights.write_bytes(b"1235")
    bundle = Bundle(tmp_path, dataclasses.replace(MANIFEST, files=(file,)))
    with pytest.raises(BundleCorruptError, match=r"mono.mlpackage: got a folder with SHA-256 .* truncated or edited"):
        bundle.open(1, format="coreml")


class TestSha256:
    def test_of_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "abc"
        file.write_bytes(b"abc")
        # FIPS 180-2, appendix B.1
        assert sha256_of(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def test_of_a_folder_depends_on_paths_and_bytes_and_on_nothing_else(self, tmp_path: Path) -> None:
        def folder(name: str, files: dict[str, bytes]) -> str:
            for path, content in files.items():
                (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name / path).write_bytes(content)
            return sha256_of(tmp_path / name)

        first = folder("first", {"a/b": b"12", "c": b"3"})
        assert folder("other_order", {"c": b"3", "a/b": b"12"}) == first
        assert folder("bytes", {"a/b": b"12", "c": b"4"}) != first
        assert folder("path", {"a/d": b"12", "c": b"3"}) != first
        assert folder("border", {"a/b": b"1", "c": b"23"}) != first
