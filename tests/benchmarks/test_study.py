"""The study's experiments on tiny networks and synthesised music."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.study.__main__ import main
from benchmarks.study.keep_aside import keep_aside
from benchmarks.study.report import markdown_table
from benchmarks.study.super_resolution import RATE, STUDY, degraded_pair, measure, study_rows
from benchmarks.study.systems import open_system
from export.material import synthesised_music
from models.checkpoint import save_generator
from models.data.recordings import Recording, find_recordings
from models.discriminators.stored import discriminator_for, new_discriminator, save_discriminator
from models.generators.band_split import BandSplitConfig, BandSplitGenerator
from models.generators.unet import UNet, UNetConfig
from models.generators.windows import overlap_add_windows
from models.opponent import discriminator_optimizer

PNG_HEADER = b"\x89PNG\r\n\x1a\n"
SECONDS = 1.5


def unet_at(rate: int, seed: int) -> UNet:
    torch.manual_seed(seed)
    made = UNet(UNetConfig(sample_rate=rate, window=512, channels=(4, 6), filters=(9, 5))).eval()
    torch.nn.init.normal_(made.last.weight, std=0.05)
    return made


def weights_at(path: Path, rate: int, seed: int = 0, minutes: float = 1.5) -> Path:
    generator = unet_at(rate, seed)
    save_generator(path, generator, generator.state_dict(), {"minutes": minutes})
    return path


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three recordings that teach and two that are kept aside."""
    folder = tmp_path / "music_folder"
    for part, names in {"train": ("piano_one", "piano_two", "drums"), "valid": ("first", "second")}.items():
        (folder / "music" / part).mkdir(parents=True)
        for seed, name in enumerate(names):
            samples = synthesised_music(SECONDS, 48000, 1, seed)[0]
            soundfile.write(folder / "music" / part / f"{name}.wav", samples, 48000, subtype="FLOAT")
    rows = "file,spdx\nmusic/train/piano_one.wav,CC0-1.0\nmusic/train/piano_two.wav,CC-BY-4.0\n"
    (folder / "SOURCES.csv").write_text(rows, encoding="utf-8")
    return folder


