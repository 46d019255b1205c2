"""Runs of the train verb as processes of their own, to be killed: forked off one that has torch loaded already.

    with Launcher() as launcher:
        run = launcher.start(argv, folder)
        run.kill(signal.SIGTERM)
        assert run.wait() == -signal.SIGTERM

A run has a session of its own, so that `run.kill(signal.SIGINT, group=True)` is what ^C in a terminal does. `setup`
names functions of this module that the run calls first: ("die_at", 12) kills it at its twelfth step, ("change",
"asr.training.session.CHECKPOINT_REST", 0) alters a constant.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Launcher:
    """The process that runs are forked off. It never computes, so that it has no threads that a fork would lose."""

    def __enter__(self) -> Launcher:
        command = [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(ROOT), str(Path(__file__).parent)]}; "]
        command[-1] += "import runs; runs.serve()"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        self.runs: list[Run] = []
        return self

    def __exit__(self, *_: object) -> None:
        for run in self.runs:
            run.end()
        self.process.stdin.close()
        self.process.wait(30)

    def ask(self, **request):
        """One question, one answer, a line of JSON each."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def start(self, argv: list[str], folder: Path, *setup: tuple, one_core: bool = False) -> Run:
        """Begin a run of `argv`; what it says goes to a file in `folder`.

        one_core: all its processes share a core, as suits a run that has one worker or simulates them.
        """
        output = folder / f"output-{len(self.runs)}.txt"
        cores = random.sample(sorted(os.sched_getaffinity(0)), 1) if one_core else []
        run = Run(self, self.ask(argv=argv, output=str(output), setup=setup, cores=cores), output, folder)
        self.runs.append(run)
        return run


