"""What is compared: systems, each with the grid that it is tuned on, and networks.

A system is a method of asr/training/methods. eta0 is tuned for all that have one:
the grid begins at `eta0` and goes on by factors of 2 on both sides until it gets worse. `grid` has the values of
other options; the first is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Options = dict[str, str]


@dataclass(frozen=True)
class System:
    """name: in files; title: in the table; grid: of options of `asr train`, without the dashes; eta0: None: none.

    fixed: options that are not tuned; like: the system whose tuned options it takes, None: it is tuned itself.
    """

    name: str
    title: str
    method: str
    eta0: float | None = 0.2
    grid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    like: str | None = None


#: by the paper: one pass with the average, against passes of asynchronous SGD by newbob
ONE = System("one-pass", "one pass, averaged (async-asgd)", "async-asgd", grid={"end-ratio": ("1", "3")})
NEWBOB = System("newbob", "many passes, newbob (async-sgd)", "async-sgd", eta0=0.1)
#: what one would do today: the rate is planned for all passes; averaged, or straight down to zero
MANY = System(
    "many-averaged",
    "many passes, averaged (async-asgd)",
    "async-asgd",
    grid={"passes": ("2", "4", "8"), "end-ratio": ("1", "10")},
)
LINEAR = System(
    "many-linear", "many passes, rate to zero (linear-decay)", "linear-decay", grid={"passes": ("2", "4", "8")}
)
OTHERS = (
    System("asgd", "one pass, averaged, one worker", "asgd"),
    System("linear-decay", "one pass, rate to zero", "linear-decay"),
    System("sync-sgd", "one pass, synchronous, averaged", "sync-sgd"),
    System("sgd", "many passes, newbob, one worker", "sgd", eta0=0.1),
    System(
        "schedule-free",
        "one pass, schedule-free",
        "schedule-free",
        eta0=0.1,
        grid={"method-options": ("beta=0.9", "beta=0.98")},
    ),
    System(
        "easgd",
        "one pass, elastic averaging",
        "easgd",
        grid={"method-options": ("period=4", "period=1", "period=16")},
    ),
    System(
        "dc-asgd",
        "one pass, delay-compensated",
        "dc-asgd",
        eta0=0.1,
        grid={"method-options": ("dc_lambda0=2", "dc_lambda0=0.5")},
    ),
    System(
        "lc-asgd",
        "one pass, loss-compensated",
        "lc-asgd",
        eta0=0.1,
        grid={"method-options": ("lc_lambda=1", "lc_lambda=0.3")},
    ),
    System("isgd", "one pass, inconsistent SGD", "isgd", eta0=0.1),
    System(
        "accumulate",
        "one pass, accumulated gradients",
        "accumulate",
        eta0=0.1,
        grid={"method-options": ("minibatches=4", "minibatches=2")},
    ),
    System("lbfgs", "whole data, L-BFGS", "lbfgs", eta0=None, grid={"method-options": ("history=10", "history=30")}),
    System(
        "hessian-free",
        "whole data, Hessian-free",
        "hessian-free",
        eta0=None,
        grid={"method-options": ("damping=1", "damping=0.3")},
    ),
)
#: one pass by any number of workers, whose time is simulated
STALE = tuple(
    System(
        f"workers-{workers}",
        f"one pass, {workers} simulated workers",
        ONE.method,
        fixed={"engine": "simulated", "workers": str(workers)},
        like=ONE.name,
    )
    for workers in (1, 2, 4, 8, 16, 32, 64)
)
SYSTEMS = {system.name: system for system in (ONE, NEWBOB, MANY, LINEAR, *OTHERS, *STALE)}


@dataclass(frozen=True)
class Network:
    """width: over that of the rules for the hours; options: of `asr train`."""

    name: str
    width: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)


NETWORKS = {
    network.name: network
    for network in (
        Network("default"),
        Network("half", 0.5),
        Network("double", 2.0),
        # the paper's conditions
        Network(
            "sigmoid",
            options={"activation": "sigmoid", "layer-norm": "false", "natural-gradient": "off", "max-norm": "0"},
        ),
    )
}
