"""How workers and server meet: processes on this machine, a seeded simulation of any number, or ranks in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asr.training.desk import Desk
from asr.training.engines.allreduce import AllReduceEngine
from asr.training.engines.local import LocalEngine
from asr.training.engines.simulated import SimulatedEngine, Speeds
from asr.training.ledger import Ledger
from asr.training.worker import Job

if TYPE_CHECKING:
    from asr.training.run import Settings


class Engine(Protocol):
    """Carries messages and slots between workers and a desk."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, ledger: Ledger) -> None:
        """Work through a pass."""


def make(settings: Settings, desk: Desk, job: Job, workers: int) -> Engine:
    """The engine that the settings ask for."""
    method = desk.server.method
    if method.ENGINE == "allreduce":
        return AllReduceEngine(desk, job, workers=workers, timeout_s=settings.worker_timeout_s)
    if settings.engine == "simulated":
        speeds = Speeds(settings.speed_spread, settings.speed_slow, settings.server_share)
        return SimulatedEngine(desk, job, method, workers=workers, seed=settings.seed, speeds=speeds)
    return LocalEngine(desk, job, method, workers=workers, timeout_s=settings.worker_timeout_s)