class Run:
    """A run that was started."""

    def __init__(self, launcher: Launcher, pid: int, output: Path, folder: Path) -> None:
        self.launcher, self.pid, self.file, self.folder = launcher, pid, output, folder
        self.status: int | None = None

    @property
    def output(self) -> str:
        """What it has said so far, on stdout and stderr."""
        return self.file.read_text() if self.file.exists() else ""

    def poll(self) -> int | None:
        """Exit status, minus the signal that ended it, or None while it runs."""
        if self.status is None:
            self.status = self.launcher.ask(wait=self.pid)
        return self.status

    def kill(self, number: int, *, group: bool = False) -> None:
        """Send a signal, to the workers as well if `group`."""
        if self.poll() is None:
            (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit status, once it has ended."""
        wait_for(lambda: self.poll() is not None, seconds, self)
        return self.status

    def workers(self) -> list[int]:
        """Worker processes: its children that run spawn_main, which multiprocessing's resource tracker does not."""
        return sorted(pid for pid, (parent, _, line) in processes().items() if parent == self.pid and SPAWN in line)

    def members(self) -> set[int]:
        """Processes of its session, whoever their parent is by now; those that are dead are none."""
        return {pid for pid, (_, session, _) in processes().items() if session == self.pid}

    def end(self) -> None:
        """Leave nothing of it."""
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        self.poll()

    def events(self, *names: str) -> list[dict]:
        """The events of its log, or those of some names, in order; a line cut short is none."""
        return events(self.folder, *names)

    def frames(self) -> int:
        """Frames of the newest event in the log, 0 before there is one."""
        return max((event.get("frames", 0) for event in self.events()), default=0)


SPAWN = b"spawn_main"
#: lets a run write checkpoints as often as --checkpoint-s says, however long that takes
NO_REST = ("change", "asr.training.session.CHECKPOINT_REST", 0)


def processes() -> dict[int, tuple[int, int, bytes]]:
    """pid -> (parent, session, command line) of every process that is not dead."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, _, session = (path / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            if state not in "ZX":
                found[int(path.name)] = (int(parent), int(session), (path / "cmdline").read_bytes())
        except (OSError, ValueError):  # it ended meanwhile
            continue
    return found


def events(folder: Path, *names: str) -> list[dict]:
    """The events in a problem's training log, or those of some names."""
    path = folder / "model" / "log" / "train.jsonl"
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.endswith("}"):
            found.append(json.loads(line))
    return [event for event in found if not names or event["event"] in names]


def total_frames(folder: Path) -> int:
    """Training frames of a problem."""
    return sum(int(line.split()[1]) for line in (folder / "train" / "utt2num_frames").read_text().splitlines())


def weights(folder: Path) -> list[bytes]:
    """The files of the finished model."""
    return [(folder / "model" / f"{name}.safetensors").read_bytes() for name in ("final", "raw")]


def result(folder: Path) -> tuple:
    """What a resumed run has to end with. "progress" is not in it: it has times, and sums that a kill cuts in two."""
    told = events(folder, "eta0", "heldout", "pass", "windows")
    return weights(folder), [{name: value for name, value in event.items() if name != "seconds"} for event in told]


def wait_for(condition, seconds: float = 60.0, run: Run | None = None):
    """The condition's value once it holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain" + ("" if run is None else f"; the run said:\n{run.output}"))


# ---- in the launcher's process, and in the runs


def serve() -> None:
    """Fork a run, or say how one ended, for every line on stdin."""
    import asr.training.courses
    import asr.training.finish
    import asr.training.run  # noqa: F401

    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if "wait" in request:
            pid, status = os.waitpid(request["wait"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            sys.exit(_run(**request))


def _run(argv: list[str], output: str, setup: list[list], cores: list[int]) -> int:
    from asr.cli import main

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job would ignore
    if cores:
        os.sched_setaffinity(0, cores)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDWR)
    for number, target in ((null, 0), (file, 1), (file, 2)):
        os.dup2(number, target)
    os.closerange(3, 64)
    for name, *arguments in setup:
        globals()[name](*arguments)
    return main(argv)


def change(path: str, value: object) -> None:
    """Set `package.module.NAME`."""
    module, _, name = path.rpartition(".")
    setattr(importlib.import_module(module), name, value)


def remove_at(push: int, path: str) -> None:
    """Remove a file at a push, counted from 1."""
    pushes = itertools.count(1)

    def counted(call):
        def wrapped(*args, **named):
            if next(pushes) == push:
                os.remove(path)
            return call(*args, **named)

        return wrapped

    _wrap(PUSH, counted)


def die_at(step: int, since: str = "asr.training.costs.announce") -> None:
    """SIGKILL at a step, counted from 1 since a function was called.

    A step is a push, a held-out figure, or a file's fsync, rename or removal.
    """
    count = itertools.repeat(0)

    def begin(call):
        def wrapped(*args, **named):
            nonlocal count
            if next(count) == 0:
                count = itertools.count(1)
            return call(*args, **named)

        return wrapped

    def counted(call):
        def wrapped(*args, **named):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return wrapped

    _wrap(since, begin)
    for path in ("os.fsync", "os.replace", "os.unlink", PUSH, FIGURE):
        _wrap(path, counted)


PUSH, FIGURE = "asr.training.server.ParameterServer.apply", "asr.training.heldout.Heldout.evaluate"


def _wrap(path: str, wrapper) -> None:
    """Put `wrapper(function)` in the place of `module.function` or `module.Class.function`."""
    owner_path, _, name = path.rpartition(".")
    try:
        owner = importlib.import_module(owner_path)
    except ModuleNotFoundError:
        module, _, cls = owner_path.rpartition(".")
        owner = getattr(importlib.import_module(module), cls)
    setattr(owner, name, wrapper(getattr(owner, name)))


def limit_files(size: int) -> None:
    """No file may grow past `size` bytes: writing more fails as on a full disk, with another message."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fill_between(first: int, last: int, folder: str) -> None:
    """The disk that `folder` is on is full from push `first` on, and no longer so from push `last` on."""
    pushes = itertools.count(1)
    ballast = Path(folder) / "ballast"

    def counted(call):
        def wrapped(*args, **named):
            number = next(pushes)
            if number == first:
                _fill(ballast)
            elif number == last:
                ballast.unlink()
            return call(*args, **named)

        return wrapped

    _wrap(PUSH, counted)


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as handle:
        while handle.write(b"\0" * 512):
            pass
