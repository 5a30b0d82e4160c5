"""One file in, one better file out, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studiomic.audio_checks import ChannelGroups, check_rate, unsound
from studiomic.audio_file import open_audio
from studiomic.audio_formats import AudioFormat, format_for
from studiomic.audio_writer import writing_audio
from studiomic.controls import Controls
from studiomic.errors import AudioWriteError, InvalidAudioError, InvalidRateError
from studiomic.whole import WholeEnhancer, default_output_rate
from studiomic.whole_file import check_destination

if TYPE_CHECKING:
    from studiomic.bundle import Bundle

Progress = Callable[[int, int | None], None]
"""Called after each block with the frames of the source that are done, and with how many there are, where known."""


@dataclass(frozen=True)
class FileReport:
    """What `enhance_file` did.

    seconds of sound; rates in Hz; elapsed_seconds of work; real_time_factor: elapsed_seconds by seconds, below 1 is
    faster than the sound plays; saturated: samples that did not fit the integers of the written file; warnings: what
    was wrong with the source, and what could not be kept.
    """

    source: Path
    destination: Path
    seconds: float
    input_rate: int
    output_rate: int
    channels: int
    elapsed_seconds: float
    real_time_factor: float
    saturated: int
    warnings: tuple[str, ...]


def enhance_file(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    *,
    output_rate: int | None = None,
    controls: Controls = Controls(),  # noqa: B008 - frozen, so that one instance serves all
    channel_groups: ChannelGroups = "auto",
    bundle: Bundle | str | Path | None = None,
    backend: str = "onnx",
    precision: str = "fp32",
    threads: int = 1,
    providers: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FileReport:
    """Enhance a sound file, or a video's sound, into a sound file whose format its name tells.

    Nothing is late: the sound starts and ends where the source's does. The width of integer samples and the tags are
    kept where the format can hold them. `output_rate` in Hz: by default the source's, 48 kHz where that is below
    44.1 kHz (there would be no room for the highs that come back) or where the format cannot hold it. The file appears
    whole or not at all; a file that is there already is replaced only with `overwrite`, and never where it is the
    source. What a truncated source still holds is enhanced, and the report says so.

    Raises AudioReadError, AudioWriteError, AudioFormatError, InvalidAudioError (NaN or infinity in the source),
    InvalidRateError, InvalidLayoutError, InvalidOptionError, BundleError, MissingExtraError or RuntimeFailureError.
    """
    started = time.perf_counter()
    source, destination = Path(source), Path(destination)
    form = format_for(destination)
    check_destination(destination, overwrite=overwrite)
    with open_audio(source) as reader:
        if destination.exists() and destination.samefile(source):
            raise AudioWriteError(f"{destination}: is the source itself, which is never replaced; choose another name")
        rate, notes = _written_rate(form, reader.rate, output_rate)
        form.check(destination, rate, reader.channels)
        try:
            enhancer = WholeEnhancer(
                reader.rate,
                reader.channels,
                output_rate=rate,
                controls=controls,
                channel_groups=channel_groups,
                bundle=bundle,
                backend=backend,
                precision=precision,
                threads=threads,
                providers=providers,
            )
        except InvalidRateError as error:
            raise InvalidRateError(f"{source}: {error}") from error
        with writing_audio(
            destination,
            form,
            form.encoding_for(reader.encoding),
            rate,
            reader.channels,
            tags=reader.tags,
            expected_frames=None if reader.frames is None else round(reader.frames * rate / reader.rate),
            overwrite=overwrite,
        ) as writer:
            done = 0
            for block in reader.blocks():
                try:
                    enhanced = enhancer.push(block)
                except InvalidAudioError as error:
                    index = done + int(np.argwhere(unsound(block))[0, 0])
                    raise InvalidAudioError(f"{source}: at {index / reader.rate:.3f} s: {error}") from error
                writer.write(enhanced)
                done += len(block)
                if progress is not None:
                    progress(done, reader.frames)
            writer.write(enhancer.finish())
        if writer.tags_left_out:
            notes.append(f"{form.name} cannot hold the tags: {', '.join(writer.tags_left_out)}")
        seconds = done / reader.rate
        elapsed = time.perf_counter() - started
        return FileReport(
            source=source,
            destination=destination,
            seconds=seconds,
            input_rate=reader.rate,
            output_rate=rate,
            channels=reader.channels,
            elapsed_seconds=elapsed,
            real_time_factor=elapsed / seconds,
            saturated=writer.saturated,
            warnings=(*reader.warnings, *notes),
        )


def _written_rate(form: AudioFormat, source_rate: int, output_rate: int | None) -> tuple[int, list[str]]:
    """The rate to write, and a note where the format forced another one than the source would have got."""
    if output_rate is not None:
        return check_rate(output_rate, "output rate"), []
    wanted = default_output_rate(source_rate)
    rate = form.rate_for(wanted)
    if rate == wanted:
        return rate, []
    return rate, [f"{form.name} cannot hold {wanted} Hz: written at {rate} Hz"]
