"""Published training methods side by side, a short file each: what a worker sends, what the server does with it.

    method = get("dc-asgd", ("dc_lambda=0.04",))

Each file cites its source and states its formula; the base class (base.py) is plain SGD.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence

from asr.errors import InputError
from asr.training.methods.accumulate import Accumulate
from asr.training.methods.asgd import Asgd
from asr.training.methods.async_asgd import AsyncAsgd
from asr.training.methods.async_sgd import AsyncSgd
from asr.training.methods.base import Method
from asr.training.methods.dc_asgd import DcAsgd
from asr.training.methods.easgd import Easgd
from asr.training.methods.hessian_free import HessianFree
from asr.training.methods.isgd import Isgd
from asr.training.methods.lbfgs import Lbfgs
from asr.training.methods.lc_asgd import LcAsgd
from asr.training.methods.linear_decay import LinearDecay
from asr.training.methods.schedule_free import ScheduleFree
from asr.training.methods.sgd import Sgd
from asr.training.methods.sync_sgd import SyncSgd

_CLASSES: list[type[Method]] = [AsyncAsgd, Asgd, AsyncSgd, Sgd, LinearDecay, Isgd, DcAsgd, LcAsgd, Accumulate, Easgd]
_CLASSES += [ScheduleFree, Lbfgs, HessianFree, SyncSgd]
METHODS = {method.name: method for method in _CLASSES}


def get(name: str, options: Sequence[str] = ()) -> Method:
    """Return the method of that name, with its own settings from `name=value` texts. Raises InputError."""
    if name not in METHODS:
        raise InputError(f"no training method '{name}'; there are: {', '.join(sorted(METHODS))}")
    cls = METHODS[name]
    hints = typing.get_type_hints(cls)
    known = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    values = {}
    for text in options:
        key, _, value = text.partition("=")
        if key not in known:
            raise InputError(f"--method-options {text}: {name} has {', '.join(known) or 'no options'}")
        try:
            values[key] = known[key](value)
        except ValueError as error:
            raise InputError(f"--method-options {text}: no {known[key].__name__}") from error
    return cls(**values)
