"""Exit statuses: one line for an error of the user or the machine, a traceback for a fault of the program."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from asr.command.exits import status_of


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), "a/b: no space left on device"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "a/b"), "a/b: disk quota exceeded"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "a/b"), "a/b: read-only file system"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a/b"), "a/b: permission denied"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too many open files"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on device"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found"),
            "no usable temporary directory found",
        ),
    ],
)
def test_an_error_of_the_file_system_is_one_line(error, line, capsys):
    def work():
        raise error

    assert status_of(work) == 2
    assert capsys.readouterr().err == line + "\n"


def test_a_fault_of_the_program_is_a_traceback(capsys):
    assert status_of(lambda: 1 // 0) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_too_little_memory_is_one_line(error, capsys):
    def work():
        raise error

    assert status_of(work) == 2
    assert capsys.readouterr().err.startswith("not enough memory for this")


def test_a_full_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "asr"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "standard output: no space left on device\n")
