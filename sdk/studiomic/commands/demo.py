"""`studiomic demo`"""

from __future__ import annotations

import argparse
from importlib.resources import as_file, files
from pathlib import Path

from studiomic.audio_file import open_audio
from studiomic.audio_formats import WAV
from studiomic.audio_writer import writing_audio
from studiomic.commands.compare import rows as figure_rows
from studiomic.commands.options import add_engine_options, chosen, warn
from studiomic.commands.progress import progress_bar
from studiomic.commands.table import format_table
from studiomic.comparison import (
    COMPARED_RATE,
    Recording,
    bandwidth,
    level_dbfs,
    load_recording,
    measure,
)
from studiomic.enhance_file import enhance_file
from studiomic.errors import AudioWriteError, MissingExtraError
from studiomic.spectrogram import Panel, write_spectrograms
from studiomic.whole_file import make_folder

HELP = "hear it: enhance the built-in sample, or a recording of yours"
EPILOG = """examples:
  studiomic demo
      the built-in sample: a piece rendered from a score, put into a room, with noise, played through a cheap microphone
  studiomic demo my_recording.wav --out my_demo
      a recording of yours

Writes before.wav, after.wav and spectrograms.png (the picture needs: pip install 'studiomic[bench]') into the folder,
replacing those of an earlier demo, and prints a table.
"""

SAMPLES = "samples"
TAKE = "take.flac"
TRUTH = "truth.flac"
BEFORE, AFTER, PICTURE = "before.wav", "after.wav", "spectrograms.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("source", type=Path, nargs="?", metavar="FILE", help="your recording (default: the sample)")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), metavar="DIR", help="default: demo_out")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_engine_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the files and print the table; return the exit code."""
    if arguments.source is not None:
        return _show(arguments, arguments.source, truth=None)
    samples = files("studiomic") / SAMPLES
    with as_file(samples / TAKE) as take, as_file(samples / TRUTH) as truth:
        return _show(arguments, take, truth)


def _show(arguments: argparse.Namespace, source: Path, truth: Path | None) -> int:
    from studiomic.hop_plan import HopPlan

    choice = chosen(arguments)
    folder: Path = arguments.out
    make_folder(folder)
    _copy_as_wav(source, folder / BEFORE)
    with progress_bar(source, quiet=arguments.quiet) as progress:
        report = enhance_file(
            source,
            folder / AFTER,
            overwrite=True,
            progress=progress,
            **choice._asdict(),
        )
    for warning in report.warnings:
        warn(f"{source}: {warning}")
    before, after = load_recording(folder / BEFORE), load_recording(folder / AFTER)
    manifest = choice.bundle.manifest
    latency = HopPlan(report.input_rate, manifest.sample_rate, manifest.hop, manifest.graph_latency).latency
    print(
        f"duration          {report.seconds:.1f} s, {report.channels} channels, "
        f"{report.input_rate} -> {report.output_rate} Hz\n"
        f"real-time factor  {report.real_time_factor:.3f} ({report.elapsed_seconds:.1f} s of work)\n"
        f"latency           {latency} samples, {latency / report.input_rate * 1000:.1f} ms, when streamed\n"
    )
    original = None if truth is None else load_recording(truth)
    print(_table(before, after, original))
    written = [folder / BEFORE, folder / AFTER]
    try:
        panels = [Panel("before", before.mono), Panel("after", after.mono)]
        if original is not None:
            panels.append(Panel("original", original.mono))
        write_spectrograms(folder / PICTURE, panels, COMPARED_RATE, overwrite=True)
        written.append(folder / PICTURE)
    except MissingExtraError as error:
        warn(f"no picture: {error}")
    print("\nwritten: " + ", ".join(map(str, written)))
    return 0


def _table(before: Recording, after: Recording, truth: Recording | None) -> str:
    """Levels and bandwidths, and where the truth is known, the figures against it."""
    rows = [
        ("level, dBFS", f"{level_dbfs(before.samples):.1f}", f"{level_dbfs(after.samples):.1f}"),
        ("bandwidth, kHz", f"{bandwidth(before.mono) / 1000:.1f}", f"{bandwidth(after.mono) / 1000:.1f}"),
    ]
    if truth is not None:
        # The sample and its truth are in time with each other, and the enhancement is not late: no delay is searched.
        pair = [figure_rows(measure(truth.samples, recording.samples)) for recording in (before, after)]
        rows += [
            (f"{name} (against the original)", first, second) for (name, first), (_, second) in zip(*pair, strict=True)
        ]
    return format_table(("", "before", "after"), rows)


def _copy_as_wav(source: Path, destination: Path) -> None:
    """The source as it is, in a WAV that any player plays."""
    with open_audio(source) as reader:
        if destination.exists() and destination.samefile(source):
            raise AudioWriteError(f"{destination}: is the source itself; choose another folder with --out")
        with writing_audio(
            destination,
            WAV,
            WAV.encoding_for(reader.encoding),
            reader.rate,
            reader.channels,
            tags=reader.tags,
            expected_frames=reader.frames,
            overwrite=True,
        ) as writer:
            for block in reader.blocks():
                writer.write(block)
