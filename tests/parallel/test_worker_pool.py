"""The pools of worker processes: results in order, and no waiting for a worker that has ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures.process import ProcessPoolExecutor
from pathlib import Path

import pytest

from asr.errors import InputError, WorkerLost
from asr.files import atomic
from asr.parallel.pool import Pool, StatefulPool

HOUR_S = 3600.0  # a pool that waits for the other workers exceeds the test's timeout


def square(number: int) -> int:
    return number * number


def die_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def leave(status: int) -> None:
    os._exit(status)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def sleep_or_die(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise InputError("no such model", file="net")


def write_slowly(path: Path) -> None:
    with atomic(path) as handle:
        handle.write("half")
        handle.flush()
        time.sleep(HOUR_S)


def test_results_come_in_the_order_of_the_items():
    with Pool(2) as pool:
        assert list(pool.map(square, range(300), chunk=7)) == [n * n for n in range(300)]
        assert list(pool.map(square, [])) == []
        assert pool.result(pool.submit(square, 12)) == 144
        assert len(pool.workers.processes) == 2
    assert multiprocessing.active_children() == []


def test_a_killed_worker_is_named_with_its_call():
    with pytest.raises(WorkerLost) as caught, Pool(2, what="features") as pool:
        list(pool.map(die_at_five, range(20), name="utterance {}".format))
    pids = "|".join(map(str, pool.workers.processes))
    wanted = rf"^features: process ({pids}) was killed by SIGKILL \(out of memory\?\) while it worked on utterance 5$"
    assert pytest.raises(WorkerLost, match=wanted).matches(caught.value)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("function", "argument", "message"),
    [
        (die, signal.SIGSEGV, "was killed by SIGSEGV while it worked on part 1"),
        (die, signal.SIGTERM, "worked on part 1|waited for work|ended with status 143"),
        (leave, 3, "ended with status 3 while it worked on part 1"),
    ],
)
def test_any_end_of_a_worker_is_noticed(function, argument, message):
    with pytest.raises(WorkerLost, match=message), Pool(1) as pool:
        pool.result(pool.submit(function, argument, name="part 1"))


def test_a_worker_that_is_killed_from_outside_is_not_waited_for():
    with pytest.raises(WorkerLost, match=r"was killed by SIGKILL .* on the long one"), Pool(1) as pool:
        future = pool.submit(sleep, HOUR_S, name="the long one")
        [pid] = pool.workers.processes
        while pool.workers.slots[:] != [pid, 0]:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        pool.result(future)


def test_the_death_of_the_worker_that_was_started_last_is_noticed(monkeypatch):
    """The executor watches the workers that it knew when it was last woken, so it may miss the newest one."""
    spawn = ProcessPoolExecutor._spawn_process
    monkeypatch.setattr(ProcessPoolExecutor, "_spawn_process", lambda self: (time.sleep(0.3), spawn(self)))
    with pytest.raises(WorkerLost, match=r"was killed by SIGKILL .* worked on b"), Pool(2) as pool:
        pool.submit(sleep, HOUR_S, name="a")
        pool.result(pool.submit(die, signal.SIGKILL, name="b"))
    with pytest.raises(WorkerLost, match=r"was killed by SIGKILL .* worked on b"), Pool(2) as pool:
        list(pool.map(sleep_or_die, [HOUR_S, 0.0], name=lambda seconds: "a" if seconds else "b"))


def test_a_worker_that_dies_while_it_starts():
    lost = pytest.raises(WorkerLost, match=r"was killed by SIGKILL \(out of memory\?\) while it started")
    with lost, Pool(1, die, (signal.SIGKILL,)) as pool:
        pool.result(pool.submit(square, 1))


def test_the_first_call_raises_what_the_initializer_raises():
    with pytest.raises(InputError, match="net: no such model"), Pool(1, refuse) as pool:
        list(pool.map(square, [1]))


def sleep_or_be_killed(name: str) -> None:
    if name == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(HOUR_S)


def test_the_first_worker_of_a_stateful_pool_that_fails_ends_the_call_at_once():
    with pytest.raises(WorkerLost, match="while it worked on b"), StatefulPool(2, what="align") as pool:
        pool.call(sleep_or_be_killed, [("a",), ("b",)], ["a", "b"])
    assert multiprocessing.active_children() == []


_kept: list[int] = []  # in each worker


def keep(number: int) -> list[int]:
    _kept.append(number)
    return list(_kept)


def test_each_worker_of_a_stateful_pool_gets_its_own_arguments_and_keeps_its_state():
    with StatefulPool(2, what="align") as pool:
        assert pool.call(keep, [(1,), (2,)], "ab") == [[1], [2]]
        assert pool.call(keep, [(3,), (4,)], "ab") == [[1, 3], [2, 4]]


def threads() -> int:
    import torch

    return torch.get_num_threads()


def test_a_worker_computes_with_one_thread_and_the_environment_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with Pool(1) as pool:
        assert pool.result(pool.submit(threads)) == 1
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_an_exception_ends_the_workers_and_they_remove_their_temporary_files(tmp_path):
    with pytest.raises(KeyboardInterrupt), Pool(1) as pool:
        pool.submit(write_slowly, tmp_path / "a.ark")
        while [path.read_text() for path in tmp_path.iterdir()] != ["half"]:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_a_setup_too_large_for_the_pipe_to_a_worker_is_refused():
    with pytest.raises(ValueError, match="bytes of setup"):
        Pool(1, square, ("x" * 70_000,))
