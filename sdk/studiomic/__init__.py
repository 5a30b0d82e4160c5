"""studiomic: makes a phone's recording of music sound as a studio would have recorded it."""

from studiomic.version import __version__

__all__ = ["__version__"]
