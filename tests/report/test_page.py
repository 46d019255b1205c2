"""The report: the figures of a small made-up run are on it, it is self-contained, and absent files are named."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from report_pages import check, report

from asr.cli import main


def test_the_figures_are_on_the_page(made_up, capsys):
    page, text = report(made_up)
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {made_up / 'dnn' / 'report.html'}"
    # dev: 天→填, 行→航, 好 lost: 3 of 8; test: one more 行→航
    assert "37.50 % CER" in text and "[ 3 / 8, 0 ins, 1 del, 2 sub ]" in text
    assert "50.00 % CER" in text and "[ 4 / 8, 0 ins, 1 del, 3 sub ]" in text
    assert text.index("dev 37.50") < text.index("test 50.00")
    assert "1 without a hypothesis, counted as deletions" in text
    # curves and the pass
    assert "averaged weights, 1.875 at the end" in text and "raw weights, 2.125" in text
    assert "0.250 nats better than the raw ones" in text
    assert "raw weights from 5.000 to 2.125; averaged weights from 5.000 to 1.875" in page
    assert "frames seen 90,000" in text and "1 min 15 s" in text and "4,000" in text and "too stale 4" in text
    assert "0.86 pushes" in text  # (200 + 2 · 52) / 352
    assert "could not be read: 1" in text
    # times: the last that worked of each stage, and what failed
    assert "1 prepare 31 s" in text and "5 train 2 min 10 s" in text and "10 score 1.5 s 1 % failed" in text
    assert "2 min 43 s in all" in text and "0.1 s" not in text
    # tuning
    assert "weight 9 and insertion penalty 0.5 were chosen on dev" in text
    assert "The prior scale 0.8 was chosen with them" in text and "99.25" not in text
    assert "were widened by insertion penalty -1.5, -1; prior scale 0.4." in text
    assert "The chosen LM weight lies at the end of the values that were tried" in text
    assert "41.25" in text and "37.50 (chosen)" in text and "0.062" in text
    # confusions and utterances
    assert "行 航 2 行 不行 u2" in text
    assert "Most often deleted: 好 × 1" in text
    assert "u2 · s2 · 66.67 % [ 2 / 3, 0 ins, 0 del, 2 sub ]" in text and "no hypothesis" in text
    assert "行不行 → 航不航" in text
    # settings, escaped names
    assert "network.layers 4" in text and "seed 17" in text
    assert "s&lt;1&gt;" in page and "s<1>" not in page


def test_an_interval_over_speakers_says_so(made_up):
    path = made_up / "dnn/decode_test/scores.json"
    scores = json.loads(path.read_text("utf-8"))
    scores["cer"] |= {"interval": [41.5, 58.25], "interval_speakers": 57}
    path.write_text(json.dumps(scores), "utf-8")
    _, text = report(made_up)
    assert "95 % interval 41.50 – 58.25 over 57 speakers" in text
    assert text.count("over 57 speakers") == 1  # the interval of WER is over utterances


def test_colours_are_the_pages_own(made_up):
    page, _ = report(made_up)
    charts = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        assert "var(--" in chart
        assert not re.search(r"#0[1-5]0", chart)
        assert not re.search(r"[\u3400-\u9fff]", chart)  # fonts for Han may lack
    assert "prefers-color-scheme: dark" in page


def test_wide_tables_scroll_and_have_a_visible_sign(made_up):
    """Each edge has a shadow that stays and a cover that moves with the table, by day and by night."""
    page, _ = report(made_up)
    rule = re.search(r"\.scroll \{(.*?)\}", page, flags=re.DOTALL)[1]
    assert "overflow-x: auto" in rule and "position: relative" in rule
    assert rule.count("no-repeat local") == 2 and rule.count("no-repeat scroll") == 2
    assert rule.count("var(--shade)") == 2 and page.count("--shade: rgb(") == 2  # by day and by night
    assert page.count('<div class="scroll" role="region" tabindex="0"') == page.count("<table") > 5


def test_same_bytes_again_and_up_to_date(made_up, capsys):
    first, _ = report(made_up)
    assert report(made_up)[0] == first
    (made_up / "log" / "times.tsv").write_text("1\tprepare\t0.1\t0\n")
    capsys.readouterr()
    argv = ["report", "--exp", str(made_up), "--model", str(made_up / "dnn")]
    assert main(argv) == 0 and capsys.readouterr().out == "report: up to date\n"
    (made_up / "dnn" / "config.json").write_text('{"seed": 18}')
    assert main(argv) == 0 and "up to date" not in capsys.readouterr().out
    assert "seed 18" in check((made_up / "dnn" / "report.html").read_text(encoding="utf-8"))


def test_an_empty_run(tmp_path):
    (tmp_path / "exp" / "dnn").mkdir(parents=True)
    _, text = report(tmp_path / "exp")
    for sentence in (
        "This run has no result yet.",
        "Nothing has been scored yet.",
        "There is no training log (log/train.jsonl).",
        "run.sh recorded no times (log/times.tsv).",
        "No decode.json holds trials",
        "The model has no config.json.",
    ):
        assert sentence in text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("decode_test/scores.json", '{"cer": 1', "scores.json: is not JSON: "),
        ("decode_test/scores.json", '{"cer": 1}', "scores.json is not what score writes: it has no utterances."),
        ("decode_test/scores.json", "[]", "scores.json: is not a JSON object."),
        ("decode_dev/decode.json", '{"tuning": 3, "lm_weight": "x"}', "No decode.json holds trials"),
        ("log/train.jsonl", "", "The training log holds no held-out figures yet."),
        ("log/train.jsonl", '[1]\n{"event": "heldout", "frames": null}\n', "holds no held-out figures yet."),
        ("log/train.jsonl", b"\xff\xfe\n", "Lines of the training log that could not be read: 1."),
        ("config.json", "nonsense", "config.json: is not JSON"),
    ],
)
def test_damaged_files_are_named_and_the_rest_is_shown(made_up, name, content, sentence):
    path = made_up / "dnn" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _, text = report(made_up)
    assert sentence in text
    assert "37.50 % CER" in text


def test_a_run_without_an_error_and_one_still_training(made_up):
    out = made_up / "dnn" / "decode_test"
    (out / "hyp.txt").write_text("u1 今天天气\nu2 行不行\nu3 好\n", encoding="utf-8")
    text = made_up / "data" / "test" / "text"
    assert main(["score", "--ref", str(text), "--hyp", str(out / "hyp.txt"), "--out", str(out)]) == 0
    log = made_up / "dnn" / "log" / "train.jsonl"
    log.write_text("".join(line for line in log.read_text().splitlines(keepends=True)[:3]))
    _, text = report(made_up)
    assert "There is no error in test." in text and "Worst utterances" not in text
    assert "The training log has no end" in text


def test_wrong_paths_are_refused(made_up, capsys):
    model = made_up / "dnn"
    config = model / "config.json"
    link = made_up / "page.html"
    link.symlink_to(config)
    capsys.readouterr()
    for argv, message in (
        (["--exp", made_up / "nowhere", "--model", model], f"{made_up / 'nowhere'}: no such folder of a run\n"),
        (["--exp", config, "--model", model], f"{config}: no such folder of a run\n"),
        (["--exp", made_up, "--model", made_up / "nowhere"], f"{made_up / 'nowhere'}: no such model folder\n"),
        (["--exp", made_up, "--model", config], f"{config}: no such model folder\n"),
        (["--exp", made_up, "--model", model, "--out", model], f"{model}: is a folder; --out names a file\n"),
        (["--exp", made_up, "--model", model, "--out", config / "a" / "b"], f"{config}/a/b: not a directory\n"),
        (["--exp", made_up, "--model", model, "--out", link], f"{link}: is part of --exp {made_up}, which is read; "),
        (["--exp", made_up, "--model", model, "--out", made_up / "log" / "times.tsv"], "times.tsv: is part of --exp"),
    ):
        assert main(["report", *map(str, argv)]) == 2
        output = capsys.readouterr()
        assert message in output.err and output.err.count("\n") == 1 and output.out == ""
    assert config.read_text().startswith('{"network"')


def test_a_page_is_written_into_a_pipe(made_up):
    fifo = made_up / "page"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(fifo.read_text, encoding="utf-8")
        assert main(["report", "--exp", str(made_up), "--model", str(made_up / "dnn"), "--out", str(fifo)]) == 0
        assert "37.50 % CER" in check(reading.result(60))
    assert fifo.is_fifo() and not list(made_up.glob(".*"))
