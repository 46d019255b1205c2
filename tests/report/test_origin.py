"""The report's first section by hand, figures that agree everywhere, and damage to every file that is read."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_pages import check, report

from asr.cli import main
from asr.report.data_sets import ordered
from asr.report.experiment import read_experiment
from asr.report.page import render

pytestmark = pytest.mark.usefixtures("unpainted")
MACHINE = {"cpu": "A <CPU>", "cores": 2, "memory_gb": 16.4, "system": "Linux x86_64", "python": "3.11"}
PREPARED = {
    "sets": {
        "train": {
            "utterances": 5,
            "speakers": 3,
            "hours": 2.0,
            "characters": 30,
            "left_out": {"too short": 7, "no row": 1, "nothing": 0},
            "left_out_first": {"too short": ["r1", "r2", "r3", "r4", "r5", "r6"], "no row": ["<x>"]},
        },
        "dev": {"utterances": 3, "speakers": 2, "hours": 0.5, "characters": 8},
        "test": {"hours": 0.25, "left_out": {}},
    }
}
LANG = {
    "words": 2311,
    "pronunciations": 2583,
    "phones": 191,
    "ngrams": [2311, 14421, 22550],
    "dev": {"sentences": 3, "words": 400, "unknown": 3, "perplexity": 25.287, "perplexity_a_character": 30.04},
    "left_out": [
        {"what": "words of dev that the model lacks", "count": 6, "of": 400, "first": ["K", "<t>"]},
        "damaged",
    ],
}
COVERAGE = {
    "train": {
        "utterances": 5,
        "accepted": 3,
        "frames": 1000,
        "frames_used": 700,
        "frames_lost": 300,
        "without_alignment": ["t4"],
        "dropped_for_length": {"t5": {"alignment": 3, "features": 9}},
    },
    "not_in_any_set": ["x1"],
}


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def score(data: Path, folder: Path) -> int:
    return main(["score", "--ref", str(data / "text"), "--hyp", str(folder / "hyp.txt"), "--out", str(folder)])


@pytest.fixture
def recorded(made_up):
    """Return the made-up run with everything that stages record, without the stamps of today's scoring."""
    exp, model = made_up, made_up / "dnn"
    for stamp in exp.rglob(".done.score.json"):
        stamp.unlink()
    put(exp / "data" / "prepared.json", PREPARED)
    put(exp / "lang" / "lang.json", LANG)
    put(exp / "lang" / "oov_counts.txt", "栗 4 noise\n<b> 1 noise\n好 9 pypinyin\n")
    put(exp / "ali" / "coverage.json", COVERAGE)
    put(exp / "data" / "dev" / "utt2num_frames", "u1 180000\nu2 1000\nu3 8000\n")
    commands = ("2026-11-30T09:26:01+0000\t./run.sh --hours 1", "broken", "1970-01-01\t./run.sh --set a.b=\\<x\\>")
    put(exp / "log" / "command.txt", "\n".join([commands[2], *commands]))
    for place, (path, verb, finished) in enumerate(
        (
            (exp / "data" / "dev" / ".done.features.json", "features", "2026-11-30T10:26:01+01:00"),
            (model / ".done.train.json", "train", 1796031000),
            (model / "decode_dev" / ".done.decode.json", "decode", "never"),
        )
    ):
        commit = {"commit": "abc<12>"} if place < 2 else {}
        put(path, {"verb": verb, "version": "0.2.0", "finished": finished, **commit})
    put(model / "settings.json", {"train_data": "exp/tiny/data/train", "ali": "exp/tiny/ali", "seed": 17})
    log = model / "log" / "train.jsonl"
    start, *rest = log.read_text().splitlines()
    event = json.loads(start) | {"machine": MACHINE, "layers": 4, "width": 512, "weights": 1331250}
    log.write_text("\n".join([json.dumps(event), *rest]))
    path = model / "decode_dev" / "decode.json"
    put(path, json.loads(path.read_text()) | {"tuning_utterances": 2, "tuning_units": 7, "faults": {"u3": "lost"}})
    return exp


