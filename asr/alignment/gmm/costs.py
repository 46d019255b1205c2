"""What each part of a ladder costs: CPU seconds of all its processes, and seconds by the clock.

Writes  OUT/log/ladder.json: {"processes": 2, "parts": [{"part": "mono", "cpu_s": 310.2, "wall_s": 160.1}, ...]}. The
        parts are the cepstra, the rungs with their last alignment, and what aligns and writes at the end (others)

    costs = LadderCosts(Path("exp/ali/log/ladder.json")); ...; costs.part("mono", shards)
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from asr.alignment.gmm.shard_pool import ShardPool
from asr.console import duration, say
from asr.files import read_json, write_json
from asr.parallel.machine import cpu_seconds

#: the last part: aligns what is not trained on, and writes the last folder
OTHERS = "others"


class LadderCosts:
    """Measures the parts of a ladder one after another, from the time that it is made. path: of ladder.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._earlier = read_json(path).get("parts", []) if path.is_file() else []
        self.parts: list[dict[str, str | float]] = []
        self.processes = 0
        self._before = (cpu_seconds(), time.monotonic())

    def keep(self, names: Collection[str]) -> None:
        """Take over what an earlier run recorded of these parts, which are not computed again."""
        self.parts += [part for part in self._earlier if part.get("part") in names]

    def part(self, name: str, shards: ShardPool | None = None) -> None:
        """Record what has been computed since the last part, and write the file.

        shards: the processes that are alive and have computed; those that have ended are counted by the system.
        """
        alive = 0.0
        if shards is not None:
            alive, self.processes = shards.cpu_seconds(), shards.nj
        now = (cpu_seconds() + alive, time.monotonic())
        cpu_s, wall_s = (there - here for there, here in zip(now, self._before, strict=True))
        self._before = now
        self.parts.append({"part": name, "cpu_s": round(cpu_s, 1), "wall_s": round(wall_s, 1)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"processes": self.processes, "parts": self.parts})
        say(f"align: {name}: {cpu_s:.0f} CPU seconds, {duration(wall_s)}")
