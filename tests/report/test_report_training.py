"""The report of a training log: every kind of event by hand; any part of it missing, damaged or cut."""

from __future__ import annotations

import copy
import json
import math
import re

import pytest
from report_pages import check

from asr.report.one_pass import pass_figures
from asr.report.page import fill
from asr.report.recorded import number
from asr.report.training import Training
from asr.report.training_events import TrainingEvents, read_training_events

LAYERS = [[0.0, 0.0, 0.0], [0.125, 0.25, 0.0], [0.25, 0.75, 0.0], [0.25, 0.5, 0.0]]


def one_pass() -> list[dict]:
    """Return a log of `--eta0 auto` and async-asgd that holds every event."""
    rates = ((0.1, 4.5), (0.2, 4.0), (0.4, math.nan))
    events = [{"event": "eta0", "frames": 0, "eta0": eta0, "ce": ce, "probe_frames": 12800} for eta0, ce in rates]
    events += [{"event": "start", "frames": 0, "total_frames": 90000, "workers": 3, "eta0": 0.2}]
    for place, idle in enumerate(LAYERS):
        frames = 30000 * place
        if place:
            events.append(
                {
                    "event": "progress",
                    "frames": frames,
                    "pass": 0,
                    "frames_per_s": 1000.0 * place,
                    "train_ce": 3.5 - place / 2,
                    "gradient_norm_mean": 8.0 / place,
                    "eta": 0.2,
                    "refused": {"stale": place},
                }
            )
        events.append(
            {
                "event": "heldout",
                "frames": frames,
                "pass": 0,
                "ce_raw": 5.0 - place,
                "ce_average": 5.0 - place - (0.25 if place == 3 else 0),
                "accuracy_raw": 0.1 + 0.1 * place,
                "accuracy_average": 0.1 + 0.1 * place,
                "eta": 0.2 / (1 + place),
                "idle_units": idle,
                "heldout_frames": 512,
            }
        )
    windows = [(1.0, 0, 2.125), (0.75, 100, 2.0), (0.5, 200, 1.8125), (0.25, 300, 1.9375)]
    found = [{"from": start, "pushes": pushes, "ce": ce} for start, pushes, ce in windows]
    events.append({"event": "windows", "frames": 90000, "windows": found, "chosen": found[2]})
    done = {
        "seconds": 75.0,
        "cpu_s": 200.0,
        "passes": 1,
        "frames_seen": 89000,
        "frames_dropped": 1000,
        "frames_repeated": 512,
        "restarts": 1,
        "checkpoints_s": 2.5,
        "averaged_pushes": 150,
        "pushes": 396,
        "clipped": 7,
        "staleness_histogram": [96, 200, 100],
        "refused": {"stale": 3, "nonfinite": 1, "duplicate": 0},
        "ce": 1.8125,
        "accuracy": 0.5,
    }
    return [*events, {"event": "done", "frames": 89000, **done}]


def newbob() -> list[dict]:
    """Return a log of async-sgd in three passes: the second was undone, the run was resumed in the third."""
    events: list[dict] = [{"event": "start", "frames": 0, "workers": 2, "eta0": 0.2}]
    for place, (ce, kept) in enumerate(((3.0, True), (3.5, False), (2.5, True))):
        frames = 1000 * (place + 1)
        if place == 2:
            events.append({"event": "resumed", "frames": 2000, "lost_frames": 300})
        figures = {"ce_raw": ce, "ce_average": ce, "eta": 0.2, "idle_units": [0.0, 0.0]}
        events.append({"event": "heldout", "frames": frames, "pass": place, **figures})
        seconds = 10.0 * (place + 1) ** 2
        events.append(
            {"event": "pass", "frames": frames, "pass": place, "ce": ce, "accuracy": 0.25, "eta": 0.2, "kept": kept}
            | {"seconds": seconds}
        )
    done = {"frames_seen": 3000, "frames_dropped": 0, "frames_repeated": 0, "passes": 3, "staleness_histogram": [30]}
    return [*events, {"event": "done", "frames": 3000, "refused": {}, **done}]


def read(tmp_path, log: list[dict] | bytes) -> TrainingEvents:
    path = tmp_path / "train.jsonl"
    path.write_bytes(log if isinstance(log, bytes) else "".join(json.dumps(item) + "\n" for item in log).encode())
    faults: list[str] = []
    events = read_training_events(path, faults)
    assert faults == [] and events is not None
    return events


def page(events: TrainingEvents) -> str:
    return fill("training.html", training=Training.of(events))


