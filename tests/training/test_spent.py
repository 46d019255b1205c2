"""Seconds by part, on a clock that the test turns."""

import pytest

from asr.training import spent
from asr.training.spent import Spent


class Clocks:
    """The clock and the CPU time of the process."""

    clock = cpu = 100.0

    def turn(self, clock: float, cpu: float) -> None:
        self.clock += clock
        self.cpu += cpu


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(spent.time, "monotonic", lambda: clocks.clock)
    monkeypatch.setattr(spent, "cpu_seconds", lambda: clocks.cpu)
    return clocks


def test_parts_add_up_also_those_that_fail_and_those_of_earlier_runs(clocks):
    found = Spent()
    with found.on("data"):
        clocks.turn(8.0, 2.0)
    found.begin(30.0)
    found.add({"heldout": {"seconds": 1.0, "cpu_s": 0.5}})
    with found.on("heldout"):
        clocks.turn(0.5, 0.25)
    clocks.turn(10.0, 9.0)
    with pytest.raises(OSError), found.on("windows"):
        clocks.turn(1.0, 1.0)
        raise OSError
    assert found.parts == {
        "data": {"seconds": 8.0, "cpu_s": 2.0},
        "heldout": {"seconds": 1.5, "cpu_s": 0.75},
        "windows": {"seconds": 1.0, "cpu_s": 1.0},
    }
    assert found.elapsed_s == 30.0 + 0.5 + 10.0 + 1.0, "reading the data comes before the run's clock"
    assert (found.seconds("windows"), found.seconds("eta0")) == (1.0, 0.0)
