"""One pass: every training frame is used once. The course of async-asgd, the default method.

`--passes N` makes N of them, each in an order of its own, like one pass over N times the data: the learning rate and
the averaging windows stretch over all. It is there to compare one pass with.
"""

from __future__ import annotations

from asr.training.engines import Engine
from asr.training.session import Session


def run(session: Session, engine: Engine) -> None:
    """Work through the rest of the pass, or passes."""
    session.run_pass(engine)
    while (done := session.ledger.pass_ + 1) < session.plan.settings.passes:
        session.evaluate_end()
        session.next_pass(session.materials.data.ledger(done))
        session.save()
        session.run_pass(engine)
