"""Spectrograms of recording, output and truth side by side: python -m benchmarks.pictures FOLDER OUT

One PNG for each chosen clip and scenario of a folder of scenarios (the layout: benchmarks/scenario_folder.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.enhancing import enhance_all
from benchmarks.scenario_folder import RATE, Recording, choose, read_audio, read_recordings
from studiomic import Controls
from studiomic.errors import StudiomicError
from studiomic.spectrogram import Panel, write_spectrograms


def draw(recording: Recording, enhanced: Path, folder: Path) -> Path:
    """The picture's path: `folder`/SCENARIO-CLIP.png."""
    path = folder / f"{recording.scenario}-{recording.clip.name}.png"
    panels = (("before", recording.path), ("after", enhanced), ("truth", recording.reference))
    write_spectrograms(path, [Panel(title, read_audio(audio)) for title, audio in panels], RATE, overwrite=True)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Enhance and draw; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pictures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the scenarios")
    parser.add_argument("out", type=Path, help="where the pictures go")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--bundle", help="a bundle's name or folder (default: the embedded one)")
    options = parser.parse_args(arguments)
    try:
        recordings = choose(read_recordings(options.folder), options.scenarios, options.clips)
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            outputs = enhance_all(recordings, Path(folder), options.bundle, Controls(), jobs=1)
            for recording, enhanced in outputs.items():
                print(draw(recording, enhanced, options.out))
    except StudiomicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
