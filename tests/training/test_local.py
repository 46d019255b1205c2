"""The local engine's choice of core for the server; what else it does is in tests/faults."""

from __future__ import annotations

import os

import pytest
import torch

from asr.training.engines.local import _core, _on_core

ALLOWED = os.sched_getaffinity(0)


def test_the_core_is_one_that_may_be_used():
    assert _core() in ALLOWED


def test_runs_there_and_is_free_again_afterwards():
    for core in ALLOWED:
        with _on_core(core):
            assert os.sched_getaffinity(0) == {core} and _core() == core
        assert os.sched_getaffinity(0) == ALLOWED
    with pytest.raises(ZeroDivisionError), _on_core(min(ALLOWED)):
        1 / 0  # noqa: B018
    assert os.sched_getaffinity(0) == ALLOWED


@pytest.mark.parametrize(("core", "threads"), [(-1, 1), (10**4, 1), (min(ALLOWED), 2)])
def test_stays_free_where_the_core_is_unknown_or_another_thread_would_inherit_it(core, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _on_core(core):
            assert os.sched_getaffinity(0) == ALLOWED
    finally:
        torch.set_num_threads(before)
