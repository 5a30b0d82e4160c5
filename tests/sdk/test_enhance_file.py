"""A file in, a file out: nothing late, nothing lost, nothing that grows with the length."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from studiomic import Controls, enhance, enhance_file
from studiomic.audio_formats import WRITTEN_FORMATS, AudioFormat
from studiomic.enhance_folder import enhance_folder
from studiomic.errors import AudioReadError, AudioWriteError

SDK = Path(__file__).parents[2] / "sdk"
UNTOUCHED = Controls(0.0, 0.0, 0.0)


def noise(frames: int = 30_001, channels: int = 2) -> NDArray[np.float32]:
    samples = 0.1 * np.random.default_rng(11).standard_normal((frames, channels))
    return samples.astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_controls_at_zero_keep_every_sample(tmp_path: Path, tiny_bundle: Path, subtype: str, rate: int) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, noise(), rate, subtype)
    report = enhance_file(source, destination, controls=UNTOUCHED, bundle=tiny_bundle)
    before, after = (soundfile.read(path, dtype="float32")[0] for path in (source, destination))
    np.testing.assert_array_equal(after, before)
    info = soundfile.info(destination)
    assert (info.samplerate, info.subtype, info.channels) == (rate, subtype, 2)
    assert (report.input_rate, report.output_rate, report.channels) == (rate, rate, 2)
    assert report.seconds == pytest.approx(30_001 / rate)
    assert report.saturated == 0
    assert report.warnings == ()


def test_a_file_is_enhanced_as_an_array_is(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    controls = Controls(0.3, 0.6, 0.9)
    soundfile.write(source, noise(), 22050, "FLOAT")
    enhance_file(source, destination, controls=controls, bundle=tiny_bundle)
    wanted = enhance(noise(), 22050, controls=controls, bundle=tiny_bundle)
    got, rate = soundfile.read(destination, dtype="float32")
    assert rate == wanted.rate == 48000
    assert len(got) == round(30_001 * 48000 / 22050)
    np.testing.assert_array_equal(got, wanted.samples)


@pytest.mark.parametrize("form", WRITTEN_FORMATS, ids=lambda form: form.name)
def test_every_format_is_written_at_the_right_length(tmp_path: Path, tiny_bundle: Path, form: AudioFormat) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / f"out{form.suffixes[0]}"
    soundfile.write(source, noise(), 44100, "PCM_16")
    report = enhance_file(source, destination, bundle=tiny_bundle)
    info = soundfile.info(destination)
    assert info.samplerate == report.output_rate == (44100 if form.holds_rate(44100) else 48000)
    assert info.frames == round(30_001 * info.samplerate / 44100)
    told = any(f"{form.name} cannot hold 44100 Hz: written at 48000 Hz" in warning for warning in report.warnings)
    assert told is not form.holds_rate(44100)


def test_what_saturates_is_counted(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / "out.flac"
    loud = np.zeros((5000, 1), np.float32)
    loud[100:110] = 1.5
    soundfile.write(source, loud, 48000, "FLOAT")
    report = enhance_file(source, destination, controls=UNTOUCHED, bundle=tiny_bundle)
    assert report.saturated == 10
    assert soundfile.info(destination).subtype == "PCM_24"


def test_a_truncated_source_is_enhanced_as_far_as_it_goes_and_it_is_said(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, noise(), 48000, "PCM_16")
    source.write_bytes(source.read_bytes()[:-40_000])
    report = enhance_file(source, destination, bundle=tiny_bundle)
    assert soundfile.info(destination).frames == 20_001
    assert any("declares 30001 frames but holds 20001" in warning for warning in report.warnings)


def test_tags_travel_and_what_cannot_is_said(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in.flac", tmp_path / "out.aiff"
    with soundfile.SoundFile(source, "w", 48000, 1) as file:
        file.title, file.artist, file.album = "A title", "Someone", "An album"
        file.write(noise(channels=1))
    report = enhance_file(source, destination, bundle=tiny_bundle)
    with soundfile.SoundFile(destination) as file:
        assert (file.title, file.artist) == ("A title", "Someone")
    assert report.warnings == ("AIFF cannot hold the tags: album",)


def test_progress_is_told_to_the_end(tmp_path: Path, tiny_bundle: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(), 48000)
    told: list[tuple[int, int | None]] = []
    enhance_file(
        source, tmp_path / "out.wav", bundle=tiny_bundle, progress=lambda done, total: told.append((done, total))
    )
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (30_001, 30_001)


def test_an_interruption_from_the_callback_leaves_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(), 48000)

    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_file(source, tmp_path / "out.wav", bundle=tiny_bundle, progress=interrupt)
    assert list(tmp_path.iterdir()) == [source]


def test_a_full_disk_leaves_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(), 48000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(AudioWriteError, match=r"out\.wav: cannot be written: File too large"):
            enhance_file(source, tmp_path / "out.wav", bundle=tiny_bundle)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [source]


MEASURE = """
import resource, sys
from studiomic import enhance_file
enhance_file(sys.argv[1], sys.argv[2], bundle=sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MOST_GROWTH_KIB = 20 * 1024


@pytest.mark.parametrize(("suffix", "written"), [(".wav", ".wav"), (".flac", ".ogg"), (".ogg", ".flac")])
def test_memory_does_not_grow_with_the_length(tmp_path: Path, tiny_bundle: Path, suffix: str, written: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SDK)}
    peaks = []
    for seconds in (10, 160):
        source = tmp_path / f"in{seconds}{suffix}"
        with soundfile.SoundFile(source, "w", 48000, 1) as file:
            second = noise(48000, 1)
            for _ in range(seconds):
                file.write(second)
        command = [
            sys.executable,
            "-c",
            MEASURE,
            str(source),
            str(tmp_path / f"out{seconds}{written}"),
            str(tiny_bundle),
        ]
        peaks.append(int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout))
    # 160 s of float32 are 31 MB: any copy of the whole would show.
    assert peaks[1] - peaks[0] < MOST_GROWTH_KIB


