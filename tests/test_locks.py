"""The lock of a folder: its holder is named, and a killed holder holds it no longer."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from repository import ROOT

from asr import locks
from asr.errors import InputError
from asr.locks import Lock

HOLD = "import sys, time; from asr.locks import Lock; from pathlib import Path\n"
HOLD += "with Lock(Path(sys.argv[1]), 'asr train'): print('held', flush=True); time.sleep(600)"


@pytest.fixture
def holder(tmp_path):
    """Yield a process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / ".lock"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_until_the_holder_is_killed(holder, tmp_path):
    with pytest.raises(InputError) as refused, Lock(tmp_path / ".lock", "asr train"):
        pass
    host = socket.gethostname()
    assert str(refused.value).startswith(f"{tmp_path}: in use by process {holder.pid} on {host} (asr train, since 20")
    (tmp_path.parent / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match=f"process {holder.pid}"), Lock(tmp_path.parent / "link/.lock", "asr train"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".lock").exists()
    with Lock(tmp_path / ".lock", "asr train"):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


def record(**changes) -> str:
    here = {"pid": os.getpid(), "start": locks._start(os.getpid()), "host": socket.gethostname()}
    return json.dumps(here | {"boot": locks._boot(), "what": "asr train", "since": "then"} | changes)


@pytest.mark.parametrize(
    ("changes", "flock", "taken"),
    [
        ({"pid": 1, "start": -1}, True, True),  # the process id belongs to another process by now
        ({"pid": 1, "start": -1}, False, True),
        ({}, True, True),  # flock decides: nobody holds the file
        ({}, False, False),
        ({"boot": "before", "pid": 1}, True, True),  # this host has been started again since
        ({"boot": "b", "host": "elsewhere"}, True, False),
        ({"boot": "b", "host": "elsewhere"}, False, False),
    ],
)
def test_a_lock_with_a_record_is_taken_only_if_the_holder_is_known_to_have_ended(
    tmp_path, monkeypatch, changes, flock, taken
):
    (tmp_path / ".lock").write_text(record(**changes))
    if not flock:  # a file system that has none
        monkeypatch.setattr(locks, "_flock", lambda number: None)
    if taken:
        with Lock(tmp_path / ".lock", "asr lang"):
            assert json.loads((tmp_path / ".lock").read_text())["what"] == "asr lang"
        return
    with pytest.raises(InputError, match="in use by process") as refused, Lock(tmp_path / ".lock", "asr lang"):
        pass
    assert (f"if it no longer runs, remove {tmp_path / '.lock'}" in str(refused.value)) == ("host" in changes)
    assert (tmp_path / ".lock").exists()


def test_a_damaged_record_is_ignored(tmp_path):
    for content in (b"", b"{", b"\xff\xfe\0", b"[1]"):
        (tmp_path / ".lock").write_bytes(content)
        with Lock(tmp_path / ".lock", "asr lang"):
            pass


def test_one_of_several_threads_takes_a_stale_lock(tmp_path):
    (tmp_path / ".lock").write_text(record(pid=1, start=-1))
    held, refused, start = [], [], threading.Barrier(8)

    def take() -> None:
        lock = Lock(tmp_path / ".lock", "asr lang")
        start.wait()
        try:
            lock.acquire()
            held.append(lock)
        except InputError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].release()


def test_a_process_that_a_killed_holder_started_is_waited_for(tmp_path):
    """The holder is dead, but a process that it started still has the descriptor, for a moment."""
    (tmp_path / ".lock").write_text(record(pid=1, start=-1))
    other = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    timer = threading.Timer(0.3, os.close, (other,))
    timer.start()
    with Lock(tmp_path / ".lock", "asr lang"), pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(other)
    timer.join()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written: (Not a directory|File exists)"):
        Lock(tmp_path / "file" / ".lock", "asr lang").acquire()


def test_a_later_owner_of_the_same_process_takes_over(tmp_path):
    class Owner:
        pass

    first, second = Owner(), Owner()
    free_first = locks.hold_while(first, tmp_path / ".lock", "asr lang")
    free_second = locks.hold_while(second, tmp_path / ".lock", "asr lang")
    free_first()
    assert (tmp_path / ".lock").exists()
    free_second()
    assert not (tmp_path / ".lock").exists()
    third = Owner()
    locks.hold_while(third, tmp_path / ".lock", "asr lang")
    del third
    assert not (tmp_path / ".lock").exists()


def test_the_lock_of_a_shell_belongs_to_its_descriptor(tmp_path):
    script = f"""
    exec {{fd}}<>{tmp_path}/.lock
    {sys.executable} -m asr.locks $fd {tmp_path}/.lock $$ run.sh && echo held
    {sys.executable} -m asr.locks $fd {tmp_path}/.lock 1 again; exec 7<>{tmp_path}/.lock
    {sys.executable} -m asr.locks 7 {tmp_path}/.lock 1 another; echo $?; rm {tmp_path}/.lock
    {sys.executable} -m asr.locks $fd {tmp_path}/.lock 1 gone; echo $?
    """
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["held", "2", "3"]
    assert done.stderr.startswith(f"run.sh: {tmp_path}: in use by process 1 on")


def test_the_start_of_a_process_that_does_not_exist_is_none(tmp_path):
    assert locks._start(os.getpid()) == locks._start(os.getpid()) is not None
    assert locks._start(2**22 + 1) is None
