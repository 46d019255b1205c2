"""Worker processes: how many, and that none outlives the process that started it.

multiprocessing.get_context("spawn").Pool(processes_for(0, most=8), initializer=end_with_parent)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def processes_for(nj: int, most: int) -> int:
    """How many processes: `nj`, or one a core for 0; not more than there are pieces of work, `most`."""
    return max(1, min(nj or len(os.sched_getaffinity(0)), most))


def end_with_parent() -> None:
    """Called first in a worker process: it ends when its parent is killed, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers in order
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
