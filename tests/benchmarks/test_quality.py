"""The quality command on a small folder and a small bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks import quality
from benchmarks.measures import Figures
from benchmarks.quality import Task, main
from benchmarks.scenario_folder import read_audio
from studiomic import Controls, enhance


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are measured from now on, rather than remembered."""
    judged: list[Path] = []
    original = Task.measure

    def measure(task: Task) -> Figures:
        judged.append(task.judged)
        return original(task)

    monkeypatch.setattr(Task, "measure", measure)
    return judged


def run(scenarios: Path, bundle: Path, tmp_path: Path, *options: str) -> dict[str, Any]:
    """The results of a run without ViSQOL, in this process."""
    out = tmp_path / "results.json"
    fixed = ["--work", str(tmp_path / "work"), "--out", str(out), "--jobs", "1", "--figures", "distances", "guards"]
    assert main([str(scenarios), "--bundle", str(bundle), *fixed, *options]) == 0
    results: dict[str, Any] = json.loads(out.read_text())
    return results


def test_results_hold_input_beside_output_for_every_clip(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(scenarios, tiny_bundle, tmp_path)
    assert [(clip["scenario"], clip["clip"]) for clip in results["clips"]] == [
        ("clean", "first"), ("clean", "second"), ("hiss", "first"), ("hiss", "second"),
    ]  # fmt: skip
    assert results["bundle"]["name"] == "tiny"
    assert results["controls"] == [1.0, 1.0, 1.0]
    assert "cores" in results["machine"]["processor"]
    hiss = results["scenarios"]["hiss"]
    assert hiss["input"]["si_sdr_db"] == pytest.approx(0.0, abs=0.5)
    assert hiss["difference"]["level_db"] == pytest.approx(hiss["output"]["level_db"] - hiss["input"]["level_db"])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[2:]] == ["clean", "hiss"]


def test_outputs_are_the_streams_own_in_time_with_the_input(scenarios: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    run(scenarios, tiny_bundle, tmp_path, "--controls", "1", "0", "0.5", "--scenarios", "hiss")
    (folder,) = (tmp_path / "work/outputs").iterdir()
    assert folder.name.endswith("-1-0-0.5")
    samples = read_audio(scenarios / "hiss/first.wav").astype(np.float32)
    wanted = enhance(samples, 48000, controls=Controls(1, 0, 0.5), bundle=tiny_bundle).samples
    np.testing.assert_array_equal(read_audio(folder / "hiss/first.wav"), wanted)


def test_at_controls_zero_the_output_reads_as_the_input(scenarios: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    for clip in run(scenarios, tiny_bundle, tmp_path, "--controls", "0", "0", "0")["clips"]:
        assert clip["output"] == clip["input"]


def test_a_second_run_measures_nothing_and_says_the_same(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, measured: list[Path]
) -> None:
    first = run(scenarios, tiny_bundle, tmp_path)
    assert len(measured) == 16
    assert run(scenarios, tiny_bundle, tmp_path) == first
    assert len(measured) == 16


def test_a_run_that_was_stopped_goes_on_where_it_was(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, measured: list[Path]
) -> None:
    whole = run(scenarios, tiny_bundle, tmp_path)
    journal = tmp_path / "work/journal.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:10]) + '{"key": "cut')
    assert run(scenarios, tiny_bundle, tmp_path) == whole
    assert len(measured) == 16 + 6


def test_ctrl_c_keeps_what_is_measured(
    scenarios: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(task: Task) -> Figures:
        if "second" in task.judged.name:
            raise KeyboardInterrupt
        return {"si_sdr_db": 1.0}

    monkeypatch.setattr(Task, "measure", interrupt)
    arguments = [str(scenarios), "--inputs-only", "--work", str(tmp_path / "work"), "--jobs", "1"]
    assert main([*arguments, "--figures", "distances"]) == 130
    assert "run the same command to go on" in capsys.readouterr().err
    assert len((tmp_path / "work/journal.jsonl").read_text().splitlines()) == 1


def test_inputs_are_not_measured_again_for_other_controls(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, measured: list[Path]
) -> None:
    run(scenarios, tiny_bundle, tmp_path)
    del measured[:]
    run(scenarios, tiny_bundle, tmp_path, "--controls", "0.5", "0", "0")
    assert len(measured) == 8
    assert not any(scenarios in path.parents for path in measured)


def test_a_changed_recording_is_measured_again(
    scenarios: Path, tiny_bundle: Path, tmp_path: Path, measured: list[Path]
) -> None:
    run(scenarios, tiny_bundle, tmp_path, "--inputs-only")
    del measured[:]
    louder = 2 * read_audio(scenarios / "hiss/second.wav")
    soundfile.write(scenarios / "hiss/second.wav", louder, 48000, subtype="FLOAT")
    run(scenarios, tiny_bundle, tmp_path, "--inputs-only")
    assert set(measured) == {scenarios / "hiss/second.wav"}


def test_inputs_alone_need_no_bundle(scenarios: Path, tmp_path: Path) -> None:
    results = run(scenarios, tmp_path / "nowhere", tmp_path, "--inputs-only")
    assert all(clip["output"] is None for clip in results["clips"])
    assert "bundle" not in results


def test_synthetic_noise_adds_its_scenarios(scenarios: Path, tmp_path: Path) -> None:
    results = run(scenarios, tmp_path, tmp_path, "--inputs-only", "--synthetic-noise")
    assert list(results["scenarios"]) == ["clean", "hiss", "white5", "pink5", "white15", "pink15"]
    means = {scenario: summary["input"]["si_sdr_db"] for scenario, summary in results["scenarios"].items()}
    assert means["white15"] - means["white5"] == pytest.approx(10, abs=0.2)


def test_two_processes_say_what_one_says(scenarios: Path, tmp_path: Path) -> None:
    one = run(scenarios, tmp_path, tmp_path / "one", "--inputs-only", "--scenarios", "hiss")
    two = run(scenarios, tmp_path, tmp_path / "two", "--inputs-only", "--scenarios", "hiss", "--jobs", "2")
    assert one == two


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--bundle", "nowhere"], 66, "got 'nowhere', wanted"),
        (["--controls", "1", "2", "0"], 64, "2"),
        (["--scenarios", "rain", "--inputs-only"], 66, "no scenario rain: choose from clean, hiss"),
    ],
)
def test_wrong_use_is_answered_in_a_line(
    scenarios: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    assert main([str(scenarios), "--work", str(tmp_path), "--jobs", "1", *options]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("length", [100, 100000])
def test_lengths_that_do_not_fit_are_refused(
    scenarios: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], length: int
) -> None:
    soundfile.write(scenarios / "hiss/second.wav", np.zeros(length), 48000, subtype="FLOAT")
    fixed = ["--work", str(tmp_path), "--jobs", "1", "--figures", "distances"]
    assert main([str(scenarios), "--inputs-only", *fixed]) == 65
    assert f"second.wav has {length} samples, its reference 120000" in capsys.readouterr().err


def test_help_explains_the_guards(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert quality.__doc__ is not None
    assert "late reverberation (after 50 ms)" in capsys.readouterr().out
