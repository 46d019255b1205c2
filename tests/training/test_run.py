"""The train verb with real worker processes on a small problem."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from asr.acoustic.model import AcousticModel
from asr.acoustic.network import build, flatten
from asr.cli import main
from asr.command.resolve import resolve
from asr.features.reader import FeatureReader
from asr.kaldi.archives import read_int_vectors
from asr.training.materials import gather
from asr.training.messages import Lease
from asr.training.plan import decide
from asr.training.settings import Settings


def events(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "model" / "log" / "train.jsonl").read_text().splitlines()]


def weights(folder) -> bytes:
    return (folder / "model" / "final.safetensors").read_bytes() + (folder / "model" / "raw.safetensors").read_bytes()


@pytest.mark.parametrize("layer_norm", ["true", "false"])
def test_two_workers_learn_in_one_pass(problem, layer_norm):
    folder, argv = problem
    assert main([*argv, "--workers", "2", "--layer-norm", layer_norm]) == 0
    model = AcousticModel.load(folder / "model")
    reader = FeatureReader(folder / "dev", model.config["features"])
    wanted = dict(read_int_vectors(folder / "ali" / "pdf.ark"))
    right = [np.mean(model.log_likelihoods(reader[key]).argmax(axis=1) == wanted[key]) for key in reader]
    assert np.mean(right) > 0.85
    done = events(folder)[-1]
    total = sum(len(vector) for key, vector in wanted.items() if key.startswith("train"))
    assert done["event"] == "done" and done["frames_seen"] == total and done["frames_dropped"] == 0
    assert set(done["spent"]) == {"data", "heldout", "windows"}
    assert sum(done["spent"][part]["seconds"] for part in ("heldout", "windows")) < done["seconds"]
    assert sum(done["staleness_histogram"]) == done["pushes"]
    stale = sum(place * count for place, count in enumerate(done["staleness_histogram"]))
    assert stale / done["pushes"] < 2  # one other worker: about one push in between
    heldout = [event for event in events(folder) if event["event"] == "heldout"]
    assert heldout[0]["frames"] == 0 and heldout[-1]["ce_average"] < 0.5 < heldout[0]["ce_average"]
    assert not list((folder / "model" / "log").glob("checkpoint-*"))


def test_several_passes_are_one_long_pass_each_in_an_order_of_its_own(problem):
    """The rate and the averaging windows stretch over all passes; every frame enters once in each."""
    folder, argv = problem
    argv += ["--engine", "simulated", "--workers", "1", "--warmup", "0", "--eta0", "0.2", "--end-ratio", "16"]
    assert main([*argv, "--passes", "2", "--decay-power", "1", "--evaluations", "2"]) == 0
    seen = events(folder)
    start, windows, done = seen[0], seen[-2], seen[-1]
    total = start["total_frames"]
    assert (done["passes"], done["frames_seen"], done["frames_dropped"]) == (2, 2 * total, 0)
    heldout = {event["frames"]: event for event in seen if event["event"] == "heldout"}
    half, end = heldout[total], heldout[2 * total]
    assert (half["pass"], end["pass"]) == (0, 1)
    # eta(n) = eta0 / (1 + 15 n / 2N): of the last push of each pass, nearly
    assert half["eta"] == pytest.approx(0.2 / 8.5, rel=0.02) and end["eta"] == pytest.approx(0.2 / 16, rel=0.02)
    starts = [window["from"] for window in windows["windows"]]
    assert max(starts[1:]) == pytest.approx(0.95, abs=1e-3) and min(starts) == 0
    reader = gather(decide(resolve(Settings, "train", argv[1:], ""))).data.open()
    first, second = (next(reader.batches(Lease(pass_, 0, 0, 1))).inputs for pass_ in (0, 1))
    assert not torch.equal(first, second)


def test_the_report_has_the_figures_of_the_terminal_and_the_log(problem, capsys):
    """One value of each figure: what train says at its end, what the log's summary holds, what the page shows."""
    folder, argv = problem
    # a rate that stays high, so that an average is the best
    high = ["--eta0", "1.0", "--end-ratio", "1", "--average-from", "0.9"]
    assert main([*argv, "--engine", "simulated", "--workers", "2", *high]) == 0
    said = capsys.readouterr().out.splitlines()
    assert main(["report", "--exp", str(folder), "--model", str(folder / "model")]) == 0
    page = (folder / "model" / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub("<[^>]+>", " ", re.sub("<svg.*?</svg>", "", page, flags=re.DOTALL)).split())
    *_, windows, done = events(folder)
    shown = re.fullmatch(
        r"train: done in (.+); frames seen ([\d,]+), repeated ([\d,]+), dropped ([\d,]+); pushes ([\d,]+); "
        r"on ([\d,]+) held-out frames cross-entropy ([\d.]+), accuracy ([\d.]+) %",
        said[-1],
    )
    time, seen, repeated, dropped, pushes, heldout, ce, accuracy = shown.groups()
    for name, figure in (("frames_seen", seen), ("pushes", pushes), ("heldout_frames", heldout)):
        assert f"{done[name]:,}" == figure
    for fact in (
        f"frames seen {seen} ",
        f"frames repeated {repeated} frames dropped {dropped} pushes {pushes} ",
        f"training time {time} ",
        f"The final weights have cross-entropy {ce} on all {heldout} held-out frames, {accuracy} % of them right.",
        f"The network saw {seen} frames in one pass, in {time}.",
    ):
        assert fact in text, fact
    # the average: what is chosen at the end is not the one that is shown from --average-from on
    average = re.fullmatch(
        r"train: averaged from (\d+) % of the pass on \(([\d,]+) pushes\): held-out cross-entropy ([\d.]+); "
        r"raw weights ([\d.]+)",
        said[-2],
    )
    share, averaged, lowest, raw = average.groups()
    assert int(share) < 90 and f"{done['averaged_pushes']:,}" == averaged == f"{windows['chosen']['pushes']:,}"
    assert lowest == ce and f"pushes averaged {averaged} " in text
    assert (
        f"the one from {share} % of the pass on, of {averaged} pushes, was the best with cross-entropy {ce}" in text
    )
    assert f"raw weights: {raw})" in text
    start = events(folder)[0]
    weights_said = next(line for line in said if " M weights, " in line)
    assert (
        f"{start['weights'] / 1e6:.2f} M weights" in weights_said
        and f"{start['weights'] / 1e6:.2f} M weights" in text
    )
    assert start["machine"]["cores"] >= 1 and "Machine not recorded" not in text


