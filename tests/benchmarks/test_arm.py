"""The Arm machine appears whole or not at all, and what runs on it is measured truly; no emulator is started here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import benchmarks.arm.__main__ as command
from benchmarks.arm import guest, machine
from benchmarks.arm.machine import ArmMachine, ArmMachineError, arm_machine
from benchmarks.arm.machine import _keep as keep_emulator
from tests.support.vectors import BUNDLE_NAME, FOLDER, read_index

FIXTURE = FOLDER / BUNDLE_NAME


class SameProcessor(ArmMachine):
    """Runs the guest in this process, on this processor, and spoils what it gives by a factor."""

    factor = 1.0

    def python(self, arguments: Sequence[str], modules: Sequence[Path], timeout: float) -> str:
        assert arguments[:2] == ["-m", "benchmarks.arm.guest"]
        if arguments[2] == "vectors":
            raise ArmMachineError("no vectors today")
        guest.main(arguments[2:])
        with np.load(arguments[-1]) as made:
            outputs = dict(made)
        np.savez(arguments[-1], allow_pickle=False, **{name: self.factor * x for name, x in outputs.items()})
        return ""


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fetched; nothing is fetched in truth."""
    seen: list[str] = []

    def fetch(folder: Path, architecture: str, packages: Sequence[str]) -> list[Path]:
        seen.extend(packages)
        return []

    monkeypatch.setattr(machine, "_fetch_debian", fetch)
    monkeypatch.setattr(machine, "_keep", lambda file, destination: None)
    monkeypatch.setattr(machine, "_install_wheels", lambda folder, wanted: seen.extend(wanted))
    return seen


def test_a_machine_is_set_up_once(tmp_path: Path, fetched: list[str]) -> None:
    made = arm_machine(tmp_path)
    assert "qemu-user-static" in fetched
    assert any(name.startswith("onnxruntime==") for name in fetched)
    assert [path.name for path in tmp_path.iterdir()] == [made.folder.name]
    assert (made.folder / "root/proc/cpuinfo").read_text().count("CPU part") == 2
    fetched.clear()
    assert arm_machine(tmp_path) == made
    assert fetched == []


def test_a_failed_setup_leaves_nothing(tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, wanted: Sequence[str]) -> None:
        raise ArmMachineError("no wheel")

    monkeypatch.setattr(machine, "_install_wheels", refuse)
    with pytest.raises(ArmMachineError, match="no wheel"):
        arm_machine(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_package_without_an_emulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArmMachineError, match="holds no usr/bin/qemu-aarch64-static"):
        keep_emulator(tmp_path / machine.EMULATOR, tmp_path / "emulator")


def test_a_tool_that_fails_says_why() -> None:
    with pytest.raises(ArmMachineError, match=r"looking: got exit code 2, wanted 0; it said:\n.*nowhere"):
        machine._run(["ls", "/nowhere"], "looking")
    with pytest.raises(ArmMachineError, match=r"waiting: got no end within 0\.1 s"):
        machine._run(["sleep", "5"], "waiting", timeout=0.1)
    with pytest.raises(ArmMachineError, match="No such file"):
        machine._run(["/no/such/tool"], "calling")


def test_files_are_compared_with_the_best_and_with_themselves(tmp_path: Path) -> None:
    same = SameProcessor(tmp_path)
    results = command.compare(same, FIXTURE, 0.05, vectors=False)
    files = {row["file"]: row for row in results["files"]}
    assert files["mono.onnx"]["from_fp32_here"]["relative_error"] == 0.0
    assert files["mono.onnx"]["from_fp32_here"]["snr_db"] is None
    same = type("Off", (SameProcessor,), {"factor": 1.01})(tmp_path)
    row = command.compare(same, FIXTURE, 0.05, vectors=False)["files"][0]
    assert row["from_itself_here"]["relative_error"] == pytest.approx(0.01, rel=1e-3)
    assert row["from_itself_here"]["snr_db"] == pytest.approx(40.0, abs=0.01)
    assert row["from_itself_here"]["state_relative_error"] == pytest.approx(0.01, rel=1e-3)


def test_what_fails_is_told_and_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = type("Spoilt", (SameProcessor,), {"factor": np.nan, "emulator": lambda self: "none"})(tmp_path)
    monkeypatch.setattr(command, "arm_machine", lambda cache: spoilt)
    out = tmp_path / "arm.json"
    assert command.main(["--bundle", str(FIXTURE), "--seconds", "0.05", "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "mono.onnx" in told.out
    assert "golden vectors, onnx fp32: failed: no vectors today" in told.out
    assert "not finite" in told.err
    assert out.is_file()


def test_the_vectors_are_replayed_by_the_guest(capsys: pytest.CaptureFixture[str]) -> None:
    index = read_index()
    guest.main(["vectors", "onnx", "fp32"])
    assert int(capsys.readouterr().out) == len(index.hops) + len(index.streams)