def test_every_event_of_one_pass_is_on_the_page(tmp_path):
    html = page(read(tmp_path, one_pass()))
    text = check(html)
    names = set(re.findall(r'id="([a-z]+)-', html))
    assert {"ce", "accuracy", "eta", "gradients", "idle", "staleness", "windows"} <= names
    assert html.count("<svg") == 7
    # learning curves: where they begin and end, for those who do not see them
    assert "raw weights from 5.000 to 2.000; averaged weights from 5.000 to 1.750" in html
    assert "training frames before the network learns from them, 2.000" in text
    assert "0.250 nats better than the raw ones. Every point is of the same 512 held-out frames." in text
    assert "The final weights have cross-entropy 1.8125 on all held-out frames, 50.00 % of them right." in text
    # the pass
    for fact in (
        "frames seen 89,000",
        "frames repeated 512",
        "frames dropped 1,000",
        "pushes 396",
        "pushes averaged 200",
        "pushes clipped 7",
        "workers replaced 1",
        "workers 3",
        "time 1 min 15 s",
        "processor time 3 min 20 s",
        "time for checkpoints 2.5 s",
        "frames a second, median 2,000",
        "mean staleness 1.01 pushes",  # (200 + 2 · 100) / 396
        "most staleness 2 pushes",
    ):
        assert fact in text
    assert "512 frames were computed or applied more than once; 1,000 (1.11 %) never entered the weights" in text
    assert "the server refused: too stale 3, not finite 1; 1.0 % of all." in text  # 4 of 400
    assert "from 8 to 2.667, at most 8" in html and "from 0.2 to 0.05, at most 0.2" in html
    # idle units: layer 2 passes half at 60,000 frames; a half of layer 2 at the end does not count
    assert "in hidden layer 2 (up to 75 %) from 60,000 frames on; at the end up to 50 %" in text
    assert "at the end layer 1 25.0 %, layer 2 50.0 %, layer 3 0.0 %" in html
    # the average, and the rate
    assert "the averages from 3 points of it to its end were tried" in text
    assert "the one from 50 % of the pass on, of 200 pushes, was the best with cross-entropy 1.8125" in text
    assert "(raw weights: 2.1250) and is decoded" in text
    assert "short runs of 12,800 frames each" in text
    assert "0.1 4.5000 0.2 4.0000 chosen 0.4 diverged" in text


def test_several_passes(tmp_path):
    html = page(read(tmp_path, newbob()))
    text = check(html)
    assert "The passes" in text and "3 passes: every training frame was used 3 times, none was dropped." in text
    assert "1 3.0000 25.00 0.2 10 s kept 2 3.5000 25.00 0.2 30 s undone 3 2.5000 25.00 0.2 50 s kept" in text
    assert "The weights after pass 3 are the result: cross-entropy 2.5000." in text
    assert "Raw and averaged weights are the same here" in text and "averaged weights," not in text
    assert "The run was stopped and resumed once; 300 frames after the checkpoints were trained on again." in text
    assert "No push was stale. No hidden unit was ever seen dead or saturated." in text
    assert "Averaging" not in text and "Learning rates that were tried" not in text
    assert read(tmp_path, newbob()).pass_ends == [1000, 2000]


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (None, "The training log does not record which of them were kept."),
        (False, "None of them was better than the weights before it"),
    ],
)
def test_no_pass_is_kept(tmp_path, kept, sentence):
    log = [event | ({"kept": kept} if "kept" in event else {}) for event in newbob()]
    assert sentence in check(page(read(tmp_path, log)))


def test_iterations_of_a_batch_method(tmp_path):
    log = newbob()
    for event in log:
        if event["event"] == "pass":
            event |= {"iteration": event["pass"] + 1, "pass": 2 * event["pass"] + 3, "train_ce": event["ce"] + 1}
            del event["eta"]
    text = check(page(read(tmp_path, log)))
    assert "Iterations, each evaluated" in text
    assert "Training cross-entropy Accuracy, % Time 1 3.0000 4.0000 25.00 10 s kept" in text
    assert "The weights after iteration 3 are the result" in text


def test_raw_weights_that_are_better_than_any_average(tmp_path):
    log = one_pass()
    log[-2]["windows"][0]["ce"] = 1.5
    log[-2]["chosen"] = log[-2]["windows"][0]
    text = check(page(read(tmp_path, log)))
    assert "none was better than the raw weights with cross-entropy 1.5000, so those are decoded" in text


def test_what_a_resumed_run_did_again_is_shown_once(tmp_path):
    log = newbob()
    again = read(tmp_path, [*log, {"event": "resumed", "frames": 2000, "lost_frames": 1000}, *log[-3:-1]])
    assert [event["pass"] for event in again.passes] == [0, 1, 2]
    assert [event["frames"] for event in again.heldout] == [1000, 2000, 3000]
    assert again.done == {}, "it has not ended again yet"
    assert "resumed twice; 1,300 frames" in check(page(again))


