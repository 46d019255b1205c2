"""What is wrong with the data, and messages that come twice, late or spoilt: refused, counted, named."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest
import torch
from runs import NO_REST, events, total_frames, weights

from asr.acoustic.examples import Block
from asr.acoustic.model import AcousticModel
from asr.kaldi.archives import read_matrices, write_matrices
from asr.training import methods
from asr.training.average import Average
from asr.training.dispatcher import Dispatcher
from asr.training.ledger import Ledger
from asr.training.messages import Push, Slots, WantLease
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer


def poison(folder, names, rows, value) -> None:
    """Put `value` into the given rows of some utterances, every one where `names` is empty."""
    path = folder / "train" / "feats.ark"
    features = dict(read_matrices(path))
    for name in names or features:
        features[name] = features[name].copy()
        features[name][rows] = value
    write_matrices(path, features.items())


#: lets values enter that are refused as no features, so that they come to the gradients
ANY_VALUE = ("change", "asr.features.reader.LARGEST", 1e39)


def simulated(launcher, folder, argv) -> tuple[int, str]:
    """Status and last line of a simulated run."""
    run = launcher.start([*argv, "--engine", "simulated", "--workers", "2"], folder, ANY_VALUE, one_core=True)
    run.wait()
    assert "Traceback" not in run.output
    return run.status, run.output.splitlines()[-1]


def test_gradients_of_a_poisoned_utterance_are_refused_and_counted(launcher, problem):
    """The largest float is finite; its normalised value and what a network makes of it are not."""
    folder, argv = problem
    poison(folder, ["train007", "train042"], slice(10, 14), 3e38)
    assert simulated(launcher, folder, argv)[0] == 0
    done = events(folder, "done")[0]
    assert done["refused"] == {"nonfinite": done["refused"]["nonfinite"]} and 4 <= done["refused"]["nonfinite"] <= 32
    assert 0 < done["frames_dropped"] <= 32 * done["refused"]["nonfinite"]
    assert done["frames_seen"] + done["frames_dropped"] == total_frames(folder)
    model = AcousticModel.load(folder / "model")
    assert all(torch.isfinite(value).all() for value in model.network.parameters()) and done["ce"] < 0.5


@pytest.mark.parametrize(
    ("minibatch", "what"), [("32", "20 gradients in a row"), ("2500", "all gradients of the pass")]
)
def test_nothing_but_poison_stops_the_run(launcher, problem, minibatch, what):
    folder, argv = problem
    poison(folder, [], slice(None), 3e38)
    status, line = simulated(launcher, folder, [*argv, "--minibatch", minibatch])
    assert status == 2 and line.startswith(f"{what} were not finite; the last ones among train0")
    assert line.endswith("lower --eta0, or look at their features")
    assert not (folder / "model" / "final.safetensors").exists()


def test_an_archive_with_a_nan_is_refused_by_name(launcher, problem):
    folder, argv = problem
    poison(folder, ["train042"], slice(3, 4), np.nan)
    status, line = simulated(launcher, folder, argv)
    assert status == 2 and line.startswith(f"{folder}/train: train042: the features of 1 of 100 aligned utterances ")
    assert line.endswith(f"{folder}/train/feats.ark: holds a NaN or an infinity")


def test_features_that_are_lost_in_the_middle_of_the_pass_are_not_missed(launcher, problem):
    """They were copied before the pass. A resumed run reads them again, and names what it cannot read."""
    folder, argv = problem
    argv += ["--workers", "1", "--checkpoint-s", "1e-9"]
    run = launcher.start(argv, folder, one_core=True)
    assert run.wait() == 0, run.output
    wanted = weights(folder)
    (folder / "model").rename(folder / "whole")
    path = folder / "train" / "feats.ark"
    features = path.read_bytes()

    run = launcher.start(argv, folder, NO_REST, ("remove_at", 20, str(path)), ("die_at", 400), one_core=True)
    assert run.wait() == -signal.SIGKILL and not path.exists(), run.output
    run = launcher.start(argv, folder, one_core=True)
    assert run.wait() == 2, run.output
    last = run.output.splitlines()[-1]
    assert last.startswith(f"{folder}/train: train000: the features of 100 of 100 aligned utterances cannot be used")
    path.write_bytes(features)
    run = launcher.start(argv, folder, one_core=True)
    assert run.wait() == 0 and "resumed at" in run.output, run.output
    assert weights(folder) == wanted


SIZE, FRAMES = 100, 4


class Post:
    """A dispatcher, and what has been sent to it. The gradient of push n depends on n alone."""

    def __init__(self, minibatches: int) -> None:
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(SIZE, generator=generator)
        schedule = Schedule(0.1, 10**6, end_ratio=3.0)
        average = Average(weights, 100, [0, 50, 200])
        method = methods.get("async-asgd")
        self.server = ParameterServer(weights, schedule, method, average, max_staleness=3)
        self.dispatcher = Dispatcher(self.server, lambda lease: ("a",))
        self.ledger = Ledger([Block(0, ("a",), FRAMES * minibatches)], FRAMES)
        self.dispatcher.begin(self.ledger)
        self.slots = {worker: torch.zeros(SIZE) for worker in range(4)}
        self.sequence = dict.fromkeys(self.slots, 0)
        self.sent: list[tuple[Push, torch.Tensor]] = []

    def send(self, push: Push, gradient: torch.Tensor) -> bool:
        """Whether it entered."""
        before = self.server.version
        self.dispatcher.join(push.worker, Slots(self.slots[push.worker], gradient))
        ((worker, _answer),) = self.dispatcher.handle(push)
        assert worker == push.worker
        self.sent.append((push, gradient))
        return self.server.version > before

    def fresh(self, rng: random.Random, gradient: torch.Tensor, version: int | None = None) -> bool:
        """A push on the next minibatch of a worker that has or can get one."""
        worker = rng.choice(range(3) if any(self.ledger.waiting.values()) else sorted(self.ledger.held))
        if worker not in self.ledger.held:
            self.dispatcher.join(worker, Slots(self.slots[worker], gradient))
            self.dispatcher.handle(WantLease(worker))
        self.sequence[worker] += 1
        version = self.server.version if version is None else version
        return self.send(Push(worker, self.sequence[worker], version, FRAMES, loss=1.0), gradient)

    def state(self) -> tuple:
        """What must not depend on refused pushes."""
        windows = [(window.start, window.k, window.weights.tolist()) for window in self.server.average.windows()]
        return self.server.weights.tolist(), self.server.averaged().tolist(), windows, self.server.version


def gradient_of(number: int) -> torch.Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(number))


@pytest.mark.parametrize("seed", range(5))
def test_messages_that_come_twice_late_or_spoilt_change_nothing(seed):
    rng, good = random.Random(seed), 500
    clean = Post(good)
    for number in range(good):
        assert clean.fresh(rng, gradient_of(number))
    rng = random.Random(seed)
    wild, kinds = random.Random(seed + 100), ("twice", "replay", "late", "old", "shape", "nan")
    spoilt = [wild.choice(kinds) if wild.random() < 0.1 else "" for _ in range(good)]
    dropped = sum(kind in ("old", "shape", "nan") for kind in spoilt)
    dirty = Post(good + dropped)
    for number, kind in enumerate(spoilt):
        if kind == "twice" and dirty.sent:
            assert not dirty.send(*dirty.sent[-1])
        elif kind == "replay" and dirty.sent:
            assert not dirty.send(*wild.choice(dirty.sent))
        elif kind == "late":  # of a worker whose lease was given to another
            assert not dirty.send(Push(3, number + 1, dirty.server.version, FRAMES), torch.ones(SIZE))
        elif kind == "old":
            assert not dirty.fresh(wild, torch.ones(SIZE), version=dirty.server.version - 4)
        elif kind == "shape":
            assert not dirty.fresh(wild, torch.ones(SIZE - 1))
        elif kind == "nan":
            assert not dirty.fresh(wild, torch.where(torch.arange(SIZE) == wild.randrange(SIZE), torch.nan, 0.0))
        assert dirty.fresh(rng, gradient_of(number))
    assert dirty.state() == clean.state()
    assert dirty.ledger.complete and clean.ledger.complete
    assert (dirty.ledger.applied, dirty.ledger.dropped) == (good * FRAMES, dropped * FRAMES)
    assert sum(dirty.server.refused.values()) == sum(map(bool, spoilt)) and len(dirty.server.refused) == 5
