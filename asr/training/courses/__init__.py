"""How a run proceeds: one pass, passes until held-out cross-entropy stops falling, or steps on the whole data.

A course is a function of a session and an engine. A new one is a file here and a line in COURSES.
"""

from __future__ import annotations

from collections.abc import Callable

from asr.training.courses import newbob, one_pass, whole_data
from asr.training.engines import Engine
from asr.training.session import Session

COURSES: dict[str, Callable[[Session, Engine], None]] = {
    "one pass": one_pass.run,
    "newbob": newbob.run,
    "whole data": whole_data.run,
}
