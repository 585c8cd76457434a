"""One command to its end: how long it took, and the most memory that it used.

    python -m benchmarks.measured FIGURES.json COMMAND ARGUMENT...

The kernel counts as a process's peak also what the process held that started it. So that one must be small: it is this
module, in a process of its own, and imports nothing large.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(figures: str, *command: str) -> int:
    """Writes seconds, processor seconds and peak MiB as JSON; the command's own exit code."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    found = (time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    with open(figures, "w", encoding="utf-8") as stream:
        json.dump(found, stream)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