def test_the_page_opens_with_the_origin_of_the_results(recorded):
    page, text = report(recorded)
    opening = text[: text.index("Error rates")]
    for found in (
        "Finished 2026-11-30 09:30 UTC",  # the train stamp's; the other is 09:26
        "Version 0.2.0, commit abc<12> (features, train); 0.2.0, commit not recorded (decode)",
        "Command ./run.sh --set a.b=\\<x\\> (1970-01-01 00:00 UTC)",
        "Machine A <CPU>, 2 cores, 16.4 GB of memory, Linux x86_64, Python 3.11 Network",
        "Network 4 × 512, 1.33 M weights",
        "Trained on data exp/tiny/data/train, alignments exp/tiny/ali",
        "Lexicon 2,311 words, 2,583 pronunciations, 191 phones",
        "Language model 3-gram, 2,311 + 14,421 + 22,550 n-grams",
        "Out of vocabulary, dev 0.75 % (3 of 400 words)",
        "Perplexity, dev 25.3 a word or sentence end, 30.0 a character or sentence end",
        "Unknown words of train and dev 栗 × 4, <b> × 1",
        "Earlier commands: 1 ./run.sh --hours 1 (2026-11-30 09:26 UTC)",
        # train has no folder: as prepared; dev and test are counted in theirs
        "train 5 3 30 2.00 not recorded",
        "dev 3 2 8 0.50 0.53",  # 189,000 frames of 10 ms
        "test 3 2 8 0.25 not recorded",
        "Alignment coverage",
        "train 3 of 5 60.00 % 700 of 1,000",
        "train prepare too short 7 r1 , r2 , r3 , r4 , r5 , …",
        "train prepare no row 1 <x>",
        "– lang words of dev that the model lacks, of 400 6 K , <t> , …",
        "train align without an alignment 1 t4",
        "train align aligned with another length 1 t5",
        "dev decode could not be decoded: empty hypothesis 1 u3",
        "test score without a hypothesis: deletions 1 u3",
    ):
        assert found in opening, found
    assert "sets.train.left_out.too short 7" in text and "dev.perplexity 25.287" in text  # every record, folded away
    assert "nothing" not in opening and "<x>" not in page and "<CPU>" not in page
    assert opening.index("Finished") < opening.index("Command") < opening.index("Hours of sound")


def test_what_no_stage_recorded_is_named(made_up):
    for stamp in made_up.rglob(".done.score.json"):
        stamp.unlink()
    _, text = report(made_up)
    for sentence in (
        "Version not recorded; this page was written by version",
        "Command not recorded (run.sh writes it to log/command.txt)",
        "Machine not recorded; this page was written on ",
        "Lexicon not recorded",
        "Out of vocabulary, dev not recorded Perplexity, dev not recorded",
        "dev 3 2 8 not recorded not recorded",
        "How much of the sets the alignments cover is not recorded",
        "What preparation left out is not recorded",
        "The table counts a part of dev whose size is not recorded; the chosen pair has 37.50 % there.",
    ):
        assert sentence in text, sentence
    moment = max(path.stat().st_mtime for path in made_up.glob("dnn/**/*.json*") if ".done" not in path.name)
    assert re.search(r"Finished \d{4}-\d\d-\d\d \d\d:\d\d UTC", text) and moment > 0


def test_a_run_that_left_nothing_out(recorded):
    (recorded / "ali" / "coverage.json").unlink()
    (recorded / "lang" / "lang.json").unlink()
    put(recorded / "data" / "prepared.json", {"sets": {"train": {"left_out": {"x": 0}}}})
    for name in ("dev", "test"):
        folder = recorded / "dnn" / f"decode_{name}"
        put(folder / "hyp.txt", "u1 今天\nu2 行\nu3 好\n")
        put(folder / "decode.json", '{"complete": true}')
        assert score(recorded / "data" / name, folder) == 0
    assert "Nothing was left out of any set." in report(recorded)[1]


