"""Runs the command `studiomic` and writes the most memory that its process held: used by benchmarks/memory.py.

python -m benchmarks.peak_memory REPORT enhance IN OUT ...
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from studiomic.command_line import main

LINUX_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """The highest resident set size of this process so far.

    On Linux the kernel's own mark is read: what `getrusage` tells there may be the parent's, from before the program
    was loaded. Elsewhere, as on macOS, it is in bytes.
    """
    if LINUX_STATUS.exists():
        line = next(line for line in LINUX_STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(str(peak_bytes()))
    sys.exit(code)
