"""A made-up run for the tests of the report, and a checker of its page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from asr.cli import main

VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "circle", "line"}


class Checker(HTMLParser):
    """Fails if an element is not closed in order; collects ids, addresses and visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.addresses += [
            values[name] or "" for name in ("src", "href", "action", "data", "srcset") if name in values
        ]
        self.references += re.findall(r"url\(#([^)]*)\)", " ".join(value or "" for value in values.values()))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "svg":
            assert values["role"] == "img" and len(values["aria-label"]) > 30

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def check(page: str) -> str:
    """Return the page's visible text. Fails if the page is not well-formed or not self-contained."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert all(address.startswith("#") and address[1:] in checker.ids for address in checker.addresses)
    assert set(checker.references) <= set(checker.ids)
    assert "<script" not in page and "@import" not in page and "<link" not in page
    assert not re.search(r"(https?:)?//\w", re.sub(r"<!DOCTYPE[^>]*>", "", page))
    return " ".join(" ".join(checker.text).split())


def heldout(frames: int, raw: float, average: float, accuracy: float) -> dict:
    return {
        "event": "heldout",
        "frames": frames,
        "ce_raw": raw,
        "ce_average": average,
        "accuracy_raw": accuracy,
        "accuracy_average": accuracy,
        "eta": 0.2,
    }


def report(exp: Path) -> tuple[str, str]:
    """Write the page of a run; return it, and its visible text."""
    assert main(["report", "--exp", str(exp), "--model", str(exp / "dnn"), "--force"]) == 0
    page = (exp / "dnn" / "report.html").read_text(encoding="utf-8")
    return page, check(page)


def make_run(folder: Path) -> Path:
    """Make a run: dev and test are scored, the training log was resumed and cut, times.tsv is of two runs."""
    exp = folder / "exp" / "tiny"
    model = exp / "dnn"
    for name, hypothesis in (("dev", "u1 今 天 填 气\nu2 行 不 航\n"), ("test", "u1 今 天 填 气\nu2 航 不 航 <b>\n")):
        data, out = exp / "data" / name, model / f"decode_{name}"
        data.mkdir(parents=True)
        out.mkdir(parents=True)
        (data / "text").write_text("u1 今天天气\nu2 行不行\nu3 好\n", encoding="utf-8")
        (data / "utt2spk").write_text("u1 s<1>\nu2 s2\nu3 s2\n")
        (out / "hyp.txt").write_text(hypothesis, encoding="utf-8")
        record = {"complete": True, "lm_weight": 9.0, "penalty": 0.5, "speech_s": 600.0, "rtf_wall": 0.0625}
        record["prior_scale"] = 0.8
        if name == "dev":
            record["tuning"] = [
                {"lm_weight": 8.0, "penalty": 0.5, "prior_scale": 0.8, "cer": 41.25, "errors": 5},
                {"lm_weight": 8.0, "penalty": 0.5, "prior_scale": 1.0, "cer": 99.25, "errors": 9},
                {"lm_weight": 9.0, "penalty": 0.5, "prior_scale": 0.8, "cer": 37.5, "errors": 3},
                {"lm_weight": 9.0, "penalty": 0.0, "prior_scale": 0.8, "cer": None},
            ]
            record["tuning_widened"] = {"penalty": [-1.5, -1.0], "prior_scale": [0.4, None], "other": [1]}
            record["tuning_at_end"] = ["lm_weight", 3]
        (out / "decode.json").write_text(json.dumps(record))
        argv = ["--ref", str(data / "text"), "--hyp", str(out / "hyp.txt"), "--out", str(out)]
        assert main(["score", *argv]) == 0
    counted = {"errors": 1, "length": 8, "ins": 0, "del": 0, "sub": 1}
    explained = {"set": "dev", "signal_to_noise_db": {"u1": 12.5, "u2": 31.0, "u3": "x", "other": 3.0}}
    explained["perfect"] = {"utterances": 3, "cer": counted, "decoded": counted | {"errors": 3, "sub": 3}}
    explained["perfect"] |= {"kinds": {"homophone": 1}, "faults": {"u9": "no path"}}
    (model / "decode_dev" / "explained.json").write_text(json.dumps(explained))
    events = [
        {"event": "start", "frames": 0, "total_frames": 90000, "workers": 3},
        heldout(0, 5.0, 5.0, 0.01),
        heldout(30000, 3.0, 3.0, 0.2),
        heldout(60000, 9.0, 9.0, 0.1),  # lost: the run went on from 30000
        {"event": "progress", "frames": 45000, "frames_per_s": 4000.0, "train_ce": 2.9, "eta": 0.1},
        heldout(45000, 2.5, 2.25, 0.3),
        heldout(90000, float("nan"), 2.0, 0.4),
        heldout(90000, 2.125, 1.875, 0.5),
        {
            "event": "done",
            "frames": 90000,
            "seconds": 75.0,
            "frames_seen": 90000,
            "frames_repeated": 0,
            "frames_dropped": 0,
            "pushes": 352,
            "staleness_histogram": [100, 200, 52],
            "refused": {"too stale": 4, "duplicate": 0},
        },
    ]
    (model / "log").mkdir()
    (model / "log" / "train.jsonl").write_text("".join(json.dumps(item) + "\n" for item in events) + '{"event": "pro')
    (model / "config.json").write_text(json.dumps({"network": {"layers": 4, "activation": "relu"}, "seed": 17}))
    (exp / "log").mkdir()
    (exp / "log" / "times.tsv").write_text(
        "1\tprepare\t31.2\t0\n5\ttrain\t500\t1\n5\ttrain\t130.0\t0\n1\tprepare\t0.1\tskipped\n10\tscore\t1.5\t2\n7\tdec"
    )
    return exp