def test_hours_of_sound_from_the_data_directory(recorded):
    (recorded / "data" / "prepared.json").unlink()
    put(recorded / "data" / "dev" / "segments", "u1 r 0 1800\nu2 r 1800.0 3600\nu3 r 3600 5400.0\n")
    assert "dev 3 2 8 1.50 0.53" in report(recorded)[1]
    put(recorded / "data" / "dev" / "segments", "u1 r 0 1800\nu2 r 1800.0 -1\nu3 r 3600 5400.0\n")
    assert "dev 3 2 8 not recorded 0.53" in report(recorded)[1]  # the end of u2 is the file's
    put(recorded / "data" / "dev" / "utt2dur", "u1 900\nu2 900\nu3 1800\n")
    assert "dev 3 2 8 1.00 0.53" in report(recorded)[1]


def test_names_of_models_sets_and_alignments_after_rounds_and_perturbation(recorded):
    model = recorded / "dnn.rounds" / "net1"
    model.parent.mkdir()
    (recorded / "dnn").rename(model)
    put(recorded / "dnn.rounds" / "ali1" / "coverage.json", {"train_speed": {"utterances": 9, "accepted": 9}})
    put(recorded / "data" / "train_speed" / "text", "sp0.9-u1 今天\n")
    put(model / "settings.json", {"train_data": "data/train_speed", "ali": str(recorded / "dnn.rounds" / "ali1")})
    assert main(["report", "--exp", str(recorded), "--model", str(model)]) == 0
    text = check((model / "report.html").read_text(encoding="utf-8"))
    assert "tiny · dnn.rounds/net1" in text and "alignments " + str(recorded / "dnn.rounds" / "ali1") in text
    assert "train_speed 9 of 9 100.00 % not recorded" in text and "train_speed 1 not recorded 2" in text
    names = ["train", "train_noisy", "dev", "test", "a", "b"]
    assert ordered(reversed(names)) == names


# ---------------------------------------------------------------- figures that agree


def test_one_rate_in_files_terminal_and_page(recorded, capsys):
    """Terminal, cer, per_utt, per_spk, scores.json and page hold the same counts; parts add up to the whole."""
    capsys.readouterr()
    for name in ("dev", "test"):
        folder, data = recorded / "dnn" / f"decode_{name}", recorded / "data" / name
        assert score(data, folder) == 0
        said = capsys.readouterr().out.splitlines()[-2].removeprefix(f"{name} ")
        assert (folder / "cer").read_text().splitlines()[0] == said
        record = json.loads((folder / "scores.json").read_text())
        errors, length, inserted, deleted, substituted = map(int, re.findall(r"\d+", said.partition("[")[2]))
        wanted = {"errors": errors, "length": length, "ins": inserted, "del": deleted, "sub": substituted}
        assert record["cer"] | wanted == record["cer"] and said.startswith(f"%CER {100 * errors / length:.2f} ")
        for figure, value in wanted.items():
            assert sum(speaker[figure] for speaker in record["speakers"].values()) == value
        counted = [line.split()[2:] for line in (folder / "per_utt").read_text().splitlines() if " #csid " in line]
        correct, *others = [sum(int(row[place]) for row in counted) for place in range(4)]
        assert others == [substituted, inserted, deleted] and correct + substituted + deleted == length
        rows = [line.split() for line in (folder / "per_spk").read_text().splitlines()]
        total = next(row for row in rows if row[:2] == ["SUM", "raw"])
        assert total[2:] == [str(x) for x in (3, length, correct, substituted, inserted, deleted, errors, 3)]
        text = report(recorded)[1]
        assert f"{name} {said.split()[1]} % CER" in text and said.partition("[")[2] in text
        assert f"{name} 3 2 {length} " in text  # the table of the data
    rate = f"{record['cer']['rate']:.2f} %"
    assert text.count(rate) >= 2 and f"The character error rate on test is {rate}" in text


def test_the_table_of_weights_names_its_part_of_dev(recorded):
    _, text = report(recorded)
    assert "Character error rate on 2 utterances of dev (7 characters), %" in text
    assert "The table counts 2 utterances of dev (7 characters); the chosen pair has 37.50 % there." in text
    assert "Decoded with it, all of dev has 37.50 % (3 utterances, 8 characters)." in text
    path = recorded / "dnn" / "decode_dev" / "decode.json"
    put(path, json.loads(path.read_text()) | {"tuning_utterances": 3, "tuning_units": 8, "tuning_graph_only": True})
    _, text = report(recorded)
    assert "Character error rate on all 3 utterances of dev (8 characters), %" in text
    assert "dev was decoded over a graph that was made for this choice" in text


