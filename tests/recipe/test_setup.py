"""local/setup.sh in a separate checkout, with a fake python whose set-ups are quick and counted."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from repository import ROOT

PYTHON = """#!/usr/bin/env bash
if [[ "$*" == *"-m venv"* ]]; then mkdir -p .venv/bin && cp pip .venv/bin/python && exit 0; fi
exec python3 "$@"
"""
PIP = """#!/usr/bin/env bash
[[ "$*" == *" install "* ]] || exit 0
echo begun >>installs
until [[ -e go ]]; do sleep 0.02; done
echo ended >>installs
"""
SCRIPT = "set -euo pipefail; . local/children.sh; . local/setup.sh; set_up; echo ready"


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "local").mkdir()
    for name in ("local/children.sh", "local/setup.sh", "setup.cfg", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name, text in (("python", PYTHON), ("pip", PIP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(checkout: Path) -> subprocess.Popen:
    command = ["env", "PYTHON=./python", "bash", "-c", SCRIPT]
    return subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_install(checkout: Path) -> None:
    end = time.monotonic() + 60
    while not (checkout / "installs").exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("killed", [False, True])
def test_of_two_at_a_time_one_sets_up_and_the_other_waits(checkout, killed):
    """If the first is killed, its pip continues and holds the lock until it ends."""
    first = start(checkout)
    wait_for_install(checkout)
    second = start(checkout)
    assert second.stdout.readline() == "waiting for another process that sets up .venv\n"
    if killed:
        first.kill()
    (checkout / "go").touch()
    printed = second.communicate(timeout=60)[0]
    first.communicate(timeout=60)
    assert printed.splitlines()[-1] == "ready" and second.returncode == 0
    installs = (checkout / "installs").read_text().split()
    assert installs == ["begun", "ended"] * (2 if killed else 1)
    again = start(checkout)
    assert again.communicate(timeout=60)[0] == "ready\n"


def test_a_failure_is_one_line(checkout):
    (checkout / "pip").write_text('#!/usr/bin/env bash\n[[ "$*" != *" install "* ]]\n')
    run = start(checkout)
    printed = run.communicate(timeout=60)[0].splitlines()
    assert run.returncode == 1 and printed[1:] == ["set-up: pip could not install what setup.cfg lists"]
    assert not (checkout / ".venv/ready").exists()
