"""Fixtures for all rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.graphs import FakeBundle, fake_bundle, write_small_bundle
from tests.support.tflite_graphs import write_bundle_in_two_formats


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small bundle with real ONNX files; nobody may write to it."""
    return write_small_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny_copy(tmp_path: Path) -> Path:
    """A small bundle of the test's own, to be spoilt."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    return write_small_bundle(folder)


@pytest.fixture(scope="session")
def two_formats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small bundle in ONNX and TFLite; nobody may write to it."""
    return write_bundle_in_two_formats(tmp_path_factory.mktemp("two_formats"))


@pytest.fixture
def two_formats_copy(tmp_path: Path) -> Path:
    """A small bundle in ONNX and TFLite of the test's own, to be spoilt."""
    folder = tmp_path / "two_formats"
    folder.mkdir()
    return write_bundle_in_two_formats(folder)


@pytest.fixture
def fake() -> FakeBundle:
    """A bundle whose graphs run in numpy."""
    return fake_bundle()
