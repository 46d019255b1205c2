"""One pass: every training frame is used once. The course of async-asgd, the default method."""

from __future__ import annotations

from asr.training.engines import Engine
from asr.training.session import Session


def run(session: Session, engine: Engine) -> None:
    """Work through the rest of the pass."""
    session.run_pass(engine)
