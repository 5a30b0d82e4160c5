"""Training keeps the memory that it frees."""

from __future__ import annotations

import subprocess
import sys

import pytest

KEPT = """
import sys
import numpy as np
from models.memory import keep_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resident()
held = np.ones(2**25)  # 256 MiB
del held
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="told to glibc, and read from /proc")
@pytest.mark.parametrize(("told", "kept"), [("keep", True), ("not", False)])
def test_freed_memory_stays(told: str, kept: bool) -> None:
    done = subprocess.run([sys.executable, "-c", KEPT, told], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 2**27) == kept
