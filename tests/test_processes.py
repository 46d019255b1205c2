"""How many processes a verb starts."""

import os

from asr.processes import processes_for


def test_how_many_processes():
    assert processes_for(3, 100) == 3
    assert processes_for(3, 2) == 2
    assert processes_for(1, 0) == 1
    assert processes_for(0, 1000) == len(os.sched_getaffinity(0))
