"""A signal ends a verb in order, with the status that a shell expects, and the verb ends with its run.sh."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repository import ROOT

from asr.command import exits
from asr.parallel import signals

#: a verb that works for an hour; its temporary file shows whether it ended in order
VERB = """
import sys, time
from asr import cli
from asr.parallel.signals import exit_with
from asr.files import atomic
from pathlib import Path
def work(verb, arguments):
    with atomic(Path(sys.argv[1]) / "out") as handle:
        handle.write("half")
        handle.flush()
        time.sleep(3600)
cli._run = work
exit_with(cli.main(["lang"]))
"""


def start(folder: Path, *, shell: str = "", **options) -> subprocess.Popen:
    """Start the verb, or a shell that starts it, and return its process once the verb works."""
    verb = [sys.executable, "-c", VERB, str(folder)]
    command = ["bash", "-c", shell, *verb] if shell else verb
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)
    end = time.monotonic() + 60
    while [path.read_text() for path in folder.iterdir()] != ["half"]:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    return process


#: a verb that ends; a SIGTERM of run.sh arrives while it does, and another after its handlers are restored
ENDING = """
import os, signal, sys
from asr.command import exits
from asr import locks
from asr.parallel.signals import exit_with, install_quiet_handlers
from pathlib import Path
class Owner: pass
def work():
    global owner
    owner = Owner()
    locks.hold_while(owner, Path(sys.argv[1]) / "new" / ".lock", "asr lang")
    os.kill(os.getpid(), signal.SIGINT)
def say(error):
    os.kill(os.getpid(), signal.SIGTERM)
    return str(list(Path(sys.argv[1]).iterdir()))
exits._final_message = say
install_quiet_handlers()
status = exits.status_of(work)
os.kill(os.getpid(), signal.SIGTERM)
exit_with(status)
"""


def test_a_second_signal_does_not_break_the_end_of_the_first(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ENDING, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "[]\n")


def test_under_run_sh_a_verb_prints_no_final_message(monkeypatch, capsys):
    monkeypatch.setenv("YIBIAN_RUN", str(os.getppid()))
    assert exits.status_of(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert exits.status_of(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"


def test_a_signal_in_a_destructor_is_raised_after_it():
    class Owner:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0)

    with pytest.raises(signals.SignalReceived), signals.handling_signals():
        Owner()
        time.sleep(60)


def test_a_deferred_signal_is_raised_after_the_block():
    done = []
    with pytest.raises(signals.SignalReceived) as caught, signals.handling_signals():
        with signals.signals_deferred(), signals.signals_deferred():
            os.kill(os.getpid(), signal.SIGHUP)
            done.append("block")
        done.append("more")
    assert done == ["block"] and caught.value.number == signal.SIGHUP


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_each_signal_has_its_exit_status_and_leaves_no_temporary_file(tmp_path, number, status):
    process = start(tmp_path)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert (process.returncode, error) == (status, "interrupted; the same command goes on from here\n")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_nohup_ignores_stays_ignored(tmp_path):
    process = start(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_a_verb_dies_with_the_run_sh_that_started_it_and_with_no_other_parent(tmp_path):
    for name, dies in (("YIBIAN_RUN=$$", True), ("OTHER=1", False)):
        folder = tmp_path / name[:5]
        folder.mkdir()
        shell = start(folder, shell=f'{name} "$0" "$@" & wait')
        verb = int(Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()[0])
        shell.kill()
        shell.wait()
        end = time.monotonic() + (60 if dies else 0.3)
        while alive(verb) and time.monotonic() < end:
            time.sleep(0.01)
        assert alive(verb) != dies
        if not dies:
            os.kill(verb, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_signals_in_quick_succession_count_once_and_handlers_are_restored():
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with pytest.raises(signals.SignalReceived) as caught, signals.handling_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # it follows at once: the same request
            cleaned = True
    assert cleaned and signals.status_after(caught.value) == 143
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before
    assert signals.status_after(KeyboardInterrupt()) == 130
