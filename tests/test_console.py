"""The console on a pseudo-terminal: the status line is overwritten, never mixed with lines, and in no log or pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from repository import ROOT

from asr import console
from asr.console import duration

LIVE = re.compile(
    r"train: +\d+ %  [\d,]+ frames/s  staleness \d+\.\d\d  eta 0\.\d{4}  cross-entropy train \d+\.\d{3}, "
    r"held out: raw \d+\.\d{3}, average \d+\.\d{3}  [\d. minh]+s? left"
)
SHORT = re.compile(
    r" *\d+ % [\d,]+/s stale \d+\.\d\d eta 0\.\d{4} ce raw \d+\.\d{3} avg \d+\.\d{3} \d:\d\d:\d\d left"
)


def on_terminal(code: str, arguments: list[str] = (), *, columns: int = 80, term: str = "xterm") -> tuple[int, str]:
    """Return (exit status, output) of Python code whose input, output and errors are a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": term},
    )
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:  # Linux raises it when the other side is closed
        pass
    os.close(ours)
    return process.wait(timeout=60), written.decode()


def screen(written: str, columns: int = 80) -> list[str]:
    """Return the lines that a terminal shows in the end. A line that is too long wraps."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for piece in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[^\x1b]", written):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
        elif piece in ("\x1b[K", "\x1b[2K"):
            del lines[row][column if piece == "\x1b[K" else 0 :]
        elif piece == "\x1b[1A":
            row -= 1
        elif piece[0] == "\x1b":  # colours, the cursor's looks
            assert piece[-1] in "mlh", piece
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row][column : column + 1] = piece
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    shown = ["".join(line) for line in lines]
    while shown and not shown[-1]:
        shown.pop()
    return shown


def test_a_status_line_is_overwritten_and_other_lines_stay_whole(tmp_path):
    log = tmp_path / "x.log"
    code = f"""
from pathlib import Path
from asr.console import open_log, say, status, warn
open_log(Path({str(log)!r}))
status("the first, a long one")
status("the second")
say("said")
status("the third, before a warning")
warn("careful")
say("said again")
status("the last")
"""
    status, written = on_terminal(code)
    assert status == 0
    assert screen(written) == ["said", "warning: careful", "said again", "the last"]
    assert screen(written[: written.index("said")]) == []
    assert screen(written[: written.index("said") - len("\r\x1b[K")]) == ["the second"]
    assert log.read_text() == "said\nwarning: careful\nsaid again\n"


@pytest.mark.parametrize(
    ("columns", "shown"), [(80, "long " * 15), (76, "long " * 15), (75, "short"), (40, "short"), (4, "sho")]
)
def test_a_status_line_never_wraps(columns, shown):
    code = "from asr.console import say, status\nfor _ in range(3): status('long ' * 15, 'short')"
    _, written = on_terminal(code, columns=columns)
    assert screen(written, columns) == [shown]
    _, written = on_terminal("from asr.console import status\nstatus('x' * 500); status('y' * 500)", columns=columns)
    assert screen(written, columns) == ["y" * (columns - 1)]


def test_a_terminal_that_cannot_overwrite_gets_no_status_line():
    _, written = on_terminal("from asr.console import say, status\nstatus('x'); say('said')", term="dumb")
    assert written == "said\r\n"


def test_a_pipe_and_a_log_get_no_status_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_log", None)
    console.open_log(tmp_path / "x.log")
    console.status("live")
    console.say("said")
    console.status("live")
    assert capsys.readouterr().out == "said\n"
    assert (tmp_path / "x.log").read_text() == "said\n"
    monkeypatch.setattr(console, "_log", None)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        ("InputError('wrong')", 2, "wrong"),
        ("KeyboardInterrupt", 130, "interrupted; the same command goes on from here"),
        ("RuntimeError('fault')", 1, "Traceback (most recent call last):"),
    ],
)
def test_an_error_removes_the_status_line(error, status, line):
    code = f"""
import sys, types
from asr import cli
from asr.console import status
from dataclasses import dataclass
from asr.errors import InputError
def run(_):
    status("half of it is done, and there is more to come")
    raise {error}
@dataclass
class Settings:
    pass
verb = sys.modules["verb"] = types.ModuleType("verb")
verb.run, verb.Settings = run, Settings
cli.VERBS["verb"] = "verb"
sys.exit(cli.main(["verb"]))
"""
    ended, written = on_terminal(code)
    assert ended == status
    assert "half of it" in written
    assert screen(written)[0] == line


# one core: a second thread costs a tiny network more time than it saves
TRAIN = """
import os, sys
os.sched_getaffinity = lambda _: {0}
from asr.training import watch
watch.STATUS_S = 0.0
from asr.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("columns", "pattern"), [(200, LIVE), (80, SHORT)])
def test_training_on_a_terminal(problem, columns, pattern):
    folder, argv = problem
    log = folder / "train.log"
    argv = [*argv, "--engine", "simulated", "--workers", "3", "--minibatch", "200", "--log", str(log)]
    status, written = on_terminal(TRAIN, argv, columns=columns)
    assert status == 0
    live = [line for line in written.split("\r") if line.endswith("\x1b[K") and line != "\x1b[K"]
    assert len(live) > 30
    assert all(pattern.fullmatch(line.removesuffix("\x1b[K")) for line in live), live
    assert len({line[:20] for line in live}) > 20  # it moves
    lines = log.read_text().splitlines()
    assert screen(written, 10**6) == lines, "the screen shows the lines of the log"
    assert "\x1b" not in log.read_text() and len(lines) == 11
    assert sum(LIVE.fullmatch(line) is not None for line in lines) == 5  # one for each held-out figure
    assert b"\x1b" not in (folder / "model" / "log" / "train.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (8040, "2 h 14 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_bytes_of_a_path_that_are_not_utf_8_are_escaped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_log", None)
    console.open_log(tmp_path / "log")
    console.say("caf\udce9.wav: 3 sounds")
    assert capsys.readouterr().out == "caf\\udce9.wav: 3 sounds\n"
    assert (tmp_path / "log").read_text(encoding="utf-8") == "caf\\udce9.wav: 3 sounds\n"
