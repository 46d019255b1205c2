"""The CPU seconds of a ladder's parts: of this process, of workers that have ended, and of those that are alive."""

from __future__ import annotations

import time

from asr.alignment.gmm import costs, shard_pool
from asr.files import read_json


class Alive:
    """Two processes that have used some CPU seconds so far."""

    nj = 2

    def __init__(self, cpu_s: float) -> None:
        self.cpu_s = cpu_s

    def cpu_seconds(self) -> float:
        return self.cpu_s


def test_a_part_counts_all_processes_once(monkeypatch, tmp_path, capsys):
    """The workers of mono's own pool have ended, and count as children; the others live on, until all have ended."""
    here, clock = iter([1.0, 3.5, 15.0, 16.0, 60.25]), iter([100.0, 102.0, 109.0, 139.0, 140.0])
    monkeypatch.setattr(costs, "cpu_seconds", lambda: next(here))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    path = tmp_path / "ali/log/ladder.json"
    measured = costs.LadderCosts(path)
    measured.part("cepstra")
    measured.part("mono", Alive(4.0))
    measured.part("tri", Alive(40.0))
    assert [part["part"] for part in read_json(path)["parts"]] == ["cepstra", "mono", "tri"]
    measured.part(costs.OTHERS)
    assert read_json(path) == {
        "processes": 2,
        "parts": [
            {"part": "cepstra", "cpu_s": 2.5, "wall_s": 2.0},
            {"part": "mono", "cpu_s": 15.5, "wall_s": 7.0},
            {"part": "tri", "cpu_s": 37.0, "wall_s": 30.0},
            {"part": "others", "cpu_s": 4.2, "wall_s": 1.0},
        ],
    }
    assert capsys.readouterr().out.splitlines()[2] == "align: tri: 37 CPU seconds, 30 s"


def test_parts_of_an_earlier_run_are_kept(tmp_path):
    path = tmp_path / "ladder.json"
    first = costs.LadderCosts(path)
    for name in ("cepstra", "mono", "tri"):
        first.part(name)
    before = read_json(path)["parts"]
    again = costs.LadderCosts(path)
    again.part("cepstra")
    again.keep(["mono"])
    again.part("tri")
    after = read_json(path)["parts"]
    assert [part["part"] for part in after] == ["cepstra", "mono", "tri"] and after[1] == before[1]


class Lengths:
    def frames(self, name: str) -> int:
        return shard_pool.FRAMES_PER_SHARD

    def speaker(self, name: str) -> str:
        return name


def worked(setups: list[tuple]) -> None:
    """Compute until this process has used as many CPU seconds as there are utterances, hundredths of them."""
    wanted = time.process_time() + 0.01 * len(setups)
    while time.process_time() < wanted:
        sum(range(1000))


def test_the_time_of_workers_that_are_alive(monkeypatch, tmp_path):
    monkeypatch.setattr(shard_pool, "_begin", worked)
    words = {f"utt{number}": [1] for number in range(20)}
    with shard_pool.ShardPool(words, Lengths(), tmp_path / "L.fst", nj=2, seed=1) as pool:
        first = pool.cpu_seconds()
        assert first >= 0.2 and pool.cpu_seconds() >= first
