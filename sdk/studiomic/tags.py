"""What a file says about itself: title, artist and the like."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

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
    tags = {name: getattr(file, name).strip() for name in TAG_NAMES}
    return {name: text for name, text in tags.items() if text}


def write_tags(file: soundfile.SoundFile, tags: Mapping[str, str]) -> None:
    """Write the tags, before the first sample. What the format has no place for is left out, without a word of it."""
    for name, text in tags.items():
        # A failure to spell or to place a tag is no reason to lose the sound; reading the file again tells of it.
        with suppress(soundfile.LibsndfileError, UnicodeEncodeError):
            setattr(file, name, _Latin1Text(text) if file.format == "MP3" else text)
