"""How workers and server meet: processes on this machine, or a seeded simulation of any number of workers.

A new engine starts workers (worker.py), gives each two slots, and carries their messages to the dispatcher and its
answers back. It decides nothing.
"""

from __future__ import annotations

from typing import Protocol

from asr.training.dispatcher import Dispatcher
from asr.training.engines.local import LocalEngine
from asr.training.engines.simulated import SimulatedEngine, Speeds
from asr.training.ledger import Ledger
from asr.training.objectives.base import Job
from asr.training.settings import Settings


class Engine(Protocol):
    """Carries messages and slots between workers and a dispatcher. Use it in a `with` statement."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, ledger: Ledger) -> None:
        """Work through a pass. The workers stay for the next one."""


def make(settings: Settings, dispatcher: Dispatcher, job: Job, workers: int) -> Engine:
    """Return the engine that the settings ask for."""
    if settings.engine == "simulated":
        speeds = Speeds(settings.speed_spread, settings.speed_slow, settings.server_share)
        return SimulatedEngine(dispatcher, job, workers=workers, seed=settings.seed, speeds=speeds)
    return LocalEngine(dispatcher, job, workers=workers, timeout_s=settings.worker_timeout_s)