def test_what_came_too_late_is_computed_again(problem):
    """Simulated workers: one is late for certain, where a real one may end the pass before the other is up."""
    folder, argv = problem
    assert main([*argv, "--engine", "simulated", "--workers", "2", "--max-staleness", "0"]) == 0
    done = events(folder)[-1]
    total = sum(len(v) for key, v in read_int_vectors(folder / "ali" / "pdf.ark") if key.startswith("train"))
    assert done["refused"]["stale"] > 0 and len(done["staleness_histogram"]) == 1
    assert done["frames_seen"] + done["frames_dropped"] == total
    assert done["frames_dropped"] < 0.7 * total


def test_one_worker_is_repeatable_and_a_second_run_is_skipped(problem, capsys):
    folder, argv = problem
    assert main([*argv, "--workers", "1"]) == 0
    first = weights(folder)
    capsys.readouterr()
    assert main([*argv, "--workers", "1"]) == 0
    assert capsys.readouterr().out == "train: up to date\n"
    assert main([*argv, "--workers", "1", "--force"]) == 0
    assert weights(folder) == first
    assert main([*argv, "--workers", "1", "--seed", "2"]) == 0
    assert weights(folder) != first


def test_dropout_is_repeatable(problem):
    folder, argv = problem
    argv = [*argv, "--dropout", "0.3", "--workers", "1"]
    runs = []
    for more in ([], ["--force"], ["--dropout", "0"]):
        assert main([*argv, *more]) == 0
        runs.append(weights(folder))
    assert runs[0] == runs[1] != runs[2]


