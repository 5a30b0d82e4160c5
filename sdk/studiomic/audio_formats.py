"""The sound formats that are written, and what each of them can hold.

A format is chosen by the file's name. What it cannot hold (a rate, a number of channels, a sample width) is known here
before the first sample is computed, and not found out by the encoder after an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studiomic.audio_checks import LARGEST_RATE
from studiomic.errors import AudioFormatError
from studiomic.pcm import PCM_BITS
from studiomic.whole import FULL_BAND_RATE

RIFF_LARGEST_BYTES = 2**32 - 2**20
"""WAV and AIFF count bytes in 32 bits; a MiB is left for headers and tags."""

_FLOAT_BITS = {"FLOAT": 32, "DOUBLE": 64}
_COMPANDED = ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "DWVW_12", "DWVW_16", "ALAC_16")
"""Encodings whose decoders give 16 bits or less."""
_WIDTH_OF_DECODED = 24
"""A decoded MP3, Vorbis, Opus or AAC has no width of its own; 24 bits lie below its noise."""


@dataclass(frozen=True)
class AudioFormat:
    """A container with its encodings, as libsndfile names them.

    encodings: from narrow to wide; most_channels, rates (all that are allowed; None: any up to LARGEST_RATE),
    largest_bytes of sound (None: no limit that matters), compression from 0 (best) to 1 for lossy encodings.
    """

    name: str
    container: str
    suffixes: tuple[str, ...]
    encodings: tuple[str, ...]
    most_channels: int
    rates: tuple[int, ...] | None = None
    largest_bytes: int | None = None
    compression: float | None = None

    def holds_rate(self, rate: int) -> bool:
        """Whether a file of this format can have this sample rate."""
        return rate in self.rates if self.rates is not None else 0 < rate <= LARGEST_RATE

    def check(self, path: Path, rate: int, channels: int) -> None:
        """Raise AudioFormatError unless a file of this format can have this rate and this number of channels."""
        if not self.holds_rate(rate):
            held = ", ".join(map(str, self.rates)) if self.rates is not None else f"at most {LARGEST_RATE}"
            raise AudioFormatError(
                f"{path}: {self.name} cannot hold {rate} Hz, only: {held}; choose one of these with --output-rate, "
                "or a name that ends in .wav or .flac"
            )
        if not 1 <= channels <= self.most_channels:
            raise AudioFormatError(
                f"{path}: {self.name} cannot hold {channels} channels, only 1 to {self.most_channels}; choose a name "
                "that ends in .wav"
            )

    def rate_for(self, rate: int) -> int:
        """`rate` where the format holds it, else the nearest one that loses nothing audible: 48 kHz."""
        return rate if self.holds_rate(rate) else FULL_BAND_RATE

    def encoding_for(self, source_encoding: str) -> str:
        """The encoding that keeps the width of the source's samples, or else comes nearest to it from above."""
        if source_encoding in self.encodings:
            return source_encoding
        if source_encoding in _FLOAT_BITS:
            wanted = _FLOAT_BITS[source_encoding]
            floats = [encoding for encoding in self.encodings if encoding in _FLOAT_BITS]
            return next((encoding for encoding in floats if _FLOAT_BITS[encoding] >= wanted), self._widest_pcm())
        wanted = 16 if source_encoding in _COMPANDED else PCM_BITS.get(source_encoding, _WIDTH_OF_DECODED)
        widths = [encoding for encoding in self.encodings if PCM_BITS.get(encoding, 0) >= wanted]
        return widths[0] if widths else self._widest_pcm()

    def _widest_pcm(self) -> str:
        integers = [encoding for encoding in self.encodings if encoding in PCM_BITS]
        return integers[-1] if integers else self.encodings[0]


WAV = AudioFormat(
    "WAV",
    "WAV",
    (".wav", ".wave"),
    ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    most_channels=1024,
    largest_bytes=RIFF_LARGEST_BYTES,
)
RF64 = AudioFormat("RF64", "RF64", (".rf64",), WAV.encodings, most_channels=1024)
FLAC = AudioFormat("FLAC", "FLAC", (".flac",), ("PCM_S8", "PCM_16", "PCM_24"), most_channels=8)
# libsndfile counts the padding byte behind an odd number of bytes as sound, so AIFF is never written in 8 bits here.
AIFF = AudioFormat(
    "AIFF",
    "AIFF",
    (".aiff", ".aif", ".aifc"),
    ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    most_channels=1024,
    largest_bytes=RIFF_LARGEST_BYTES,
)
# The compressions below are near what listening tests call transparent: about 250 kb/s for stereo.
VORBIS = AudioFormat("Ogg Vorbis", "OGG", (".ogg", ".oga"), ("VORBIS",), most_channels=255, compression=0.2)
OPUS = AudioFormat(
    "Opus",
    "OGG",
    (".opus",),
    ("OPUS",),
    most_channels=255,
    rates=(8000, 12000, 16000, 24000, 48000),
    compression=0.5,
)
MP3 = AudioFormat(
    "MP3",
    "MP3",
    (".mp3",),
    ("MPEG_LAYER_III",),
    most_channels=2,
    rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    compression=0.0,
)
WRITTEN_FORMATS = (WAV, RF64, FLAC, AIFF, VORBIS, OPUS, MP3)
WRITTEN_NAMES = ", ".join(f"{form.name} ({' '.join(form.suffixes)})" for form in WRITTEN_FORMATS)

_SOUND_CONTAINERS = (".aac", ".ac3", ".amr", ".m4a", ".m4b", ".mka", ".wma")
_VIDEO_CONTAINERS = (
    *(".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
CONTAINER_SUFFIXES = frozenset((*_SOUND_CONTAINERS, *_VIDEO_CONTAINERS))
"""Names of files whose sound is read through PyAV: videos, and sound in containers that libsndfile does not read."""
READ_SUFFIXES = frozenset(suffix for form in WRITTEN_FORMATS for suffix in form.suffixes) | frozenset(
    {".w64", ".caf", ".au", ".snd", ".rf64"}
)
"""Names of files whose sound is read through libsndfile."""


def format_for(path: Path) -> AudioFormat:
    """The format that the name asks for. Raises AudioFormatError, naming the formats that are written."""
    suffix = path.suffix.lower()
    for form in WRITTEN_FORMATS:
        if suffix in form.suffixes:
            return form
    if suffix in CONTAINER_SUFFIXES:
        raise AudioFormatError(
            f"{path}: '{suffix}' files are read but not written, since only sound is; wanted: {WRITTEN_NAMES}"
        )
    got = f"the ending '{path.suffix}'" if path.suffix else "a name without an ending"
    raise AudioFormatError(f"{path}: got {got}, which names no format that is written; wanted: {WRITTEN_NAMES}")
