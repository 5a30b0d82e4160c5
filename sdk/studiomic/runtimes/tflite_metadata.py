"""The table of metadata in a TFLite file, read without loading the graph."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from studiomic.errors import BundleCorruptError
from studiomic.extras import require

IDENTIFIER = b"TFL3"
_IDENTIFIER_AT = slice(4, 8)
# Where the fields of the schema's tables stand in their lists of offsets: field n at 4 + 2 n.
_MODEL_BUFFERS = 12
_MODEL_METADATA = 16
_METADATA_NAME = 4
_METADATA_BUFFER = 6
_BUFFER_DATA = 4
_OFFSET_BYTES = 4


def read_metadata(content: bytes, key: str, what: str) -> str | None:
    """The text that a TFLite file with the bytes `content` holds under `key`; None where it holds none.

    `what` names the file in messages. Raises BundleCorruptError where the bytes are no TFLite file, and
    MissingExtraError where the package 'flatbuffers', which comes with the runtimes, is missing.
    """
    flatbuffers = require("flatbuffers", "tflite", f"reading {what}")
    if content[_IDENTIFIER_AT] != IDENTIFIER:
        raise BundleCorruptError(
            f"{what}: wanted a TFLite file, whose bytes 4 to 7 are {IDENTIFIER!r}, got {len(content)} bytes that begin "
            f"with {content[: _IDENTIFIER_AT.stop]!r}; install the bundle again"
        )
    try:
        (start,) = struct.unpack_from("<I", content)
        model = flatbuffers.table.Table(content, start)
        for entry in _tables(flatbuffers, model, _MODEL_METADATA):
            if _bytes(entry, _METADATA_NAME) == key.encode():
                index = entry.GetSlot(_METADATA_BUFFER, 0, flatbuffers.number_types.Uint32Flags)
                buffer = list(_tables(flatbuffers, model, _MODEL_BUFFERS))[index]
                return _bytes(buffer, _BUFFER_DATA).decode()
    # What damaged offsets lead to: past the end, to a buffer that is not there, to text that is none.
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise BundleCorruptError(
            f"{what}: wanted a TFLite file with readable metadata, got damaged bytes ({error}); install the bundle "
            "again"
        ) from error
    return None


def _tables(flatbuffers: Any, table: Any, field: int) -> Iterator[Any]:
    """The tables in a field that is a vector of tables."""
    at = table.Offset(field)
    if at:
        first = table.Vector(at)
        for index in range(table.VectorLen(at)):
            yield flatbuffers.table.Table(table.Bytes, table.Indirect(first + _OFFSET_BYTES * index))


def _bytes(table: Any, field: int) -> bytes:
    """The bytes in a field that is a string or a vector of bytes."""
    at = table.Offset(field)
    return bytes(table.String(table.Pos + at)) if at else b""
