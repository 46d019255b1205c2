"""What a run shows of itself: evaluation points, the numbers of its events and of the live line, by hand."""

from __future__ import annotations

import pytest
import torch

from asr.training import methods, watch
from asr.training.average import Average
from asr.training.heldout import Figures
from asr.training.messages import Push, Slots
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer
from asr.training.spent import Spent
from asr.training.watch import Watch


class Heldout:
    """Cross-entropy is the first weight, so that what was looked at can be told from the number."""

    def __init__(self, frames: int = 1000) -> None:
        self.targets = range(frames)
        self.looked_at: list[int] = []

    def evaluate(self, weights: torch.Tensor, frames: int) -> Figures:
        self.looked_at.append(frames)
        return Figures(float(weights[0]), float(weights[1]))

    def idle_units(self, weights: torch.Tensor) -> list[float]:
        return [0.25, float(weights[1])]


class Log:
    def __init__(self) -> None:
        self.events: list[dict] = []

    def write(self, event: str, **fields) -> None:
        self.events.append({"event": event, **fields})

    def of(self, event: str) -> list[dict]:
        return [item for item in self.events if item["event"] == event]


class Run:
    """A server that pushes arrive at, watched; `seconds` is its clock."""

    def __init__(self, total: int, evaluations: int, *, heldout: Heldout | None = None, max_staleness: int = 64):
        weights = torch.tensor([8.0, 0.5])
        method = methods.get("async-asgd")
        average = Average(weights, total // 2)
        schedule = Schedule(0.5, total)
        self.server = ParameterServer(weights, schedule, method, average, max_staleness=max_staleness)
        self.log, self.heldout = Log(), heldout or Heldout()
        self.watch = Watch(self.server, self.heldout, self.log, evaluations, Spent())
        self.sequence = 0

    def push(self, frames: int, *, stale: int = 0, gradient: float = 0.0, loss: float = 1.0, right: int = 0) -> str:
        self.sequence += 1
        version = self.server.version - stale
        push = Push(0, self.sequence, version, frames, loss=loss, correct=right)
        verdict = self.server.apply(push, Slots(torch.zeros(2), torch.tensor([gradient, 0.0])))
        if verdict == "applied":
            self.watch.on_push(push)
        return verdict


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("total", "evaluations", "size", "points"),
    [
        (100, 4, 8, [32, 56, 80, 100]),  # the first push at or past 25, 50, 75, 100
        (100, 4, 25, [25, 50, 75, 100]),
        (100, 10, 40, [40, 80, 100]),  # several points within a push are looked at once
        # every 1.1 frames; in floating point 11 // 1.1 is 9, and the point at 11 would be met again at 12
        (22, 20, 1, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]),
        (5, 1, 2, [5]),
    ],
)
@pytest.mark.parametrize("first", [0, 1000])
def test_evaluation_points(total, evaluations, size, points, first):
    run = Run(total, evaluations)
    run.server.frames = first  # of the passes before
    run.watch.begin_pass(first // 1000, first, total)
    done = 0
    while done < total:
        frames = min(size, total - done)
        run.push(frames)
        done += frames
    assert [event["frames"] - first for event in run.log.of("heldout")] == points
    assert [event["frames"] - first for event in run.log.of("progress")] == points
    assert {event["pass_"] for event in run.log.events} == {first // 1000}


def test_a_resumed_pass_goes_on_to_its_next_point():
    run = Run(100, 4)
    run.server.frames = 60
    run.watch.begin_pass(0, 0, 100)
    for _ in range(4):
        run.push(10)
    assert [event["frames"] for event in run.log.of("heldout")] == [80, 100]


@pytest.mark.parametrize(
    ("total", "held", "looked_at"),
    [
        (1000, 1000, 256),  # a few at least
        (200_000, 8192, 300),  # 1 % of training 20,000 frames: 200 · 3 / 2, since looking costs a third, twice
        (10_000_000, 8192, 8192),
        (1000, 100, 100),
    ],
)
def test_looking_costs_a_small_share_of_training(total, held, looked_at):
    run = Run(total, 10, heldout=Heldout(held))
    run.watch.begin_pass(0, 0, total)
    run.watch.evaluate()
    assert min(held, run.heldout.looked_at[0]) == looked_at
    assert run.log.of("heldout")[0]["heldout_frames"] == looked_at


def test_the_numbers_of_an_event_by_hand(clock, capsys):
    run = Run(100, 2, max_staleness=3)
    run.watch.begin_pass(0, 0, 100)
    clock.now = 102.0
    assert run.push(10, gradient=2.0, loss=3.0, right=4) == "applied"  # w: 8 - 0.5 · 2 = 7
    assert run.push(30, stale=1, gradient=-4.0, loss=2.0, right=12) == "applied"  # 9
    assert run.push(30, stale=2, gradient=6.0, loss=1.0, right=30) == "applied"  # 6, at 70 frames: past t0
    progress, heldout = run.log.events
    assert progress == {
        "event": "progress",
        "frames": 70,
        "pass_": 0,
        "frames_per_s": 35.0,
        "staleness_mean": pytest.approx((0 + 1 + 2) / 3),
        "train_ce": pytest.approx((30 + 60 + 30) / 70),
        "train_accuracy": pytest.approx(46 / 70),
        "gradient_norm_mean": pytest.approx((2 + 4 + 6) / 3),
        "eta": 0.5,
        "refused": {},
    }
    assert (heldout["ce_raw"], heldout["ce_average"], heldout["accuracy_raw"]) == (6.0, 6.0, 0.5)
    assert heldout["idle_units"] == [0.25, 0.5] and heldout["eta"] == 0.5
    run.log.events.clear()
    clock.now = 103.0
    assert run.push(30, stale=4) == "stale"
    assert run.push(30, stale=3, gradient=10.0, loss=0.5, right=15) == "applied"  # 1; the average of 6 and 1
    progress, heldout = run.log.events
    # of what came since the last event only
    assert progress["frames_per_s"] == 30.0 and progress["train_ce"] == 0.5 and progress["staleness_mean"] == 3.0
    assert progress["gradient_norm_mean"] == 10.0 and progress["refused"] == {"stale": 1}
    assert (heldout["ce_raw"], heldout["ce_average"]) == (1.0, 3.5)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "train: 100 %  30 frames/s  staleness 3.00  eta 0.5000  cross-entropy train 0.500, "
        "held out: raw 1.000, average 3.500  0.0 s left"
    )


def test_before_anything_was_pushed_there_are_held_out_figures_and_no_progress(capsys):
    run = Run(100, 4)
    run.watch.begin_pass(0, 0, 100)
    run.watch.evaluate()
    assert [event["event"] for event in run.log.events] == ["heldout"]
    assert run.log.events[0]["frames"] == 0 and run.log.events[0]["ce_raw"] == 8.0
    assert capsys.readouterr().out == ""


def test_the_live_line_once_a_second(clock, monkeypatch):
    shown = []
    monkeypatch.setattr(watch, "status", lambda *texts: shown.append(texts))
    run = Run(10_000, 1)
    run.watch.begin_pass(0, 0, 10_000)
    run.push(100)
    clock.now += 0.5
    run.push(100, stale=1)
    assert shown == []
    clock.now += 0.5
    run.push(100, stale=2, gradient=2.0, loss=4.0)
    run.push(100)
    assert shown == [
        (
            "train:   3 %  300 frames/s  staleness 1.00  eta 0.5000  cross-entropy train 2.000  32 s left",
            "  3 % 300/s stale 1.00 eta 0.5000 0:00:32 left",
        )
    ]
    run.watch.evaluate()
    run.watch.begin_pass(11, run.server.frames, 10_000_000)
    clock.now += 1.0
    run.push(1000)
    long, short = shown[-1]
    assert long == (
        "train: pass 12   0 %  1,000 frames/s  staleness 0.00  eta 0.5000  cross-entropy train 1.000, "
        "held out: raw 7.000, average 7.000  2 h 46 min left"
    )
    assert short == "pass 12   0 % 1,000/s stale 0.00 eta 0.5000 ce raw 7.000 avg 7.000 2:46:39 left"
    assert len(short) < 80
