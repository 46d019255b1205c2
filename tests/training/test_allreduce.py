"""Ranks in step: the arithmetic against one process, every frame once, ranks that die, and what is left behind."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from regression import SIZE, RegressionJob

from asr.cli import main
from asr.errors import InputError
from asr.kaldi.archives import read_int_vectors, read_matrices, write_int_vectors, write_matrices
from asr.tables import write_table
from asr.training import methods
from asr.training.average import Average
from asr.training.desk import Desk
from asr.training.engines.allreduce import AllReduceEngine
from asr.training.engines.ranks import Pass
from asr.training.ledger import Lease, Ledger
from asr.training.schedule import Schedule
from asr.training.server import ParameterServer, Push

sys.path.append(str(Path(__file__).parents[1] / "faults"))
from runs import Launcher, events, total_frames, wait_for, weights

#: three blocks; their minibatches of at most 16 frames are no multiple of two or three ranks
BLOCKS = (16 * 11, 16 * 7 + 5, 16 * 19)


def parts(job: RegressionJob, ledger: Ledger, on_push=lambda *_: None) -> Desk:
    """A desk with a fresh server."""
    start, method = torch.linspace(-1, 1, SIZE), methods.get("sync-sgd")
    average = Average(start, ledger.total // 2)
    server = ParameterServer(start, Schedule(0.05, ledger.total, 3.0), method, average)
    return Desk(server, job, on_push=on_push)


def by_hand(job: RegressionJob, ranks: int) -> ParameterServer:
    """The same steps in a loop: the frames' mean gradient of every `ranks` minibatches of the pass, in order."""
    ledger = job.ledger()
    server = parts(job, ledger).server
    objective, gradient = job.open(), torch.zeros(SIZE)
    objective.bind(server.weights, gradient)
    order = [
        batch for block, sizes in ledger.sizes.items() for batch in objective.batches(Lease(0, block, 0, len(sizes)))
    ]
    for sequence, first in enumerate(range(0, len(order), ranks), 1):
        total, frames = torch.zeros(SIZE), 0
        for batch in order[first : first + ranks]:
            loss = objective.gradient(batch)
            total += loss.frames * gradient
            frames += loss.frames
        server.apply(Push(0, sequence, server.version, frames, total / frames))
    return server


def close(one: ParameterServer, other: ParameterServer) -> None:
    torch.testing.assert_close(one.weights, other.weights, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.averaged(), other.averaged(), rtol=1e-4, atol=1e-5)
    assert (one.version, one.frames, one.average.count) == (other.version, other.frames, other.average.count)


# ---- who has which minibatch


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_rank_r_has_every_minibatch_i_n_plus_r_wherever_a_checkpoint_was(ranks):
    ledger = Ledger(RegressionJob(BLOCKS, 16).ledger().blocks, 16, lease_minibatches=4)
    for _ in range(6):
        lease = ledger.held.get(0) or ledger.take(0)
        ledger.count(0, 1, ledger.sizes[lease.block][lease.first], applied=True)
    task = Pass.of(ledger, parts(RegressionJob(BLOCKS, 16), ledger).server)
    assert task.left == [(0, 6, 11), (1, 0, 8), (2, 0, 19)]
    order = [(block, number) for block, first, stop in task.left for number in range(first, stop)]
    assert task.minibatches == len(order)
    for rank in range(ranks):
        leases = list(task.leases(rank, ranks))
        mine = [(lease.block, n) for lease in leases for n in range(lease.first, lease.stop, lease.step)]
        assert mine == order[rank::ranks]
        assert [lease.ahead for lease in leases if lease.block == 1][-1:] in ([2], [])


