"""studiomic: makes a phone's recording of music sound as a studio would have recorded it."""

from studiomic.array import Enhanced, enhance
from studiomic.bundle import Bundle, load_bundle
from studiomic.controls import Controls
from studiomic.enhance_file import FileReport, enhance_file
from studiomic.errors import (
    AudioFileError,
    AudioFormatError,
    AudioReadError,
    AudioWriteError,
    BundleCorruptError,
    BundleError,
    BundleNotFoundError,
    ContractError,
    InvalidAudioError,
    InvalidControlError,
    InvalidLayoutError,
    InvalidOptionError,
    InvalidRateError,
    MissingExtraError,
    RuntimeFailureError,
    StreamBusyError,
    StudiomicError,
)
from studiomic.stream import Stream, StreamStatistics
from studiomic.version import __version__

__all__ = [
    "AudioFileError",
    "AudioFormatError",
    "AudioReadError",
    "AudioWriteError",
    "Bundle",
    "BundleCorruptError",
    "BundleError",
    "BundleNotFoundError",
    "ContractError",
    "Controls",
    "Enhanced",
    "FileReport",
    "InvalidAudioError",
    "InvalidControlError",
    "InvalidLayoutError",
    "InvalidOptionError",
    "InvalidRateError",
    "MissingExtraError",
    "RuntimeFailureError",
    "Stream",
    "StreamBusyError",
    "StreamStatistics",
    "StudiomicError",
    "__version__",
    "enhance",
    "enhance_file",
    "load_bundle",
]
