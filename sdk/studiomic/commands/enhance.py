"""`studiomic enhance IN OUT`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studiomic.audio_formats import WRITTEN_NAMES
from studiomic.commands.options import add_engine_options, chosen, one_line, warn
from studiomic.commands.progress import progress_bar
from studiomic.enhance_file import FileReport, enhance_file
from studiomic.enhance_folder import enhance_folder

HELP = "enhance a recording, a video's sound, or a folder of them"
EPILOG = f"""examples:
  studiomic enhance take.wav better.wav
      all the controls at 1; 24 bits stay 24 bits, title and artist stay
  studiomic enhance take.wav better.wav --dereverb 0 --denoise 0.7
      leave the room as it is, take 70 % of the noise
  studiomic enhance concert.mp4 concert.flac
      the sound of a video (needs: pip install 'studiomic[video]')
  studiomic enhance old.wav new.wav --output-rate 48000
      write another sample rate
  studiomic enhance take.wav better.wav --bundle my_bundle --backend tflite --precision int8
      another runtime, another precision (needs: pip install 'studiomic[tflite]')
  studiomic enhance recordings/ better/
      a folder, with the folders in it; videos become .wav

OUT's name tells its format:
  {WRITTEN_NAMES}
Read besides: m4a, mp4, mov, mkv, webm and other containers (extra 'video').
Samples beyond full scale are kept by float formats and saturated by integer ones; rounding is to the nearest integer,
without dither. OUT appears whole or not at all: after Ctrl-C or on a full disk nothing is left behind.

exit codes: 0 done, 64 wrong use, 65 bad samples, 66 unreadable, 69 extra missing, 73 cannot write, 130 interrupted;
of a folder: that of the first file that failed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("source", type=Path, metavar="IN", help="a sound file, a video, or a folder")
    parser.add_argument("destination", type=Path, metavar="OUT", help="the file, or the folder, to write")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it exists (never IN itself)")
    parser.add_argument(
        "--output-rate",
        type=int,
        metavar="HZ",
        help="sample rate of OUT (default: IN's; 48000 where that is below 44100, to make room for highs)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary; warnings and errors stay")
    add_engine_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Enhance one file or a folder; return the exit code."""
    choice = chosen(arguments)

    def enhance_one(source: Path, destination: Path) -> FileReport:
        with progress_bar(source, quiet=arguments.quiet) as progress:
            report = enhance_file(
                source,
                destination,
                output_rate=arguments.output_rate,
                overwrite=arguments.overwrite,
                progress=progress,
                **choice._asdict(),
            )
        _tell(report, quiet=arguments.quiet)
        return report

    if not arguments.source.is_dir():
        enhance_one(arguments.source, arguments.destination)
        return 0
    report = enhance_folder(arguments.source, arguments.destination, enhance_one)
    for _, error in report.failed:
        print(f"studiomic: error: {one_line(str(error))}", file=sys.stderr)
    if not arguments.quiet:
        print(
            f"{arguments.source}: {len(report.done)} enhanced, {len(report.failed)} failed, {report.skipped} skipped "
            "(not audio)"
        )
    return report.failed[0][1].exit_code if report.failed else 0


def _tell(report: FileReport, *, quiet: bool) -> None:
    for warning in report.warnings:
        warn(f"{report.source}: {warning}")
    if report.saturated:
        warn(f"{report.destination}: {report.saturated} samples were beyond full scale and were saturated")
    if not quiet:
        print(
            f"{report.source} -> {report.destination}: {report.seconds:.1f} s, {report.channels} channels, "
            f"{report.input_rate} -> {report.output_rate} Hz, in {report.elapsed_seconds:.1f} s "
            f"(real-time factor {report.real_time_factor:.3f})"
        )
