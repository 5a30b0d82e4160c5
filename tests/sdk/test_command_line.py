"""The command `studiomic`, as it is called."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from studiomic.command_line import main
from studiomic.commands.options import parse_groups
from studiomic.errors import AudioReadError, InvalidLayoutError
from studiomic.version import __version__

SDK = Path(__file__).parents[2] / "sdk"
COMMAND = [sys.executable, "-c", "import sys; from studiomic.command_line import main; sys.exit(main())"]


def noise(frames: int = 24_000, channels: int = 1) -> NDArray[np.float32]:
    samples = 0.1 * np.random.default_rng(13).standard_normal((frames, channels))
    return samples.astype(np.float32)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, noise(), 48000, "PCM_24")
    return path


def test_alone_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert all(command in printed for command in ("enhance", "compare", "info", "demo"))


@pytest.mark.parametrize("command", ["enhance", "compare", "info", "demo"])
def test_every_help_teaches_by_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert f"studiomic {command}" in printed


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"studiomic {__version__}\n"


def test_enhance_writes_and_sums_up(
    take: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "better.flac"
    assert main(["enhance", str(take), str(out), "--bundle", str(tiny_bundle)]) == 0
    captured = capsys.readouterr()
    assert re.search(r"take\.wav -> .*better\.flac: 0\.5 s, 1 channels, 48000 -> 48000 Hz, in", captured.out)
    assert captured.err == ""
    assert (soundfile.info(out).subtype, soundfile.info(out).frames) == ("PCM_24", 24_000)


def test_a_terminal_sees_a_progress_bar_unless_quiet(
    take: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    command = ["enhance", str(take), str(tmp_path / "out.wav"), "--bundle", str(tiny_bundle), "--overwrite"]
    assert main(command) == 0
    assert re.search(r"take\.wav: .*frames", capsys.readouterr().err)
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_enhance_hands_every_option_on(take: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "same.wav"
    options = "--denoise 0 --dereverb 0 --extend 0 --channel-groups singles --backend onnx --precision fp32 --threads 1"
    command = ["enhance", str(take), str(out), "--bundle", str(tiny_bundle), "--quiet", *options.split()]
    assert main(command) == 0
    np.testing.assert_array_equal(soundfile.read(out)[0], soundfile.read(take)[0])
    assert main([*command, "--overwrite", "--output-rate", "96000"]) == 0
    assert soundfile.info(out).samplerate == 96000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["enhance", "missing.wav", "out.wav"], 66, "missing.wav: no such file"),
        (["enhance", "take.wav", "take.wav", "--overwrite"], 73, "never replaced"),
        (["enhance", "take.wav", "take.flac"], 73, "exists already"),
        (["enhance", "take.wav", "out.mp4"], 64, "not written"),
        (["enhance", "take.wav", "out.wav", "--denoise", "2"], 64, "'denoise': got 2.0, wanted a number from 0 to 1"),
        (
            ["enhance", "take.wav", "out.wav", "--denoise", "much"],
            64,
            "argument --denoise: invalid float value: 'much'",
        ),
        (["enhance", "take.wav", "out.wav", "--channel-groups", "0;1"], 64, "--channel-groups: got '0;1', wanted"),
        (["enhance", "take.wav", "out.wav", "--threads", "0"], 64, "threads: got 0"),
        (["enhance", "take.wav", "out.wav", "--precision", "fp1"], 64, "fp1"),
        (["enhance", "take.wav", "out.wav", "--bundle", "none"], 66, "got 'none'"),
        (["enhance", "take.wav"], 64, "the following arguments are required: OUT"),
        (["enhence", "take.wav"], 64, "invalid choice: 'enhence'"),
        (["compare", "take.wav", "missing.wav"], 66, "missing.wav: no such file"),
        (["info", "--bundle", "none"], 66, "got 'none'"),
        (["demo", "missing.wav"], 66, "missing.wav: no such file"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    take: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take.flac").write_bytes(b"earlier")
    if "--bundle" not in arguments and arguments[0] in ("enhance", "demo"):
        arguments = [*arguments, "--bundle", str(tiny_bundle)]
    try:
        left_with: object = main(arguments)
    except SystemExit as left:
        left_with = left.code
    captured = capsys.readouterr()
    assert left_with == code
    assert captured.err.startswith("studiomic: error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert captured.out == ""
    assert not (tmp_path / "out.wav").exists()


def test_debug_shows_where_it_arose(tmp_path: Path, tiny_bundle: Path) -> None:
    with pytest.raises(AudioReadError, match="no such file"):
        main(["enhance", str(tmp_path / "a.wav"), str(tmp_path / "b.wav"), "--bundle", str(tiny_bundle), "--debug"])


@pytest.mark.parametrize(
    ("text", "groups"),
    [("auto", "auto"), ("pairs", "pairs"), ("0", ((0,),)), ("0,1/2/3,4", ((0, 1), (2,), (3, 4)))],
)
def test_channel_groups_are_understood(text: str, groups: object) -> None:
    assert parse_groups(text) == groups


@pytest.mark.parametrize("text", ["", "a", "0,", "0//1", "0 1"])
def test_other_channel_groups_are_refused(text: str) -> None:
    with pytest.raises(InvalidLayoutError, match=re.escape(f"got '{text}', wanted auto")):
        parse_groups(text)


def test_a_folder_with_failures_does_the_rest_and_says_so(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", noise(), 48000)
    (tmp_path / "in" / "broken.wav").write_text("no sound")
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    code = main(["enhance", str(tmp_path / "in"), str(tmp_path / "out"), "--bundle", str(tiny_bundle)])
    captured = capsys.readouterr()
    assert code == 66
    assert "1 enhanced, 1 failed, 1 skipped (not audio)" in captured.out
    assert re.fullmatch(r"studiomic: error: .*broken\.wav: cannot be read as sound.*\n", captured.err)
    assert os.listdir(tmp_path / "out") == ["a.wav"]


def test_a_truncated_source_is_warned_of(
    take: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take.write_bytes(take.read_bytes()[:-3000])
    assert main(["enhance", str(take), str(tmp_path / "out.wav"), "--bundle", str(tiny_bundle), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"studiomic: warning: .*declares 24000 frames but holds 23000.*\n", captured.err)


def test_compare_prints_figures_and_draws(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.concatenate([np.zeros((100, 1)), noise() / 2]), 48000, "FLOAT")
    picture = tmp_path / "both.png"
    assert main(["compare", str(take), str(quiet), "--picture", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"level, dB +-6\.02", printed)
    assert "100 samples (2.1 ms) late" in printed
    assert all(name in printed for name in ("SI-SDR, dB", "LSD 4-16 kHz", "LSD 8-16 kHz"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_compare_prints_its_figures_also_where_it_cannot_draw(
    take: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["compare", str(take), str(take), "--picture", str(tmp_path / "both.png")]) == 69
    captured = capsys.readouterr()
    assert "SI-SDR, dB" in captured.out
    assert "pip install 'studiomic[bench]'" in captured.err


def test_info_tells_what_the_bundle_is(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--bundle", str(tiny_bundle)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"latency +\d+ samples, \d+\.\d ms", printed)
    assert re.search(r"sample rate +48000 Hz", printed)
    assert re.search(r"attributions +.*data_card\.csv", printed)
    assert "ONNX Runtime" in printed
    assert re.search(r"onnx +fp32 +1 ", printed)
    assert re.search(r"built in +live, studio, unet\n", printed)


def test_demo_of_the_built_in_sample(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    for _ in range(2):  # an earlier demo is replaced
        assert main(["demo", "--out", str(out), "--bundle", str(tiny_bundle), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert sorted(os.listdir(out)) == ["after.wav", "before.wav", "spectrograms.png"]
    assert soundfile.info(out / "after.wav").frames == soundfile.info(out / "before.wav").frames
    assert re.search(r"SI-SDR, dB \(against the original\) +-?\d+\.\d\d +-?\d+\.\d\d", printed)
    assert all(word in printed for word in ("duration", "real-time factor", "latency", "bandwidth, kHz"))


def test_demo_of_a_recording_of_ones_own(
    take: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "demo"
    assert main(["demo", str(take), "--out", str(out), "--bundle", str(tiny_bundle)]) == 0
    captured = capsys.readouterr()
    assert sorted(os.listdir(out)) == ["after.wav", "before.wav"]
    assert "against the original" not in captured.out
    assert "pip install 'studiomic[bench]'" in captured.err
    np.testing.assert_array_equal(soundfile.read(out / "before.wav")[0], soundfile.read(take)[0])


def test_the_demo_never_writes_over_its_source(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("before.wav", "after.wav"):
        source = tmp_path / name
        soundfile.write(source, noise(), 48000)
        content = source.read_bytes()
        assert main(["demo", str(source), "--out", str(tmp_path), "--bundle", str(tiny_bundle)]) == 73
        assert source.read_bytes() == content
    assert "is the source itself" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, tiny_bundle: Path, number: signal.Signals, code: int
) -> None:
    source, out = tmp_path / "long.wav", tmp_path / "out"
    out.mkdir()
    with soundfile.SoundFile(source, "w", 48000, 2) as file:
        second = noise(48000, 2)
        for _ in range(1200):
            file.write(second)
    # A shell's background job ignores interrupts, and whatever it starts inherits that.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            [*COMMAND, "enhance", source, out / "better.wav", "--bundle", tiny_bundle],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SDK)},
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(number, before)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 100_000 for path in out.iterdir()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert os.listdir(out) == []
    assert "Traceback" not in errors


def test_what_reads_the_output_may_stop_reading(tiny_bundle: Path, tmp_path: Path) -> None:
    script = f"{' '.join(map(repr, map(str, COMMAND)))} info --bundle {str(tiny_bundle)!r} | true"
    shell = shutil.which("sh")
    assert shell is not None
    finished = subprocess.run(
        [shell, "-c", script], env={**os.environ, "PYTHONPATH": str(SDK)}, capture_output=True, text=True, check=True
    )
    assert finished.stderr == ""
