"""Optional packages are imported on demand, or answered with the command that installs them."""

from __future__ import annotations

import sys

import pytest

from studiomic.errors import MissingExtraError
from studiomic.extras import require


def test_an_installed_module_is_returned() -> None:
    assert require("json", "video", "a test") is sys.modules["json"]


def test_a_missing_one_names_purpose_module_and_command() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_module_at_all", "video", "reading a video's sound")
    message = str(caught.value)
    assert "reading a video's sound" in message
    assert "no_such_module_at_all" in message
    assert "pip install 'studiomic[video]'" in message
    assert isinstance(caught.value, ImportError)
