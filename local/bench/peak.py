"""Run a command and print on stderr the peak memory of its processes and the seconds that it took.

python local/bench/peak.py COMMAND ...
python local/bench/peak.py --json FILE COMMAND ...      # writes {"bytes": ..., "seconds": ...} into FILE
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

EVERY_S = 0.05


def memory_kb(session: int) -> int:
    """Return the proportional set size of all processes of a session, which counts shared pages once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int((process / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # the process has just ended
    return total


def main(command: list[str]) -> int:
    """Run the command and return its exit status."""
    out = None
    if command[0] == "--json":
        out, command = Path(command[1]), command[2:]
    begun, most = time.monotonic(), 0
    run = subprocess.Popen(command, start_new_session=True)
    while run.poll() is None:
        most = max(most, memory_kb(run.pid))
        time.sleep(EVERY_S)
    seconds = time.monotonic() - begun
    if out is not None:
        out.write_text(json.dumps({"bytes": 1024 * most, "seconds": seconds}), "utf-8")
    else:
        print(f"peak memory of all processes: {most / 1048576:.2f} GB; {seconds:.1f} s", file=sys.stderr)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