def test_a_set_without_a_reference_unit_has_no_rate_on_the_page(recorded):
    folder = recorded / "dnn" / "decode_test"
    put(recorded / "data" / "test" / "text", "u1\nu2 <NOISE>\nu3\n")
    assert score(recorded / "data" / "test", folder) == 1
    _, text = report(recorded)
    assert "The reference of test holds no unit that counts: there is no error rate." in text
    assert "test no rate interval not known: too few utterances with reference units [ 7 / 0, 7 ins" in text
    assert "WER no rate, " in text and "test: no reference holds a unit that counts" in text
    assert "u2 · s2 · no rate [ 3 / 0, 3 ins, 0 del, 0 sub ]" in text
    assert not re.search(r"\bnan\b|\binf\b|∞", text)


# ---------------------------------------------------------------- damage

ODD: tuple[Any, ...] = (None, True, -1, 1e300, math.inf, math.nan, "<b>&", "", [], [[]], {}, {"a": {}}, [{}], [None])


def variants(content: Any) -> Iterator[Any]:
    """Yield `content` with each part of it, and with all of it, replaced by every odd value, and left out."""
    yield from ODD
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        for part in variants(content[key]):
            changed = copy.copy(content)
            changed[key] = part
            yield changed
        without = copy.copy(content)
        del without[key]
        yield without


@pytest.mark.parametrize(
    "name",
    [
        "data/prepared.json",
        "lang/lang.json",
        "ali/coverage.json",
        "dnn/settings.json",
        "dnn/config.json",
        "dnn/.done.train.json",
        "dnn/decode_dev/decode.json",
        "dnn/decode_test/scores.json",
    ],
)
@pytest.mark.parametrize("most", [60, pytest.param(None, marks=pytest.mark.slow)])
def test_a_file_of_any_content_is_reported_or_shown(recorded, name, most):
    """No JSON value in any place causes a traceback, and no markup of a file enters the page."""
    path = recorded / name
    whole = json.loads(path.read_text(encoding="utf-8"))
    if name.endswith("scores.json"):  # two parts of each kind are as good as all
        whole["per_utterance"] = whole["per_utterance"][:2]
        whole["confusions"] = whole["confusions"][:2]
    contents = sorted({json.dumps(content) for content in variants(whole)})
    random.Random(1).shuffle(contents)
    for content in contents[:most]:
        path.write_text(content)
        page = render(read_experiment(recorded, recorded / "dnn"))
        assert "<b>&" not in page and "37.50<small> % CER" in page


@pytest.mark.parametrize("opened", ['{"a":', '{"a":[', "["])
def test_deeply_nested_content_is_reported_or_shown(recorded, opened):
    closed = opened.replace('"a":', "").replace("{", "}").replace("[", "]")[::-1]
    for depth in (100, 450, 900):
        for name in ("dnn/config.json", "lang/lang.json", "dnn/decode_test/scores.json", "ali/coverage.json"):
            put(recorded / name, opened * depth + "1" + closed * depth)
        check(render(read_experiment(recorded, recorded / "dnn")))


@pytest.mark.parametrize("content", ["今天".encode("gbk"), b"[" * 100_000, b"u1\n\n\x00"])
def test_files_of_any_bytes_are_reported_or_shown(recorded, content):
    kinds = ("*.json*", "*.txt", "*.tsv", "data/*/*")
    for path in {path for kind in kinds for path in recorded.rglob(kind) if path.is_file()}:
        before = path.read_bytes()
        path.write_bytes(content)
        check(render(read_experiment(recorded, recorded / "dnn")))
        path.unlink()
        check(render(read_experiment(recorded, recorded / "dnn")))
        path.mkdir()
        check(render(read_experiment(recorded, recorded / "dnn")))
        path.rmdir()
        path.write_bytes(before)
