"""Processes that hold shards: when one is killed, the step ends, whatever the others do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from asr.alignment.gmm import shard_pool
from asr.errors import WorkerLost


class Lengths:
    """Cepstra whose utterances all have the frames of one shard."""

    def frames(self, name: str) -> int:
        return shard_pool.FRAMES_PER_SHARD

    def speaker(self, name: str) -> str:
        return name


def ready(setups: list[tuple]) -> int:
    return len(setups)


def doomed(method: str, arguments: tuple) -> list[int]:
    if os.getpid() == arguments[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(3600)
    return []


def test_a_killed_process_is_named_with_its_step_at_once(monkeypatch):
    monkeypatch.setattr(shard_pool, "_begin", ready)
    monkeypatch.setattr(shard_pool, "_call", doomed)
    words = {f"utt{number}": [1] for number in range(4)}
    wanted = (
        r"align: process {} was killed by SIGKILL \(out of memory\?\) while it worked on step align of utt1 to utt3"
    )
    with shard_pool.ShardPool(words, Lengths(), Path("L.fst"), nj=2, seed=1) as made:
        victim = next(iter(made._pool.workers[1].processes))
        with pytest.raises(WorkerLost, match=wanted.format(victim)):
            made.call("align", victim)
        made.__exit__(WorkerLost)
    assert multiprocessing.active_children() == []
