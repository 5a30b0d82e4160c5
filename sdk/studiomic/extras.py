"""Optional packages, imported when they are first needed, with an answer that says how to install a missing one."""

from __future__ import annotations

import importlib
from types import ModuleType

from studiomic.errors import MissingExtraError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import `module`, which the extra `extra` of studiomic installs and which is needed for `purpose`.

    Raises MissingExtraError, whose message holds the install command, where it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{purpose} needs the package '{module}', which is not installed (missing: {error.name}); "
            f"install it with: pip install 'studiomic[{extra}]'"
        ) from error
