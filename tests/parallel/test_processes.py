"""The number of processes that a verb starts, and their end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repository import ROOT

from asr.parallel.processes import how_it_ended, processes_for


def test_how_many_processes():
    assert processes_for(3, 100) == 3
    assert processes_for(3, 2) == 2
    assert processes_for(1, 0) == 1
    assert processes_for(0, 1000) == len(os.sched_getaffinity(0))


def test_a_command_is_killed_with_the_process_that_runs_it(tmp_path):
    """It is killed even if that process is killed by SIGKILL, which it cannot handle."""
    code = "import subprocess; from asr.parallel.processes import killed_with_caller; "
    code += (
        f"subprocess.run('echo $$ > {tmp_path}/pid; exec sleep 3600', shell=True, preexec_fn=killed_with_caller())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.01)
    command = Path("/proc") / (tmp_path / "pid").read_text().strip()
    process.kill()
    process.wait()
    while command.exists() and (command / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("exitcode", "words"),
    [
        (-9, "was killed by SIGKILL (out of memory?)"),
        (-11, "was killed by SIGSEGV"),
        (-64, "was killed by SIGRTMAX"),
        (-99, "was killed by signal 99"),
        (3, "ended with status 3"),
        (None, "ended"),
    ],
)
def test_how_a_process_ended(exitcode, words):
    assert how_it_ended(exitcode) == words
