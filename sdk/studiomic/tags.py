"""What a file says about itself: title, artist and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import soundfile

TAG_NAMES = ("title", "artist", "album", "date", "comment", "genre", "tracknumber", "copyright", "license")
"""The tags that libsndfile knows, less the name of the software, which is no longer true."""


class _Latin1Text(str):
    """A text that encodes itself as ISO 8859-1.

    python-soundfile asks every text for its bytes in UTF-8, but the MP3 encoder writes what it gets as ISO 8859-1.
    """

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1", errors)


def read_tags(file: soundfile.SoundFile) -> dict[str, str]:
    """The tags that are not empty."""
    tags = {name: getattr(file, name) for name in TAG_NAMES}
    return {name: text for name, text in tags.items() if text}


def write_tags(file: soundfile.SoundFile, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Write all tags that the format can hold, before the first sample; return the names of those that it cannot."""
    import soundfile

    left_out = []
    for name in TAG_NAMES:
        text = tags.get(name, "").replace("\0", "")
        if not text:
            continue
        try:
            setattr(file, name, _Latin1Text(text) if file.format == "MP3" else text)
        except (soundfile.LibsndfileError, UnicodeEncodeError):
            left_out.append(name)
    return tuple(left_out)
