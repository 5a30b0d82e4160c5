"""`studiomic compare A B`"""

from __future__ import annotations

import argparse
from pathlib import Path

from studiomic.commands.options import warn
from studiomic.commands.table import format_table
from studiomic.comparison import COMPARED_RATE, Figures, compare_recordings, load_recording
from studiomic.spectrogram import Panel, write_spectrograms

HELP = "measure one recording against another, and picture both"
EPILOG = """examples:
  studiomic compare clean.wav better.wav
      how near better.wav is to clean.wav, in figures
  studiomic compare take.wav better.wav --picture both.png
      and both spectrograms side by side (needs: pip install 'studiomic[bench]')

A is the reference. Both are brought to 48 kHz, one start (a delay of up to a second is found and taken off) and one
length; half a second at both ends is left out. Read the figures together, single ones lie:
  SI-SDR  how much of B is A, whatever its loudness, in dB: higher is nearer
  LSD     distance of the spectra, in nepers of power: 0 is equal; over all of it, 4 to 16 and 8 to 16 kHz
  level   B louder (+) or softer (-) than A, in dB
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("reference", type=Path, metavar="A", help="the reference: a sound file or a video")
    parser.add_argument("estimate", type=Path, metavar="B", help="what is measured")
    parser.add_argument("--picture", type=Path, metavar="OUT.png", help="write both spectrograms side by side")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture where it exists")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures, then draw; return the exit code."""
    reference, estimate = load_recording(arguments.reference), load_recording(arguments.estimate)
    for path, recording in ((arguments.reference, reference), (arguments.estimate, estimate)):
        for warning in recording.warnings:
            warn(f"{path}: {warning}")
    comparison = compare_recordings(reference, estimate)
    for remark in comparison.remarks:
        print(f"note: {remark}")
    print(
        format_table(
            ("figure", f"{arguments.estimate.name} against {arguments.reference.name}"), rows(comparison.figures)
        )
    )
    if arguments.picture is not None:
        panels = [
            Panel(arguments.reference.name, reference.mono),
            Panel(arguments.estimate.name, estimate.mono),
        ]
        write_spectrograms(arguments.picture, panels, COMPARED_RATE, overwrite=arguments.overwrite)
        print(f"picture: {arguments.picture}")
    return 0


def rows(figures: Figures) -> list[tuple[str, str]]:
    """One row a figure: its name with the unit, and its value."""
    return [
        ("SI-SDR, dB", f"{figures.si_sdr:.2f}"),
        ("LSD", f"{figures.distance:.3f}"),
        ("LSD 4-16 kHz", f"{figures.distance_4_to_16:.3f}"),
        ("LSD 8-16 kHz", f"{figures.distance_8_to_16:.3f}"),
        ("level, dB", f"{figures.level:+.2f}"),
    ]
