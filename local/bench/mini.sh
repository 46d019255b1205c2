#!/usr/bin/env bash
# What a newcomer meets: a fresh clone in another place, set-up included, and the whole recipe. Seconds and memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone --quiet . "$place/yibian"
begun=$SECONDS
python3 - "$place/yibian/run.sh" "$@" <<'PY'
import subprocess
import sys
import time
from pathlib import Path


def memory_kb(session: int) -> int:
    """Proportional set size of all processes of a session: shared pages are counted once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int((process / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # it has just ended
    return total


run = subprocess.Popen(sys.argv[1:], start_new_session=True)
most = 0
while run.poll() is None:
    most = max(most, memory_kb(run.pid))
    time.sleep(1)
print(f"most memory at once, all processes: {most / 1048576:.2f} GB", file=sys.stderr)
sys.exit(run.returncode)
PY
echo "$((SECONDS - begun)) s in all, set-up included" >&2
