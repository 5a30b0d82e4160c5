"""Sums over clips, by hand."""

from __future__ import annotations

import pytest

from benchmarks.quality_report import MeasuredClip, summarise, table

CLIPS = [
    MeasuredClip("rain", "a", 24000, {"si_sdr_db": 5.0, "kept_db": None}, {"si_sdr_db": 9.0, "kept_db": None}),
    MeasuredClip("rain", "b", 24000, {"si_sdr_db": 7.0, "kept_db": None}, {"si_sdr_db": 6.5, "kept_db": None}),
    MeasuredClip("lp4k", "a", 24000, {"si_sdr_db": 20.0, "kept_db": 100.0}, {"si_sdr_db": 21.0, "kept_db": 40.0}),
]


def test_means_of_input_output_and_difference() -> None:
    rain = summarise(CLIPS)["rain"]
    assert rain["clips"] == 2
    assert rain["input"] == {"si_sdr_db": 6.0, "kept_db": None}
    assert rain["output"] == {"si_sdr_db": 7.75, "kept_db": None}
    assert rain["difference"] == {"si_sdr_db": pytest.approx(1.75), "kept_db": None}


def test_the_median_difference_is_not_moved_by_one_clip() -> None:
    gains = (0.0, 1.0, 40.0)
    clips = [MeasuredClip("rain", str(gain), 24000, {"si_sdr_db": -50.0}, {"si_sdr_db": gain - 50}) for gain in gains]
    assert summarise(clips)["rain"]["median_difference"] == {"si_sdr_db": 1.0}


def test_the_share_of_better_clips_and_the_worst_one() -> None:
    summaries = summarise(CLIPS)
    assert summaries["rain"]["better_share"] == {"si_sdr_db": 0.5}
    assert summaries["rain"]["worst"] == {"si_sdr_db": {"clip": "b", "difference": -0.5}}
    assert summaries["lp4k"]["better_share"] == {"si_sdr_db": 1.0}


def test_inputs_alone_are_summed_up_without_outputs() -> None:
    alone = [MeasuredClip(clip.scenario, clip.clip, clip.cutoff_hz, clip.recorded, None) for clip in CLIPS]
    summaries = summarise(alone)
    assert summaries["rain"] == {"clips": 2, "input": {"si_sdr_db": 6.0, "kept_db": None}}
    assert table(summaries).splitlines()[2].split() == ["rain", "2", "6.00", "-"]


def test_the_table_has_a_row_for_each_scenario_and_columns_in_line() -> None:
    lines = table(summarise(CLIPS)).splitlines()
    assert lines[1].split() == ["scenario", "clips", "in", "out", "diff", "in", "out", "diff", "SI-SDR"]
    assert lines[2].split() == ["rain", "2", "6.00", "7.75", "+1.75", "-", "-", "-", "50", "%"]
    assert lines[3].split() == ["lp4k", "1", "20.00", "21.00", "+1.00", "100.0", "40.0", "-60.0", "100", "%"]
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[0].split() == ["SI-SDR", "dB", "kept", "dB", "better", "share"]
