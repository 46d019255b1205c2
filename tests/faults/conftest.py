"""What the fault tests share: the process that runs are forked off, and problems that leave time to interfere."""

from __future__ import annotations

import pytest
from runs import Launcher


@pytest.fixture(scope="session")
def launcher():
    """Starts runs of the train verb."""
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def slow(problem):
    """The problem with a minibatch so small that there is time to interfere."""
    folder, argv = problem
    place = argv.index("--minibatch")
    argv[place + 1] = "8"
    # with so many pushes a second, a worker that the machine lets wait is hundreds of versions late: no bound here
    argv += ["--max-staleness", "1000000"]
    return folder, [*argv, "--evaluations", "20", "--checkpoint-s", "0.05", "--eta0", "0.05"]