class TestSuperResolution:
    def test_a_degraded_twin_has_lost_its_upper_half_and_is_in_time(self, music: Path) -> None:
        (recording, _) = find_recordings(music, "valid")
        pair = degraded_pair(recording, seconds=1.0)
        assert len(pair.truth) == len(pair.degraded) == RATE
        spectra = [np.abs(np.fft.rfft(samples * np.hanning(RATE))) ** 2 for samples in (pair.degraded, pair.truth)]
        kept, lost = slice(0, 2200), slice(2600, RATE // 2)
        assert np.allclose(spectra[0][kept].sum(), spectra[1][kept].sum(), rtol=1e-3)
        assert spectra[0][lost].sum() < 1e-6 * spectra[1][lost].sum()
        assert measure(pair.degraded, pair.truth).si_sdr_db > 10

    def test_a_table_with_ratios_beside_the_studys_and_pictures(
        self, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plain = weights_at(tmp_path / "plain.safetensors", RATE, seed=1)
        gan = weights_at(tmp_path / "gan.safetensors", RATE, seed=2, minutes=3.0)
        out = tmp_path / "out"
        command = ["super_resolution", "--test", f"tunes={music}", "--plain", str(plain), "--gan", str(gan)]
        assert main([*command, "--seconds", "1.2", "--out", str(out)]) == 0
        results = json.loads((out / "super_resolution.json").read_text())
        rows = results["sets"]["tunes"]
        assert [(row["system"], row["minutes"]) for row in rows] == [("input", None), ("plain", 1.5), ("gan", 3.0)]
        assert rows[0]["lsd_ratio"] == 1.0
        (recording, _) = find_recordings(music, "valid")
        pair = degraded_pair(recording, 1.2)
        degraded = torch.from_numpy(pair.degraded.astype(np.float32))[None, None]
        with torch.no_grad():
            restored = overlap_add_windows(unet_at(RATE, 1), degraded, 512)[0, 0].numpy().astype(np.float64)
        wanted = measure(restored, pair.truth)
        assert results["clips"]["tunes"]["first.wav"]["plain"] == pytest.approx(vars(wanted), rel=1e-6)
        of_clips = [clip["plain"]["log10_lsd"] for clip in results["clips"]["tunes"].values()]
        of_inputs = [clip["input"]["log10_lsd"] for clip in results["clips"]["tunes"].values()]
        assert rows[1]["figures"]["log10_lsd"] == pytest.approx(np.mean(of_clips))
        assert rows[1]["lsd_ratio"] == pytest.approx(np.mean(of_clips) / np.mean(of_inputs))
        assert (out / "super_resolution-tunes.png").read_bytes().startswith(PNG_HEADER)
        told = capsys.readouterr().out
        assert told.strip() == (out / "super_resolution.md").read_text().strip()
        assert "| study, U-Net, window 2048 | - | 1.592 | 0.70 | - | - |" in told

    def test_a_discriminator_refines_what_it_is_shown(self, music: Path, tmp_path: Path) -> None:
        weights, judge = weights_at(tmp_path / "gan.safetensors", RATE), tmp_path / "judge.safetensors"
        torch.manual_seed(3)
        config = discriminator_for(unet_at(RATE, 0), "first_half", conditional=True)
        made = new_discriminator(config)
        facts = {"options": {"adversarial": {"kind": "hinge"}}}
        save_discriminator(judge, made, config, discriminator_optimizer(made, 1e-3), facts)
        command = ["super_resolution", "--test", f"tunes={music}", "--gan", str(weights), "--seconds", "1.2"]
        steps = ["--refinement-enough", "1e6", "--out", str(tmp_path / "out"), "--refinement-steps"]
        assert main([*command, "--refined", str(weights), str(judge), *steps, "3"]) == 0
        _, gan, refined = json.loads((tmp_path / "out" / "super_resolution.json").read_text())["sets"]["tunes"]
        assert refined["system"] == "refined"
        assert refined["figures"] != gan["figures"]
        assert refined["figures"] == pytest.approx(gan["figures"], rel=0.2)  # a nudge, and no other music
        assert main([*command, "--refined", str(weights), str(judge), *steps, "0"]) == 0
        _, gan, unmoved = json.loads((tmp_path / "out" / "super_resolution.json").read_text())["sets"]["tunes"]
        assert unmoved["figures"] == pytest.approx(gan["figures"], rel=1e-4)

    def test_the_streaming_generator_is_judged_at_full_controls(self, music: Path, tmp_path: Path) -> None:
        torch.manual_seed(4)
        generator = BandSplitGenerator(BandSplitConfig(RATE, channels=8, blocks=1, copy_shifts=(512,))).eval()
        torch.nn.init.constant_(generator.decoder.bias, 1.0)
        save_generator(tmp_path / "w.safetensors", generator, generator.state_dict(), {"minutes": 4.0})
        command = ["super_resolution", "--test", f"tunes={music}", "--streaming", str(tmp_path / "w.safetensors")]
        assert main([*command, "--seconds", "1.2", "--out", str(tmp_path / "out")]) == 0
        results = json.loads((tmp_path / "out" / "super_resolution.json").read_text())
        _, row = results["sets"]["tunes"]
        assert (row["system"], row["minutes"]) == ("streaming", 4.0)
        pair = degraded_pair(find_recordings(music, "valid")[0], 1.2)
        degraded = torch.from_numpy(pair.degraded.astype(np.float32))[None, None]
        with torch.no_grad():
            restored = generator(degraded, torch.ones(1, 3))[0, 0].numpy().astype(np.float64)
        found = results["clips"]["tunes"]["first.wav"]
        assert found["streaming"] == pytest.approx(vars(measure(restored, pair.truth)), rel=1e-6)
        assert found["streaming"] != found["input"]

    def test_the_studys_ratios(self) -> None:
        assert [row[3] for row in study_rows()] == ["1.00", "0.70", "0.58"]
        assert set(STUDY) == {"input", "U-Net, window 2048", "U-Net, window 4096"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "systems: got no weights, wanted at least one of --plain, --gan, --refined, --distilled, --streaming"),
            (["--plain", "{48000}"], "plain works at 48000 Hz, wanted a generator at 10000 Hz"),
            (["--plain", "nowhere"], "no weights at nowhere"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(
        self, options: list[str], message: str, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fast = str(weights_at(tmp_path / "fast.safetensors", 48000))
        given = [option.replace("{48000}", fast) for option in options]
        assert main(["super_resolution", "--test", f"tunes={music}", "--out", str(tmp_path / "out"), *given]) == 2
        assert message in capsys.readouterr().err

    @pytest.mark.parametrize("test", ["tunes", "=there", "tunes="])
    def test_a_set_needs_a_name_and_a_folder(
        self, test: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plain = weights_at(tmp_path / "plain.safetensors", RATE)
        assert main(["super_resolution", "--test", test, "--plain", str(plain), "--out", str(tmp_path / "out")]) == 2
        assert f"--test: got {test!r}, wanted NAME=FOLDER" in capsys.readouterr().err


class TestScenarios:
    def test_input_and_every_system_by_scenario(self, scenarios: Path, tmp_path: Path) -> None:
        plain = weights_at(tmp_path / "plain.safetensors", 48000, seed=1)
        distilled = weights_at(tmp_path / "distilled.safetensors", 48000, seed=2, minutes=9.0)
        out = tmp_path / "out"
        command = ["scenarios", str(scenarios), "--plain", str(plain), "--distilled", str(distilled)]
        assert main([*command, "--figures", "distances", "--out", str(out)]) == 0
        lines = (out / "scenarios.md").read_text().splitlines()
        assert lines[0] == "| scenario, system | SI-SDR dB | LSD ln | LSD log10 | minutes trained |"
        assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
            "clean, input", "clean, plain", "clean, distilled", "hiss, input", "hiss, plain", "hiss, distilled",
        ]  # fmt: skip
        results = json.loads((out / "scenarios.json").read_text())
        assert results["systems"]["distilled"]["minutes"] == 9.0
        hiss = {name: found["scenarios"]["hiss"] for name, found in results["systems"].items()}
        assert hiss["plain"]["input"] == hiss["distilled"]["input"]
        assert hiss["plain"]["output"]["si_sdr_db"] != hiss["distilled"]["output"]["si_sdr_db"]
        assert sorted(path.name for path in out.glob("*.png")) == ["scenarios-clean.png", "scenarios-hiss.png"]
        restored, _ = soundfile.read(out / "outputs" / "plain" / "hiss" / "first.wav")
        recorded, _ = soundfile.read(scenarios / "hiss" / "first.wav")
        np.testing.assert_allclose(restored, open_system("plain", plain).restore(recorded), atol=1e-6)

    def test_an_unknown_scenario_is_refused(
        self, scenarios: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        plain = weights_at(tmp_path / "plain.safetensors", 48000)
        command = ["scenarios", str(scenarios), "--plain", str(plain), "--scenarios", "rain", "--out", str(tmp_path)]
        assert main(command) == 66
        assert "no scenario rain" in capsys.readouterr().err


class TestKeepAside:
    def test_the_named_ones_are_kept_aside_and_nothing_is_lost(self, music: Path, tmp_path: Path) -> None:
        made = tmp_path / "made"
        assert main(["keep_aside", "--audio", str(music), "--names", "two", "--out", str(made)]) == 0

        def titles(part: str) -> dict[str, str]:
            return {found.title: found.licence for found in find_recordings(made, part)}

        assert titles("train") == {"drums.wav": "unknown", "piano_one.wav": "CC0-1.0"}
        assert titles("valid") == {"piano_two.wav": "CC-BY-4.0"}
        kept = made / "music" / "valid" / "piano_two.wav"
        assert kept.read_bytes() == (music / "music" / "train" / "piano_two.wav").read_bytes()

    def test_an_unknown_name_and_a_taken_path_are_refused(self, music: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="got the name 'violin', which no recording"):
            keep_aside(music, tmp_path / "made", ["violin"])
        with pytest.raises(ValueError, match="got a path that is taken"):
            keep_aside(music, music, ["two"])


def test_rows_have_as_many_cells_as_the_head() -> None:
    assert markdown_table(["a", "b"], [["c", "1"]]) == "| a | b |\n| --- | ---: |\n| c | 1 |\n"
    with pytest.raises(ValueError, match="got 1 cells, wanted 2"):
        markdown_table(["a", "b"], [["c"]])


def test_a_recording_of_silence_has_no_figures(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(48000), 48000)
    pair = degraded_pair(Recording(tmp_path / "silent.wav", "silent.wav", "music"), 1.0)
    with pytest.raises(ValueError, match="got a silent recording, wanted music"):
        measure(pair.degraded, pair.truth)
