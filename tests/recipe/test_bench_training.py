"""local/bench/training.sh in its quick mode: the last line is JSON with the ratios, and nothing outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from repository import ROOT

NUMBERS = {"server_over_compute_512", "server_over_compute_256", "over_allreduce", "over_hogwild", "checkpoint_share"}
NUMBERS |= {"shuffled_over_blocks", "store_over_floats"}

pytestmark = pytest.mark.skipif(
    not any((ROOT / ".venv" / name).is_file() for name in ("ready", "ready-test")),
    reason="the bench would set up .venv first; local/test.sh has done so",
)


def start(temporary: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [ROOT / "local" / "bench" / "training.sh", "--quick"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )


def members(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.name))
    return found


@pytest.mark.slow
def test_its_last_line_holds_the_ratios(tmp_path):
    bench = start(tmp_path)
    table, errors = bench.communicate(timeout=280)
    assert bench.returncode == 0, errors
    ratios = json.loads(table.splitlines()[-1])
    assert set(ratios) == NUMBERS | {"bfloat16_over_float32"}
    assert all(ratios[name] > 0 for name in NUMBERS - {"checkpoint_share"})
    assert 0 <= ratios["checkpoint_share"] < 1
    if ratios["bfloat16_over_float32"] is None:
        assert "bfloat16_over_float32       not measured: " in table
    assert not list(tmp_path.glob("bench-*"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_bench_leaves_no_process(tmp_path, how):
    bench = start(tmp_path)
    end = time.monotonic() + 120
    while not list(tmp_path.glob("bench-training-*/big-512-*/log/checkpoint-*.json")):  # its server is up
        assert bench.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    assert len(members(bench.pid)) > 5
    os.kill(bench.pid, how)
    end = time.monotonic() + 60
    while members(bench.pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    bench.communicate()
    assert bench.returncode != 0
    if how != signal.SIGKILL:
        assert not list(tmp_path.glob("bench-*"))
