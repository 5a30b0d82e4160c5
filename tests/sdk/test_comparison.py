"""Recordings made comparable, their figures, and the picture."""

from __future__ import annotations

import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread
from numpy.typing import NDArray

from studiomic import comparison
from studiomic.comparison import (
    COMPARED_RATE,
    Recording,
    bandwidth,
    compare_recordings,
    find_delay,
    level_dbfs,
    load_recording,
    measure,
)
from studiomic.errors import AudioWriteError, InvalidAudioError, MissingExtraError
from studiomic.spectrogram import Panel, decibels_full_scale, write_spectrograms


def noise(seconds: float = 3.0, channels: int = 1, seed: int = 3) -> NDArray[np.float32]:
    count = round(seconds * COMPARED_RATE)
    return (0.1 * np.random.default_rng(seed).standard_normal((count, channels))).astype(np.float32)


def recording(samples: NDArray[np.float32]) -> Recording:
    return Recording(samples, COMPARED_RATE, len(samples), ())


@pytest.mark.parametrize("delay", [0, 1, 2047, -960, 40_000])
def test_the_delay_is_found_and_taken_off(delay: int) -> None:
    truth = noise()
    moved = np.concatenate([np.zeros((delay, 1), np.float32), truth]) if delay > 0 else truth[-delay:]
    compared = compare_recordings(recording(truth), recording(np.float32(0.5) * moved))
    assert compared.delay == delay
    assert compared.figures.si_sdr > 100
    assert compared.figures.level == pytest.approx(-6.02, abs=0.01)
    assert compared.figures.distance == pytest.approx(np.log(4), abs=0.01)


def test_reflections_are_not_taken_for_a_delay() -> None:
    samples = files("studiomic") / "samples"
    with as_file(samples / "truth.flac") as truth, as_file(samples / "take.flac") as take:
        assert find_delay(load_recording(truth).mono, load_recording(take).mono) == 0


def test_strangers_have_no_delay() -> None:
    assert find_delay(noise(seed=1)[:, 0], noise(seed=2)[:, 0]) is None
    assert find_delay(noise()[:, 0], np.zeros(1000, np.float32)) is None


def test_what_differs_is_said(tmp_path: Path) -> None:
    time = np.arange(3 * 44100) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 1000 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], axis=1), 44100, "FLOAT")
    soundfile.write(tmp_path / "b.wav", tone[::2], 22050, "FLOAT")
    pair = [load_recording(tmp_path / name) for name in ("a.wav", "b.wav")]
    compared = compare_recordings(*pair)
    remarks = " ".join(compared.remarks)
    assert "44100 Hz and 22050 Hz" in remarks
    assert "2 and 1" in remarks
    assert "compared as mono" in remarks
    assert compared.figures.si_sdr > 40


def test_long_recordings_are_cut_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_SECONDS", 1.0)
    soundfile.write(tmp_path / "a.wav", noise(2.5), COMPARED_RATE)
    loaded = load_recording(tmp_path / "a.wav")
    assert (len(loaded.samples), loaded.frames) == (COMPARED_RATE, 120_000)
    assert "compared over the first 1 s" in compare_recordings(loaded, loaded).remarks


def test_a_recording_with_nan_is_refused_with_its_place(tmp_path: Path) -> None:
    samples = noise(1.0)
    samples[24000] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, COMPARED_RATE, "FLOAT")
    with pytest.raises(InvalidAudioError, match=r"a\.wav: holds nan at sample 24000 \(0\.500 s\)"):
        load_recording(tmp_path / "a.wav")


def test_the_edges_are_left_out_of_the_figures() -> None:
    truth = noise()
    broken = truth.copy()
    broken[:24000] = broken[-24000:] = 1.0
    assert measure(truth, broken).si_sdr == float("inf")


def test_levels_and_bandwidths() -> None:
    assert level_dbfs(np.full((100, 2), 0.1, np.float32)) == pytest.approx(-20)
    assert level_dbfs(np.zeros((100, 2), np.float32)) == float("-inf")
    spectrum = np.fft.rfft(noise()[:, 0])
    spectrum[len(spectrum) // 3 :] = 0
    assert bandwidth(np.fft.irfft(spectrum).astype(np.float32)) == pytest.approx(
        8000, abs=400
    )  # the window's side lobes at the edge
    assert bandwidth(noise()[:, 0]) > 23_900


def test_a_full_scale_sine_reads_0_dbfs_where_it_sounds() -> None:
    sine = np.sin(2 * np.pi * 3000 * np.arange(48000) / 48000)
    levels = decibels_full_scale(sine)
    assert levels.max() == pytest.approx(0.0, abs=0.01)
    assert np.argmax(levels[10]) * 48000 / 2048 == 3000
    assert len(decibels_full_scale(np.tile(sine, 60))) <= 1001


def test_the_picture_shows_both_panels_with_one_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    loud = noise()[:, 0]
    write_spectrograms(path, [Panel("loud", loud), Panel("silent", np.zeros(500, np.float32))], COMPARED_RATE)
    picture = imread(path)
    height, width = picture.shape[:2]
    assert width > 2 * height
    middle = picture[height // 3 : 2 * height // 3]
    assert middle[:, int(width * 0.3), :3].mean() > 0.3
    assert middle[:, int(width * 0.7), :3].mean() < 0.05


def test_the_picture_is_never_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"earlier")
    panels = [Panel("a", noise()[:, 0])]
    with pytest.raises(AudioWriteError, match="exists already"):
        write_spectrograms(path, panels, COMPARED_RATE)
    write_spectrograms(path, panels, COMPARED_RATE, overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_the_answer_is_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'studiomic\[bench\]'"):
        write_spectrograms(tmp_path / "a.png", [Panel("a", noise()[:, 0])], COMPARED_RATE)
