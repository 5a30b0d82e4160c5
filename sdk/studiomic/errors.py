"""Every error that studiomic raises on purpose, in one tree.

StudiomicError
|-- InvalidAudioError        samples of a wrong type, shape or value              (also a ValueError)
|-- InvalidRateError         a sample rate outside what is supported              (also a ValueError)
|-- InvalidControlError      a control outside 0..1, or not a number              (also a ValueError)
|-- InvalidLayoutError       channels or channel groups that do not fit           (also a ValueError)
|-- InvalidOptionError       an unknown backend, precision or thread count        (also a ValueError)
|-- StreamBusyError          one stream used from two threads at once             (also a RuntimeError)
|-- BundleError              a model bundle that cannot be used
|   |-- BundleNotFoundError  no bundle of that name or path                       (also a FileNotFoundError)
|   |-- BundleCorruptError   a file is missing, truncated, edited or unreadable
|   `-- ContractError        another contract version, wrong names or wrong shapes
|-- RuntimeFailureError      the inference runtime failed while running a graph   (also a RuntimeError)
|-- MissingExtraError        an optional package is not installed                 (also an ImportError)
`-- AudioFileError           a file that cannot be read or written
    |-- AudioReadError       missing, empty, truncated, or not audio              (also an OSError)
    |-- AudioWriteError      no space, no permission, or a failed write           (also an OSError)
    `-- AudioFormatError     a container, rate or channel count that the format cannot hold (also a ValueError)

Each message names what came, what was wanted and, where it helps, what to do. `exit_code` is what the command line
returns for the error; codes follow BSD's sysexits.h.
"""

from __future__ import annotations


class StudiomicError(Exception):
    """The root of the tree."""

    exit_code: int = 70  # EX_SOFTWARE


class InvalidAudioError(StudiomicError, ValueError):
    """Samples of a wrong type, shape or value."""

    exit_code = 65  # EX_DATAERR


class InvalidRateError(StudiomicError, ValueError):
    """A sample rate outside what is supported."""

    exit_code = 65


class InvalidControlError(StudiomicError, ValueError):
    """A control outside 0 to 1, or not a number."""

    exit_code = 64  # EX_USAGE


class InvalidLayoutError(StudiomicError, ValueError):
    """A channel count, or channel groups, that do not fit."""

    exit_code = 64


class InvalidOptionError(StudiomicError, ValueError):
    """A backend, a precision or a number of threads that is unknown, or that the bundle does not offer."""

    exit_code = 64


class StreamBusyError(StudiomicError, RuntimeError):
    """One stream used from two threads at once."""


class BundleError(StudiomicError):
    """A model bundle that cannot be used."""

    exit_code = 66  # EX_NOINPUT


class BundleNotFoundError(BundleError, FileNotFoundError):
    """No bundle of that name or path."""


class BundleCorruptError(BundleError):
    """A bundle's file is missing, truncated, edited or unreadable."""

    exit_code = 65


class ContractError(BundleError):
    """A bundle of another contract version, or whose names or shapes differ from what it declares."""

    exit_code = 65


class RuntimeFailureError(StudiomicError, RuntimeError):
    """The inference runtime failed while running a graph."""


class MissingExtraError(StudiomicError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""

    exit_code = 69  # EX_UNAVAILABLE


class AudioFileError(StudiomicError):
    """A file that cannot be read or written."""

    exit_code = 74  # EX_IOERR


class AudioReadError(AudioFileError, OSError):
    """A file that is missing, empty, truncated, or not audio."""

    exit_code = 66


class AudioWriteError(AudioFileError, OSError):
    """A file that cannot be written whole; nothing is left behind."""

    exit_code = 73  # EX_CANTCREAT


class AudioFormatError(AudioFileError, ValueError):
    """A container, sample rate or channel count that the format cannot hold."""

    exit_code = 64