def test_a_folder_is_mirrored_and_failures_are_collected(tmp_path: Path, tiny_bundle: Path) -> None:
    source, destination = tmp_path / "in", tmp_path / "in" / "out"
    (source / "deep" / "er").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac", "deep/er/c.WAV", ".hidden.wav"):
        soundfile.write(source / name, noise(2000), 48000)
    (source / "notes.txt").write_text("no sound")
    (source / "deep" / "broken.wav").write_text("no sound")
    (source / "broken.m4a").write_text("no sound")
    for _ in range(2):  # the second time, what the first has written is no source
        report = enhance_folder(
            source, destination, lambda one, other: enhance_file(one, other, bundle=tiny_bundle, overwrite=True)
        )
        assert [done.destination.relative_to(destination).as_posix() for done in report.done] == [
            "a.wav",
            "deep/b.flac",
            "deep/er/c.WAV",
        ]
        assert [path.name for path, _ in report.failed] == ["broken.m4a", "broken.wav"]
        assert all(isinstance(error, AudioReadError) for _, error in report.failed)
        assert report.skipped == 1
    assert sorted(path.name for path in destination.rglob("*.*")) == ["a.wav", "b.flac", "c.WAV"]


def test_names_that_are_not_written_get_wav_appended(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.mp4").write_bytes(b"")
    (source / "a.caf").write_bytes(b"")
    places: list[str] = []

    def note(_: Path, place: Path) -> None:
        places.append(place.name)
        raise AudioReadError("noted")

    enhance_folder(source, tmp_path / "out", note)  # type: ignore[arg-type]  # it always raises
    assert places == ["a.caf.wav", "a.mp4.wav"]


@pytest.mark.parametrize("name", ["in", "file"])
def test_a_folder_goes_into_another_folder_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AudioWriteError, match=r"the source itself|wanted a folder's name"):
        enhance_folder(tmp_path / "in", tmp_path / name, enhance_file)