SENTENCES = {
    "heldout": "The training log holds no held-out figures yet.",
    "progress": "does not hold: cross-entropy of the training frames, gradient norms.",
    "done": "The training log has no end",
    "windows": "The training log does not record which averages were compared.",
    "idle_units": "does not hold: shares of idle units.",
    "gradient_norm_mean": "does not hold: gradient norms.",
    "eta": "does not hold: learning rates.",
    "train_ce": "does not hold: cross-entropy of the training frames.",
    "staleness_histogram": "does not hold: the staleness of the pushes.",
    "frames_dropped": "does not record how many frames were repeated and how many dropped",
    "ce_average": "The log holds only one of raw and averaged weights.",
    "eta0": "does not record which learning rates were tried",
    "refused": "does not record how many pushes were refused",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_missing_figure_is_named(tmp_path, unpainted, name):
    """Leave out each kind of event, and each field."""
    log = [event for event in one_pass() if event["event"] != name or name == "eta0"]
    for event in log:
        event.pop(name, None)
    assert SENTENCES[name] in check(page(read(tmp_path, log)))


ODD = [None, "x", "12", "<b>", [], {}, [[]], [None, "x", -1, {}], {"a": []}, math.inf, math.nan, -5, 10**400, True, 0]


def fields(event: dict) -> list[tuple]:
    """Return the path to every value of an event, also inside lists and dictionaries."""
    found = []
    for key, value in event.items() if isinstance(event, dict) else enumerate(event):
        found.append((key,))
        if isinstance(value, (dict, list)):
            found += [(key, *path) for path in fields(value)]
    return found


@pytest.mark.parametrize("make", [one_pass, newbob])
def test_odd_values_anywhere_are_no_error(tmp_path, unpainted, make):
    log = make()
    for place, event in enumerate(log):
        for path in fields(event):
            for odd in ODD:
                damaged = copy.deepcopy(log)
                inner = damaged[place]
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = odd
                html = page(read(tmp_path, damaged))
                assert "<b>" not in html and "nan" not in html, (event["event"], path, odd)
    assert {chart.name for chart in unpainted} >= {"ce", "eta"}


def test_odd_values_everywhere_are_no_error(tmp_path, unpainted):
    for odd in ODD:
        for name in sorted({name for event in one_pass() for name in event} - {"event"}):
            log = [event | ({name: odd} if name in event else {}) for event in one_pass() + newbob()]
            page(read(tmp_path, log))


def test_a_log_that_is_cut_or_damaged_anywhere_is_no_error(tmp_path, unpainted):
    data = "".join(json.dumps(item) + "\n" for item in one_pass()).encode()
    for place in range(0, len(data), 41):
        cut = read(tmp_path, data[:place])
        whole, _, rest = data[:place].rpartition(b"\n")
        assert cut.unreadable_lines == bool(rest)
        assert len(cut.heldout) == whole.count(b'"event": "heldout"')
        page(cut)
        page(read(tmp_path, data[:place] + b"\x00\xff\x00" + data[place + 3 :]))
    nested = read(tmp_path, data + b"[" * 100_000 + b"\n" + b"9" * 5000 + b"\n\n\n" + data)
    assert nested.unreadable_lines == 2 and "could not be read: 2." in page(nested)


def test_odd_values_that_are_drawn(tmp_path):
    """Draw charts of a single point, of equal values, of very small and very large ones."""
    for factor in (0.0, 1e-300, 1e12):
        log = one_pass()
        for event in log:
            for name in ("ce_raw", "ce_average", "train_ce", "eta", "gradient_norm_mean", "frames"):
                if name in event:
                    event[name] *= factor
        check(page(read(tmp_path, log)))
    check(page(read(tmp_path, [event for event in one_pass() if event["frames"] in (0, 30000)])))


@pytest.mark.parametrize(
    ("histogram", "most", "shares", "last"),
    [
        ([500, 400, 99, *[0] * 60, 0.5, 0.5, *[0] * 100], 64, [50.0, 40.0, 9.9, 0.1], 3),
        ([1] * 200, 199, [*[0.5] * 64, 68.0], 64),
    ],
)
def test_a_long_tail_of_staleness_is_one_bar(tmp_path, histogram, most, shares, last):
    log = newbob()
    log[-1]["staleness_histogram"] = histogram
    figures = pass_figures(read(tmp_path, log))
    *_, chart = figures.charts()
    assert figures.most_staleness == most
    assert chart.values == pytest.approx(shares) and chart.axis.endswith(f"; {last}: or more")


def test_a_log_that_cannot_be_read_is_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "train.jsonl"
    faults: list[str] = []
    assert read_training_events(path, faults) is None and faults == []
    path.write_text("x")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    assert read_training_events(path, faults) is None
    assert faults == [f"{path}: cannot be read: [Errno 13] Permission denied."]


@pytest.mark.parametrize(
    ("value", "found"),
    [(3, 3.0), ("2.5", 2.5), (math.nan, None), (-math.inf, None), (10**400, None), (1e16, None), ([], None)],
)
def test_number(value, found):
    assert number(value) == found