# ---- the arithmetic


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_as_a_loop_over_the_same_steps_and_every_frame_once(ranks):
    """The last step of three ranks has two minibatches."""
    job = RegressionJob(BLOCKS, 16)
    ledger, seen = job.ledger(), []
    desk = parts(job, ledger, lambda loss, right, frames: seen.append((loss, right, frames)))
    with AllReduceEngine(desk, job, workers=ranks, timeout_s=60) as engine:
        engine.run(ledger)
    ledger.check()
    assert ledger.applied == ledger.total == sum(frames for _, _, frames in seen) == sum(BLOCKS)
    assert len(seen) == -(-38 // ranks)
    assert all(loss > 0 and 0 <= right <= frames <= 16 * ranks for loss, right, frames in seen)
    assert set(desk.server.staleness) == {0} and not desk.server.refused
    close(desk.server, by_hand(job, ranks))


def test_two_ranks_are_one_with_twice_the_minibatch():
    """Where that is the same frames: blocks of a multiple of 32."""
    servers = []
    for ranks, minibatch in ((2, 16), (1, 32)):
        job = RegressionJob((320, 640, 64), minibatch)
        ledger = job.ledger()
        desk = parts(job, ledger)
        with AllReduceEngine(desk, job, workers=ranks, timeout_s=60) as engine:
            engine.run(ledger)
        servers.append(desk.server)
    close(*servers)
    close(servers[0], by_hand(job, 1))


def test_several_passes_and_no_pass_at_all(capsys):
    """Ranks stay between passes, and take over what the server has become meanwhile."""
    job = RegressionJob(BLOCKS, 16)
    desk = parts(job, job.ledger())
    with AllReduceEngine(desk, job, workers=2, timeout_s=60) as engine:
        engine.run(job.ledger())
        first = [member.process.pid for member in engine.members]
        desk.server.weights.zero_()
        desk.server.schedule = dataclasses.replace(desk.server.schedule, eta0=0.01)
        engine.run(job.ledger())
        assert [member.process.pid for member in engine.members] == first
    assert desk.server.frames == 2 * sum(BLOCKS)
    assert capsys.readouterr().err == "", "the other rank has the same weights in the end"
    finished = job.ledger()
    finished.waiting.clear()
    with AllReduceEngine(desk, job, workers=2, timeout_s=60) as engine:
        engine.run(finished)
        assert engine.members == [], "nobody is started for nothing"


def test_threads_are_shared_out_and_given_back(monkeypatch):
    job = RegressionJob((64,), 16, threads=2)
    before = torch.get_num_threads()
    with AllReduceEngine(parts(job, job.ledger()), job, workers=1) as _engine:
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
    assert torch.get_num_threads() == before


# ---- ranks that fail


#: number 11 + 8 + 7 = 26 of the pass is rank 2's, of three
AT = (2, 7)


def fail(fate: str, at=AT, ranks=3, timeout_s=60.0) -> tuple[Ledger, Desk]:
    """Three ranks (or so), one of which meets its fate in the middle of the last block."""
    job = RegressionJob(BLOCKS, 16, fate, at, os.getpid())
    ledger = job.ledger()
    desk = parts(job, ledger)
    with AllReduceEngine(desk, job, workers=ranks, timeout_s=timeout_s) as engine:
        engine.run(ledger)
    return ledger, desk


@pytest.mark.parametrize(
    ("fate", "timeout_s", "message"),
    [
        ("killed", 60.0, r"^rank 2 was killed by SIGKILL \(out of memory\?\): ranks in step can do without none"),
        ("stopped", 3.0, r"^rank 2 was silent for 3 s: ranks in step can do without none"),
        ("fault", 60.0, r"(?s)^rank 2: .*ZeroDivisionError: a rank's own fault"),
    ],
)
def test_a_rank_that_is_lost_ends_the_run_by_name(fate, timeout_s, message):
    with pytest.raises(RuntimeError, match=message):
        fail(fate, timeout_s=timeout_s)
    assert multiprocessing.active_children() == []


def test_bad_data_is_bad_input_whichever_rank_meets_it():
    with pytest.raises(InputError, match=r"feats\.ark: utt7: cut short"):
        fail("bad data")


def test_a_slow_rank_is_waited_for():
    ledger, desk = fail("slow")
    assert ledger.complete and desk.server.frames == sum(BLOCKS)


def test_gradients_that_are_not_finite_end_it_with_the_names(monkeypatch):
    monkeypatch.setattr("asr.training.desk.MAX_NONFINITE", 3)
    with pytest.raises(InputError, match="3 gradients in a row were not finite; the last ones among utterance 2"):
        fail("nan", (2, 8), ranks=2)


def test_a_replica_that_went_astray_is_told_of(capsys):
    job = RegressionJob(BLOCKS, 16)
    desk = parts(job, job.ledger())
    with AllReduceEngine(desk, job, workers=2, timeout_s=60) as engine:
        engine.run(job.ledger())
        assert capsys.readouterr().err == ""
        engine.me.digest = lambda: "another"
        engine.run(job.ledger())
    assert "rank 1 ended the pass with other weights than rank 0" in capsys.readouterr().err


# ---- the verb


@pytest.fixture
def even(problem):
    """The small problem with utterances of a multiple of 32 frames."""
    folder, argv = problem
    vectors = dict(read_int_vectors(folder / "ali" / "pdf.ark"))
    for name in ("train", "dev"):
        data = folder / name
        features = {key: matrix[: len(matrix) // 32 * 32] for key, matrix in read_matrices(data / "feats.ark")}
        write_matrices(data / "feats.ark", features.items(), scp=data / "feats.scp")
        write_table(data / "utt2num_frames", {key: str(len(matrix)) for key, matrix in features.items()})
        vectors |= {key: vectors[key][: len(matrix)] for key, matrix in features.items()}
    write_int_vectors(folder / "ali" / "pdf.ark", vectors.items())
    return folder, argv


def tensors(folder) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model" / "raw.safetensors")


def test_the_verb_with_two_ranks_as_with_one_and_twice_the_minibatch(even):
    folder, argv = even
    place = argv.index("--minibatch") + 1
    found = []
    for ranks, minibatch in (("2", "16"), ("1", "32")):
        argv[place] = minibatch
        assert main([*argv, "--method", "sync-sgd", "--workers", ranks, "--force"]) == 0
        done = events(folder, "done")[0]
        assert done["frames_seen"] == total_frames(folder) and done["pushes"] == total_frames(folder) // 32
        found.append((done, tensors(folder)))
    (two, ours), (one, theirs) = found
    assert two["ce"] == pytest.approx(one["ce"], abs=1e-3) and two["ce"] < 0.1
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-4)


def test_three_ranks_see_every_frame_once_and_are_repeatable(problem, capsys):
    folder, argv = problem
    found = []
    for _ in range(2):
        assert main([*argv, "--method", "sync-sgd", "--workers", "3", "--force"]) == 0
        done = events(folder, "done")[0]
        assert done["frames_seen"] == total_frames(folder)
        assert done["frames_dropped"] == done["frames_repeated"] == 0 and done["staleness_histogram"] == [
            done["pushes"]
        ]
        assert done["ce"] < 0.2
        found.append(weights(folder))
    assert found[0] == found[1]
    assert "warning" not in capsys.readouterr().err


def test_eta0_auto_is_found_for_the_minibatch_of_all_ranks(problem):
    folder, argv = problem
    assert main([*argv, "--method", "sync-sgd", "--workers", "2", "--eta0", "auto"]) == 0
    assert events(folder, "done")[0]["ce"] < 0.1


def test_wrong_settings(problem, refused):
    _folder, argv = problem
    argv = [*argv, "--method", "sync-sgd"]
    rest = ": sync-sgd has its own engine, which is for CPUs: leave it out"
    assert refused([*argv, "--engine", "simulated"]) == "--engine simulated" + rest
    assert refused([*argv, "--device", "cuda"]) == "--device cuda" + rest


def test_truncated_features_end_the_run_with_one_line(problem, refused):
    folder, argv = problem
    path = folder / "train" / "feats.ark"
    path.write_bytes(path.read_bytes()[:-100])
    line = refused([*argv, "--method", "sync-sgd", "--workers", "2"])
    assert line.startswith(f"{folder}/train: train099: the features of 1 of 100 aligned utterances ")
    assert line.endswith(f"{path}: the file ends in the middle of this entry")


# ---- killed


@pytest.fixture(scope="module")
def launcher():
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def slow(problem):
    """The problem with so small a minibatch that there is time to interfere."""
    folder, argv = problem
    argv[argv.index("--minibatch") + 1] = "4"
    argv += ["--method", "sync-sgd", "--workers", "2", "--evaluations", "20", "--checkpoint-s", "0.05"]
    return folder, [*argv, "--eta0", "0.05"]


def test_a_killed_rank_is_exit_status_1_and_the_same_command_resumes_to_the_same_bits(slow, launcher):
    folder, argv = slow
    run = launcher.start(argv, folder)
    assert run.wait() == 0, run.output
    wanted = weights(folder)
    (folder / "model" / ".done.train.json").unlink()
    (folder / "model" / "log" / "train.jsonl").unlink()
    rest = ("change", "asr.training.trainer.CHECKPOINT_REST", 0)
    run = launcher.start(argv, folder, rest)
    wait_for(lambda: run.frames() > total_frames(folder) // 4, run=run)
    os.kill(run.workers()[0], signal.SIGKILL)
    assert run.wait() == 1
    assert "rank 1 was killed by SIGKILL (out of memory?): ranks in step can do without none" in run.output
    wait_for(lambda: not run.members())
    run = launcher.start(argv, folder)
    assert run.wait() == 0, run.output
    assert "resumed at" in run.output
    assert weights(folder) == wanted


def listening(pids: list[int]) -> set[str]:
    """Addresses at which processes listen, as /proc/net has them."""
    inodes = set()
    for pid in pids:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(path)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def test_a_killed_parent_takes_its_ranks_along_and_leaves_nothing(slow, launcher):
    folder, argv = slow
    before = {place: set(os.listdir(place)) for place in ("/dev/shm", tempfile.gettempdir())}
    run = launcher.start(argv, folder)
    wait_for(lambda: run.frames() > 0, run=run)
    ranks = run.workers()
    assert len(ranks) == 1
    found = listening([run.pid, *ranks])
    assert found == {"0100007F"}, "127.0.0.1 alone"
    run.kill(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    wait_for(lambda: not run.members())
    for place, names in before.items():
        left = {name for name in set(os.listdir(place)) - names if not name.startswith("pytest")}
        assert not {name for name in left if "torch" in name or "gloo" in name or "c10d" in name}


def test_an_interrupt_ends_all_ranks(slow, launcher):
    folder, argv = slow
    run = launcher.start(argv, folder)
    wait_for(lambda: run.frames() > 0, run=run)
    run.kill(signal.SIGINT, group=True)
    assert run.wait() == 130, run.output
    assert "Traceback" not in run.output
    wait_for(lambda: not run.members())
