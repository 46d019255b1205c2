"""A cell of the comparison: a system on a network, on some hours, with a seed. Its result is a small JSON file.

    results = Results(Path("recipes/compare/results/common_voice"))
    cell = Cell("one-pass", "default", "all", 1)
    results.read(cell)              # None if it has not been measured
    results.write(cell, result)

The files stand in the repository: a comparison goes on where another day or machine left off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.files import read_json, write_json

ALL = "all"


@dataclass(frozen=True)
class Cell:
    """hours: of a slice of the training set, as text, or "all"."""

    system: str
    network: str
    hours: str
    seed: int

    @property
    def name(self) -> str:
        """Return the name of its files."""
        return f"{self.system}.{self.network}.{self.hours}.{self.seed}"


class Results:
    """The files of an experiment's results, and of the values that were chosen for its systems."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, cell: Cell) -> dict[str, Any] | None:
        """Return the result of a cell, None if there is none yet."""
        return self._read(cell.name)

    def write(self, cell: Cell, result: dict[str, Any]) -> None:
        """Write the result of a cell."""
        self._write(cell.name, result)

    def read_tuned(self, system: str, network: str) -> dict[str, Any] | None:
        """Return {"chosen": options, "trials": [...]} of a system on a network, None before it is tuned."""
        return self._read(f"tuned/{system}.{network}")

    def write_tuned(self, system: str, network: str, tuned: dict[str, Any]) -> None:
        """Write what was tried and chosen."""
        self._write(f"tuned/{system}.{network}", tuned)

    def hours(self) -> float | None:
        """Return the hours of the whole training set, None before anything was measured."""
        about = self._read("experiment")
        return None if about is None else float(about["hours"])

    def write_hours(self, hours: float) -> None:
        """Write the hours of the whole training set."""
        self._write("experiment", {"hours": round(hours, 2)})

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / f"{name}.json"
        return read_json(path) if path.is_file() else None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
