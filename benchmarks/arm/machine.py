"""A 64-bit Arm machine in a folder: qemu's user-mode emulator, Debian's Python for arm64, the runtimes' Arm wheels.

All of it comes through apt and pip, as this machine has them set up, into a folder of its own: nothing is installed,
no root is needed, and deleting the folder undoes everything.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PYTHON = "3.11"
DEBIAN_PACKAGES = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "libstdc++6")
EMULATOR_PACKAGE = "qemu-user-static"
EMULATOR = "usr/bin/qemu-aarch64-static"
EMULATOR_NAME = "emulator"
PROCESSOR = "max"
"""All that the emulator can do, half-precision arithmetic and dot products included, as phones of today do."""
RUNTIMES = ("numpy", "onnxruntime", "ai-edge-litert")
SDK_NEEDS = ("soundfile", "samplerate", "tqdm", "cffi", "pycparser")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
"""What wheels for this C library (2.36) call themselves."""

# ONNX Runtime reads in /proc/cpuinfo what it runs on, and crashes at the answer of an x86 machine, which is what the
# emulator passes through; a file of that path in the machine's folder goes before. It describes two Cortex-A76 cores.
PROCESSOR_TABLE = "proc/cpuinfo"
PROCESSOR_ENTRY = """processor\t: {index}
BogoMIPS\t: 100.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""
PROCESSORS = 2


class ArmMachineError(Exception):
    """The emulated machine could not be set up, or a program on it failed; with what the tool said."""


@dataclass(frozen=True)
class ArmMachine:
    """A machine that is there, in `folder`."""

    folder: Path

    @property
    def _root(self) -> Path:
        return self.folder / "root"

    def packages(self) -> dict[str, str]:
        """Versions of the runtimes on it."""
        return {name: version(name) for name in RUNTIMES}

    def emulator(self) -> str:
        """The emulator's name and version."""
        said = _run([str(self.folder / EMULATOR_NAME), "--version"], "asking the emulator for its version")
        return said.splitlines()[0]

    def python(self, arguments: Sequence[str], modules: Sequence[Path], timeout: float) -> str:
        """Run the machine's Python with `arguments`, finding modules in the folders `modules` too, and give its output.

        Raises ArmMachineError where it fails, crashes, or takes longer than `timeout` seconds.
        """
        command = [
            str(self.folder / EMULATOR_NAME),
            *("-cpu", PROCESSOR, "-L", str(self._root)),
            str(self._root / f"usr/bin/python{PYTHON}"),
            "-B",  # leaves no compiled files of Arm's Python in the checkout
            *arguments,
        ]
        environment = {
            "PYTHONHOME": str(self._root / "usr"),
            "PYTHONPATH": os.pathsep.join(map(str, (self.folder / "packages", *modules))),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return _run(command, f"running python {' '.join(arguments[:3])} on the Arm machine", environment, timeout)


def default_cache() -> Path:
    """Where machines are kept: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "studiomic" / "arm"


def arm_machine(cache: Path) -> ArmMachine:
    """The machine for the runtimes' versions that this Python has; fetched (some 120 MB) where it is not in `cache`.

    A machine appears whole or not at all. Raises ArmMachineError where a tool fails, saying what it said.
    """
    wanted = [f"{name}=={version(name)}" for name in (*RUNTIMES, *SDK_NEEDS)]
    digest = hashlib.sha256("\n".join([PYTHON, *wanted]).encode()).hexdigest()[:12]
    folder = cache / f"aarch64-{digest}"
    if folder.is_dir():
        return ArmMachine(folder)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as made:
        partial = Path(made) / "machine"
        _unpack(_fetch_debian(Path(made) / "arm64", "arm64", DEBIAN_PACKAGES), partial / "root")
        host = _run(["dpkg", "--print-architecture"], "asking dpkg for this machine's architecture").strip()
        _unpack(_fetch_debian(Path(made) / "host", host, (EMULATOR_PACKAGE,)), Path(made) / "emulators")
        _keep(Path(made) / "emulators" / EMULATOR, partial / EMULATOR_NAME)  # those of other processors take 0.5 GB
        _install_wheels(partial / "packages", wanted)
        table = partial / "root" / PROCESSOR_TABLE
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("".join(PROCESSOR_ENTRY.format(index=index) for index in range(PROCESSORS)))
        partial.replace(folder)
    return ArmMachine(folder)


def _fetch_debian(folder: Path, architecture: str, packages: Sequence[str]) -> list[Path]:
    """Download packages and all they depend on, with apt's lists for another architecture kept in `folder`."""
    if shutil.which("apt-get") is None:
        raise ArmMachineError("got no apt-get on this machine, wanted Debian 12's: run this on Debian, in a container")
    for needed in ("lists/partial", "archives/partial"):
        (folder / needed).mkdir(parents=True)
    status = folder / "status"
    status.touch()  # no package is installed there yet, so that every dependency is fetched
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
        "Dir::State::lists": str(folder / "lists"),
        "Dir::State::status": str(status),
        "Dir::Cache::archives": str(folder / "archives"),
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
    }
    apt = ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]
    _run([*apt, "update"], f"reading apt's lists for {architecture}")
    _run([*apt, "install", "--yes", "--download-only", *packages], f"fetching {', '.join(packages)}")
    return sorted((folder / "archives").glob("*.deb"))


def _unpack(archives: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for archive in archives:
        _run(["dpkg", "--extract", str(archive), str(folder)], f"unpacking {archive.name}")


def _keep(file: Path, destination: Path) -> None:
    """Move one file out of what was unpacked. Raises ArmMachineError where it is not there."""
    if not file.is_file():
        raise ArmMachineError(f"the package {EMULATOR_PACKAGE} holds no {EMULATOR}, wanted the emulator there")
    file.replace(destination)


def _install_wheels(folder: Path, wanted: Sequence[str]) -> None:
    platforms = [f"--platform={name}" for name in PLATFORMS]
    _run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-compile"),
            *(f"--python-version={PYTHON}", "--implementation=cp", *platforms, f"--target={folder}"),
            *wanted,
        ],
        f"fetching the Arm wheels of {', '.join(wanted)}",
    )


def _run(
    command: Sequence[str], what: str, environment: dict[str, str] | None = None, timeout: float | None = None
) -> str:
    """The program's output. Raises ArmMachineError with the end of what it said where its exit code is not 0."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise ArmMachineError(f"{what}: got no end within {timeout:g} s") from error
    except OSError as error:
        raise ArmMachineError(f"{what}: {error}") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-10:])
        raise ArmMachineError(f"{what}: got exit code {done.returncode}, wanted 0; it said:\n{said}")
    return done.stdout
