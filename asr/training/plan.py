"""Every decision of a training run, made once, from the settings and the size of the data.

    plan = decide(settings)     # Plan(workers=2, threads=1, precision="bfloat16", eta0=0.2, ...)

Settings that were left open (0, auto) get their values here, and settings that do not go together are refused here.
Nothing is decided later, but for eta0 if it is to be found on the data.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from asr.alignment.load import num_frames
from asr.console import say
from asr.errors import InputError
from asr.parallel.machine import cores
from asr.training import methods
from asr.training.hours import FRAMES_PER_HOUR, distinct_frames
from asr.training.methods.base import Method
from asr.training.settings import Settings
from asr.training.sizing import suit

#: of exp() in float64, nearly: the schedule computes end_ratio ** (1 / decay_power)
LARGEST_EXPONENT = 700
#: floating-point operations of a minibatch below which a second thread costs more than it brings
WORTH_THREADS = 2e8


@dataclass(frozen=True)
class Plan:
    """What a run does.

    settings: with the sizes filled in; given: the sizes that the user chose; method: a prototype, see `new_method`.
    eta0: None if it is to be found. max_norm: of a push, None: by the usual one. minibatch_threads: those that a
    minibatch is worth, if nothing else computes; worker_threads: those of each worker; server_threads: those of this
    process.
    """

    settings: Settings
    given: frozenset[str]
    method: Method
    workers: int
    minibatch_threads: int
    worker_threads: int
    server_threads: int
    precision: str
    natural: bool
    dropout: float
    eta0: float | None
    max_norm: float | None

    @property
    def stamped(self) -> list[Any]:
        """Return the decisions that the result depends on and that the settings do not hold."""
        return [self.workers, self.precision, self.natural, *(["in rounds"] if self.method.synchronous else [])]

    def new_method(self) -> Method:
        """Return a method that has seen no push."""
        return copy.copy(self.method)


def decide(settings: Settings) -> Plan:
    """Return the plan of a run. Raises InputError for settings that do not go together."""
    eta0 = _number(settings, "eta0", lambda rate: 0 < rate < math.inf, "above 0, or auto")
    max_norm = _number(settings, "max_norm", lambda norm: 0 <= norm < math.inf, "at least 0, or auto")
    dropout = _number(settings, "dropout", lambda share: 0 <= share < 1, "at least 0 and below 1, or auto")
    method = methods.get(settings.method, settings.method_options)
    end_ratio = _number(settings, "end_ratio", lambda ratio: 1 <= ratio < math.inf, "at least 1, or auto")
    if end_ratio is None:
        end_ratio = 1.0 if method.average else 3.0
    if math.log(end_ratio) / settings.decay_power > LARGEST_EXPONENT:
        raise _refusal(settings, "decay_power", f"larger for an --end-ratio of {end_ratio:g}")
    settings = replace(settings, end_ratio=f"{end_ratio:g}")  # what settings.json holds is what is used
    if settings.passes > 1 and method.course != "one pass":
        raise _refusal(settings, "passes", f"1 for {settings.method}, whose passes --max-passes limits")
    settings, dropout, given = _sized(settings, method, dropout)
    if method.course == "whole data":
        _check_whole_data(settings, dropout, max_norm)
        eta0 = 1.0  # of a line search, which takes the place of the learning rate
    workers = _workers(settings, method)
    worth = _worth_threads(settings)
    return Plan(
        settings=settings,
        given=given,
        method=method,
        workers=workers,
        minibatch_threads=worth,
        worker_threads=max(1, worth // workers),
        server_threads=worth if settings.engine == "simulated" or workers == 1 else 1,
        precision=_precision(settings, method),
        natural={"on": True, "off": False, "auto": method.natural_gradient}[settings.natural_gradient],
        dropout=dropout,
        eta0=eta0,
        max_norm=max_norm if method.pushes_gradients or max_norm else 0.0,
    )


def _refusal(settings: Settings, name: str, rule: str) -> InputError:
    return InputError(f"train: --{name.replace('_', '-')} is {getattr(settings, name)}; it must be {rule}")


def _number(settings: Settings, name: str, usable: Callable[[float], bool], rule: str) -> float | None:
    """Return a setting that is a number or auto; None for auto."""
    text = getattr(settings, name)
    if text == "auto":
        return None
    try:
        number = float(text)
    except ValueError:
        raise _refusal(settings, name, rule) from None
    if not usable(number):
        raise _refusal(settings, name, rule)
    return number


def _sized(settings: Settings, method: Method, dropout: float | None) -> tuple[Settings, float, frozenset[str]]:
    """Return the settings with layers, width, minibatch and dropout by the hours, dropout, and which were given."""
    counts = num_frames(settings.train_data)
    distinct = distinct_frames(settings.train_data, counts)
    rule = suit(distinct / FRAMES_PER_HOUR, sum(counts.values()) / FRAMES_PER_HOUR)
    given = {name for name in ("layers", "width", "minibatch") if getattr(settings, name)}
    sizes = {name: getattr(settings, name) or getattr(rule, name) for name in ("layers", "width", "minibatch")}
    if dropout is None:
        dropout = 0.0 if method.course == "whole data" else rule.dropout
    else:
        given.add("dropout")
    text = f"{dropout:g}"  # what settings.json holds is what is used
    return replace(settings, **sizes, dropout=text), float(text), frozenset(given)


def _check_whole_data(settings: Settings, dropout: float, max_norm: float | None) -> None:
    """Refuse settings that a line search cannot have."""
    if max_norm:
        raise InputError(f"--max-norm {max_norm:g}: {settings.method} has a line search; leave it out")
    if dropout:
        raise InputError(f"--dropout {dropout:g}: {settings.method} has a line search; leave it at 0")
    if settings.natural_gradient == "on":
        raise InputError(f"--natural-gradient on: {settings.method} takes plain gradients; leave it out")


def _workers(settings: Settings, method: Method) -> int:
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this torch sees no GPU; use --device cpu")
    if method.serial:
        if settings.workers > 1:
            say(f"train: {settings.method} is serial: one worker, not {settings.workers}")
        return 1
    return settings.workers or (torch.cuda.device_count() if settings.device == "cuda" else cores())


def _worth_threads(settings: Settings) -> int:
    """Return the cores that a minibatch of this network can use: all, or one if it is too small to share."""
    operations = 6 * settings.layers * settings.width**2 * settings.minibatch
    return cores() if operations >= WORTH_THREADS else 1


def _precision(settings: Settings, method: Method) -> str:
    """Return the precision of matrix products: bfloat16 if the hardware has it, unless the user says otherwise.

    Whole-data methods get float32: rounded losses mislead their line searches.
    """
    if settings.precision != "auto":
        return settings.precision
    if method.course == "whole data":
        return "float32"
    if settings.device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"
