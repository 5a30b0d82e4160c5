"""Model bundles: a folder with a manifest and the files of one generator, verified before anything of it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studiomic.errors import BundleCorruptError, BundleNotFoundError, InvalidOptionError
from studiomic.manifest import GRAPH_FORMATS, MANIFEST_NAME, GraphFile, Manifest, sha256_of
from studiomic.runtimes import open_runtime
from studiomic.runtimes.base import GraphSource, Runtime

DEFAULT_BUNDLE = "studio"
_EMBEDDED = Path(__file__).parent / "bundles"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest has been read and validated; its graphs are verified as they are opened."""

    folder: Path
    manifest: Manifest

    def open(
        self,
        channels: int = 1,
        format: str = "onnx",
        precision: str = "fp32",
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> Runtime:
        """Load the graph for 1 or 2 channels; the options are those of `Stream`, `format` its `backend`.

        Raises InvalidOptionError where the bundle offers no such file, `threads` is not a positive integer or a
        provider is not there, BundleCorruptError where the file is missing, differs from its hash or does not load,
        ContractError where its tensors or its embedded metadata are not the manifest's, and MissingExtraError where
        the runtime is not installed.
        """
        check_threads(threads)
        file = self._file(channels, format, precision)
        path = self.folder / file.path
        source = GraphSource(
            path=path,
            content=_verified_content(path, file),
            file=file,
            graph=self.manifest.graph(channels),
            embedded_contract=self.manifest.embedded_contract(channels),
        )
        return open_runtime(format, source, threads, check_providers(providers))

    def _file(self, channels: int, format: str, precision: str) -> GraphFile:
        files = self.manifest.files
        for file in files:
            if (file.channels, file.format, file.precision) == (channels, format, precision):
                return file
        if format not in GRAPH_FORMATS:
            raise InvalidOptionError(f"backend: got {format!r}, wanted one of: {', '.join(GRAPH_FORMATS)}")
        offered = ", ".join(sorted(f"{file.format} {file.precision} ({file.channels} channels)" for file in files))
        raise InvalidOptionError(
            f"bundle '{self.manifest.name}': got a request for {format} {precision} ({channels} channels), wanted one "
            f"that the bundle offers: {offered}; a bundle of every format and precision is what 'python -m export' of "
            "the sources writes: give its folder with --bundle (bundle=)"
        )


def load_bundle(name_or_path: str | Path | None = None) -> Bundle:
    """The embedded bundle of that name, or the one in that folder; without an argument the embedded default.

    Only the manifest is read here. Raises BundleNotFoundError, BundleCorruptError or ContractError.
    """
    if name_or_path is None:
        name_or_path = DEFAULT_BUNDLE
    if not isinstance(name_or_path, str | Path):
        raise BundleNotFoundError(
            f"bundle: got {type(name_or_path).__name__}, wanted the name of an embedded bundle or the path of a folder"
        )
    embedded = embedded_bundles()
    folder = embedded.get(str(name_or_path), Path(name_or_path))
    if not (folder / MANIFEST_NAME).is_file():
        raise BundleNotFoundError(
            f"bundle: got '{name_or_path}', wanted the path of a folder with a file {MANIFEST_NAME}, or the name of an "
            f"embedded bundle: {', '.join(embedded) or 'this installation holds none'}"
        )
    return Bundle(folder, Manifest.read(folder))


def as_bundle(bundle: Bundle | str | Path | None) -> Bundle:
    """A bundle as it is, or loaded by `load_bundle`."""
    return bundle if isinstance(bundle, Bundle) else load_bundle(bundle)


def embedded_bundles() -> dict[str, Path]:
    """The bundles that ship with this installation, by name."""
    return {manifest.parent.name: manifest.parent for manifest in sorted(_EMBEDDED.glob(f"*/{MANIFEST_NAME}"))}


def check_threads(threads: object) -> int:
    """`threads` as an int; raises InvalidOptionError unless it is an integer of 1 or more."""
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise InvalidOptionError(f"threads: got {threads!r}, wanted an integer of 1 or more")
    return int(threads)


def check_providers(providers: object) -> tuple[str, ...] | None:
    """`providers` as a tuple; raises InvalidOptionError unless it is None or a sequence of names, at least one."""
    if providers is None:
        return None
    if isinstance(providers, list | tuple) and providers and all(isinstance(name, str) for name in providers):
        return tuple(providers)
    raise InvalidOptionError(
        f"providers: got {providers!r}, wanted names of ONNX Runtime's execution providers, such as "
        "('XnnpackExecutionProvider', 'CPUExecutionProvider')"
    )


def _verified_content(path: Path, file: GraphFile) -> bytes:
    """The bytes of a graph file, read once and hashed once; nothing for a folder, which is hashed in place."""
    try:
        content = b"" if path.is_dir() else path.read_bytes()
        digest = sha256_of(path) if path.is_dir() else hashlib.sha256(content).hexdigest()
    except FileNotFoundError as error:
        raise BundleCorruptError(
            f"{path}: got no such file, wanted the {file.format} graph that the manifest lists; install the bundle"
        ) from error
    except OSError as error:
        raise BundleCorruptError(f"{path}: got '{error.strerror}', wanted a readable file") from error
    if digest != file.sha256:
        got = "a folder" if path.is_dir() else f"a file of {len(content)} bytes"
        raise BundleCorruptError(
            f"{path}: got {got} with SHA-256 {digest}, wanted {file.sha256}; it was truncated "
            "or edited: install the bundle again"
        )
    return content
