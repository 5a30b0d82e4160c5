"""The machine that figures were taken on, in words."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

CPU_TABLE = Path("/proc/cpuinfo")
PACKAGES = ("numpy", "onnxruntime", "samplerate", "soundfile")
"""Those whose versions move the figures."""


def machine_in_words() -> dict[str, str]:
    """Processor, memory, system and the packages that did the work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": f"{_processor_name()}, {cores} logical cores usable",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _processor_name() -> str:
    """As the system calls it; Linux keeps it where the platform module does not look."""
    if CPU_TABLE.exists():
        for line in CPU_TABLE.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()} ({platform.machine()})"
    return platform.processor() or platform.machine()