def test_dropout_leaves_the_same_units_out_of_a_minibatch_whenever_it_is_computed(problem):
    _folder, argv = problem
    settings = resolve(Settings, "train", [*argv[1:], "--dropout", "0.3", "--layers", "2", "--minibatch", "100"], "")
    job = gather(decide(settings)).job
    start = flatten(build(job.network, seed=1))

    def gradients(lease: Lease, times: int) -> list[torch.Tensor]:
        objective, gradient = job.open(), torch.zeros_like(start)
        objective.bind(start.clone(), gradient)
        found = []
        for batch in objective.batches(lease):
            for _ in range(times):
                objective.gradient(batch)
            found.append(gradient.clone())
        return found

    first, second, third, *_ = gradients(Lease(0, 0, 0, 5), 1)
    assert torch.equal(gradients(Lease(0, 0, 1, 2), 3)[0], second)
    assert torch.equal(gradients(Lease(0, 0, 2, 4), 1)[0], third)
    assert not torch.equal(first, second)


def test_without_dev_alignments_a_slice_of_train_is_kept_out(problem, capsys):
    folder, argv = problem
    place = argv.index("--dev-data")
    assert main([*argv[:place], *argv[place + 2 :], "--workers", "1", "--heldout-fraction", "0.1"]) == 0
    total = sum(len(v) for key, v in read_int_vectors(folder / "ali" / "pdf.ark") if key.startswith("train"))
    assert 0.8 * total < events(folder)[-1]["frames_seen"] < total


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--eta0", "0"), "train: --eta0 is 0; it must be above 0, or auto"),
        (("--dropout", "1"), "train: --dropout is 1; it must be at least 0 and below 1, or auto"),
        (("--dropout", "some"), "train: --dropout is some; it must be at least 0 and below 1, or auto"),
        (("--eta0", "nan"), "train: --eta0 is nan; it must be above 0, or auto"),
        (("--average-from", "1"), "--average-from: '1' is not less than 1"),
        (("--minibatch", "-1"), "--minibatch: '-1' is less than 0"),
        (("--end-ratio", "0.5"), "train: --end-ratio is 0.5; it must be at least 1, or auto"),
        (("--method-options", "x=1"), "--method-options x=1: async-asgd has no options"),
        (
            ("--passes", "2", "--method", "async-sgd"),
            "train: --passes is 2; it must be 1 for async-sgd, whose passes --max-passes limits",
        ),
    ],
)
def test_wrong_settings(problem, refused, option, message):
    folder, argv = problem
    assert refused([*argv, *option]) == message
    assert not (folder / "model" / "final.safetensors").exists()


def test_missing_alignment_folder(problem, refused):
    folder, argv = problem
    (folder / "ali" / "pdf.ark").unlink()
    line = f"{folder}/ali/pdf.ark: cannot be read: No such file or directory"
    assert refused(argv) == f"{line}; stage 4 (asr align) makes it: run it first"


def test_truncated_features_end_the_run_with_one_line(problem, refused):
    folder, argv = problem
    path = folder / "train" / "feats.ark"
    path.write_bytes(path.read_bytes()[:-100])
    line = refused([*argv, "--workers", "1"])
    assert "train099: " in line and line.endswith("the file ends in the middle of this entry")


def test_dev_must_not_be_of_the_training_set(problem, refused):
    folder, argv = problem
    argv[argv.index("--dev-data") + 1] = str(folder / "train")
    assert refused(argv).startswith(f"{folder / 'train'}: train0")
    assert refused(argv).endswith("is in the training set too: nothing is held out")


def test_a_network_survives_a_rate_at_its_edge(problem):
    """Without a limit on pushes this run ends with a dead network: cross-entropy 1.385, as of four equal classes."""
    folder, argv = problem
    assert main([*argv, "--layers", "4", "--width", "64", "--workers", "1", "--eta0", "1"]) == 0
    done = json.loads((folder / "model/log/train.jsonl").read_text("utf-8").splitlines()[-1])
    assert done["ce"] < 0.1 and done["clipped"] > 0


def test_a_rate_that_is_far_too_high_stops_the_run_and_names_utterances(problem, refused):
    _, argv = problem
    line = refused([*argv, "--workers", "1", "--eta0", "1e30", "--warmup", "0"])
    assert "20 gradients in a row were not finite" in line and "train0" in line and "--eta0" in line
