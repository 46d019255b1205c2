"""The score verb as a user runs it: lines, files, missing and empty hypotheses, and every refusal."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.cli import main
from asr.corpus.transcript import characters, normalise
from asr.scoring.bootstrap import SpeakerErrors, rate_interval
from asr.scoring.results import score_texts
from asr.scoring.score import uses_words

LINE = re.compile(r"^(\S+) %([CW]ER) (\d+\.\d\d) \[ (\d+) / (\d+), (\d+) ins, (\d+) del, (\d+) sub \]$")


@pytest.fixture
def decoded(tmp_path):
    """Return a folder with a finished decoding of five utterances: 6 errors in 15 characters, u5 missing."""
    data, out = tmp_path / "data" / "test", tmp_path / "dnn" / "decode_test"
    data.mkdir(parents=True)
    out.mkdir(parents=True)
    (data / "text").write_text("u1 今天天气好\nu2 打开 CALL ME MAYBE\nu3 中国人\nu4\nu5 你好\n", encoding="utf-8")
    (data / "utt2spk").write_text("u1 a\nu2 b\nu3 a\nu4 b\nu5 b\n", encoding="utf-8")
    (out / "hyp.txt").write_text("u1 今 天 填 气 好 啊\nu2 打 开 CALL MAY MAYBE\nu3 中 人\nu4\n", encoding="utf-8")
    (out / "decode.json").write_text('{"complete": true}')
    return tmp_path


def score(root: Path, *options: str) -> int:
    out = root / "dnn" / "decode_test"
    return main(
        ["score", "--ref", str(root / "data/test/text"), "--hyp", str(out / "hyp.txt"), "--out", str(out), *options]
    )


def last_lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()[-2:]


def test_last_lines_and_what_is_missing(decoded, capsys):
    assert score(decoded) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[-2:] == [
        "test %CER 40.00 [ 6 / 15, 1 ins, 3 del, 2 sub ]",
        "test %WER 40.00 [ 6 / 15, 1 ins, 3 del, 2 sub ]",
    ]
    assert all(LINE.match(line) for line in lines[-2:])
    assert lines[-4].startswith("test CER 95% interval") and lines[-3].startswith("test WER 95% interval")
    assert output.err == "warning: test: without a hypothesis, counted as deletions: 1 (u5)\n"


def test_files(decoded):
    assert score(decoded) == 0
    out = decoded / "dnn" / "decode_test"
    assert (out / "cer").read_text().splitlines()[:3] == [
        "%CER 40.00 [ 6 / 15, 1 ins, 3 del, 2 sub ]",
        "%SER 80.00 [ 4 / 5 ]",
        "Scored 5 sentences, 1 not present in hyp.",
    ]
    assert (out / "wer").read_text().startswith("%WER 40.00 [ 6 / 15, ")
    assert "u1 #csid 4 1 1 0\n" in (out / "per_utt").read_text(encoding="utf-8")
    assert (out / "per_spk").read_text().splitlines()[-1].split() == (
        ["SUM", "sys", "5", "15", "66.67", "13.33", "6.67", "20.00", "40.00", "80.00"]
    )
    assert "substitution     天       填    1\n" in (out / "ops").read_text(encoding="utf-8")
    assert "  hyp 今 天 填 气 好 啊\n             S        I\n" in (out / "aligned.txt").read_text(encoding="utf-8")
    record = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert record["missing"] == ["u5"] and record["cer"]["errors"] == 6 and record["speakers"]["a"]["errors"] == 3
    assert record["per_utterance"][2] == {
        "key": "u3",
        "speaker": "a",
        "pairs": [["中", "中"], ["国", None], ["人", "人"]],
    }


def test_a_second_run_prints_the_same_and_does_nothing(decoded, capsys):
    assert score(decoded) == 0
    first = last_lines(capsys)
    before = (decoded / "dnn/decode_test/scores.json").stat().st_mtime_ns
    assert score(decoded) == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[0] == "score: up to date"
    assert output.out.splitlines()[-2:] == first and "u5" in output.err
    assert (decoded / "dnn/decode_test/scores.json").stat().st_mtime_ns == before
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今天天气好\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys)[0] == "test %CER 66.67 [ 10 / 15, 0 ins, 10 del, 0 sub ]"


@pytest.mark.parametrize(("people", "drawn"), [(10, 10), (9, 0)])
def test_intervals_are_over_speakers_if_there_are_enough(decoded, capsys, people, drawn):
    """Every speaker has two utterances of four characters, one with two errors: any draw of speakers has 25 %."""
    keys = [(f"u{person}{part}", f"s{person}", part) for person in range(people) for part in "ab"]
    texts = {"text": "今天天气", "hyp": "今天"}
    for name in texts:
        folder = decoded / ("data/test" if name == "text" else "dnn/decode_test")
        lines = [f"{key} {texts[name] if part == 'a' else texts['text']}\n" for key, _, part in keys]
        (folder / {"text": "text", "hyp": "hyp.txt"}[name]).write_text("".join(lines), encoding="utf-8")
    (decoded / "data/test/utt2spk").write_text("".join(f"{key} {person}\n" for key, person, _ in keys))
    assert score(decoded) == 0
    lines = capsys.readouterr().out.splitlines()
    record = json.loads((decoded / "dnn/decode_test/scores.json").read_text(encoding="utf-8"))
    low, high = record["cer"]["interval"]
    assert record["cer"]["interval_speakers"] == record["wer"]["interval_speakers"] == drawn
    if drawn:
        assert lines[-4] == "test CER 95% interval [25.00, 25.00] over 10 speakers" and low == high == 25
        assert rate_interval(SpeakerErrors.of(record), seed=1) == (low, high)
    else:
        assert low < 20 and high > 30 and lines[-4] == f"test CER 95% interval [{low:.2f}, {high:.2f}]"


def test_an_utterance_each_says_nothing_of_speakers(decoded):
    """utt2spk names as many speakers as utterances, as without knowledge of who speaks."""
    keys = [f"u{number:02}" for number in range(12)]
    (decoded / "data/test/text").write_text("".join(f"{key} 今天\n" for key in keys), encoding="utf-8")
    (decoded / "dnn/decode_test/hyp.txt").write_text("".join(f"{key} 今\n" for key in keys), encoding="utf-8")
    (decoded / "data/test/utt2spk").write_text("".join(f"{key} {key}\n" for key in keys))
    assert score(decoded) == 0
    assert json.loads((decoded / "dnn/decode_test/scores.json").read_text())["cer"]["interval_speakers"] == 0


def test_latin_letter_or_word(decoded, capsys):
    # CALL ME MAYBE against CALL MAY MAYBE: one word of three, or (ME, MAY) two letters of eleven
    assert score(decoded, "--latin", "letter") == 0
    lines = last_lines(capsys)
    assert lines[0] == "test %CER 30.43 [ 7 / 23, 2 ins, 3 del, 2 sub ]"
    assert lines[1] == "test %WER 40.00 [ 6 / 15, 1 ins, 3 del, 2 sub ]"


def test_both_sides_are_normalised(decoded, capsys):
    (decoded / "data/test/text").write_text("u1 ３点，ｏｋ！\n", encoding="utf-8")
    (decoded / "data/test/utt2spk").write_text("u1 a\n")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 三 点 OK\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys)[0] == "test %CER 0.00 [ 0 / 3, 0 ins, 0 del, 0 sub ]"
    assert score(decoded, "--spoken", "false") == 0
    assert last_lines(capsys)[0] == "test %CER 33.33 [ 1 / 3, 0 ins, 0 del, 1 sub ]"


def test_symbols_that_are_no_words_do_not_count(decoded, capsys):
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今 天 <UNK> 天 气 好 <SPOKEN_NOISE>\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys)[0] == "test %CER 66.67 [ 10 / 15, 0 ins, 10 del, 0 sub ]"


def test_words_of_the_text_where_both_sides_have_them(decoded, capsys):
    (decoded / "data/test/text").write_text("u1 今天 天气 很 好\nu2 我们 去 北京\n", encoding="utf-8")
    (decoded / "data/test/utt2spk").write_text("u1 a\nu2 a\n")
    hypothesis = decoded / "dnn/decode_test/hyp.txt"
    hypothesis.write_text("u1 今天 天 气 很 好\nu2 我们 去 北京\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys) == [
        "test %CER 0.00 [ 0 / 11, 0 ins, 0 del, 0 sub ]",
        "test %WER 28.57 [ 2 / 7, 1 ins, 0 del, 1 sub ]",
    ]
    # characters as words: the text's words cannot be compared with them
    hypothesis.write_text("u1 今 天 天 气 很 好\nu2 我 们 去 北 京\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys)[1] == "test %WER 0.00 [ 0 / 11, 0 ins, 0 del, 0 sub ]"
    assert score(decoded, "--words", "text") == 0
    assert last_lines(capsys)[1] == "test %WER 114.29 [ 8 / 7, 4 ins, 0 del, 4 sub ]"


def test_which_words():
    spaced, plain, single = ["今天 天气 很 好"], ["今天天气很好"], ["今 天 天 气 很 好"]
    assert uses_words("auto", spaced, spaced)
    assert not uses_words("auto", spaced, plain)
    assert not uses_words("auto", spaced, single)
    assert not uses_words("auto", plain, spaced)
    assert not uses_words("auto", single, single)
    assert not uses_words("auto", plain * 3 + spaced, spaced)  # a stray space is no word boundary
    assert not uses_words("auto", [""], [""])
    assert uses_words("text", plain, single) and not uses_words("character", spaced, spaced)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_missing_hypothesis_never_lowers_the_errors(data):
    text = st.text(st.sampled_from("今天气好的"), max_size=6)
    keys = [f"u{i}" for i in range(4)]
    references = {key: data.draw(text) for key in keys}
    # the worst a recogniser can do without inventing: nothing longer than the reference
    hypotheses = {key: data.draw(text)[: len(references[key])] for key in keys}
    lost = data.draw(st.sampled_from(keys))
    fewer = {key: value for key, value in hypotheses.items() if key != lost}
    whole, less = (score_texts(references, items, list, 0).total for items in (hypotheses, fewer))
    assert less.errors >= whole.errors
    assert less.length == whole.length


def test_deleting_lines_of_hypotheses_never_lowers_cer(decoded, capsys):
    path = decoded / "dnn/decode_test/hyp.txt"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rates = []
    for kept in range(len(lines), -1, -1):
        path.write_text("".join(lines[:kept]), encoding="utf-8")
        assert score(decoded) == 0
        rates.append(float(LINE.match(last_lines(capsys)[0])[3]))
    assert rates == sorted(rates) and rates[-1] == 100.0


def test_references_of_nothing_have_no_rate(decoded, capsys):
    (decoded / "data/test/utt2spk").unlink()
    for reference, hypothesis, counted in (
        ("u4\n", "u4 啊\n", "[ 1 / 0, 1 ins, 0 del, 0 sub ]"),
        ("u4\n", "u4\n", "[ 0 / 0, 0 ins, 0 del, 0 sub ]"),
        ("u4 <NOISE>\nu5 [LAUGHTER] ，\n", "u4 啊 啊\nu5\n", "[ 2 / 0, 2 ins, 0 del, 0 sub ]"),
        ("u4 。\nu5 —\nu6\n", "u4 <UNK>\nu5\nu6 OK\n", "[ 1 / 0, 1 ins, 0 del, 0 sub ]"),
    ):
        (decoded / "data/test/text").write_text(reference, encoding="utf-8")
        (decoded / "dnn/decode_test/hyp.txt").write_text(hypothesis, encoding="utf-8")
        for _ in range(2):  # the second time nothing is out of date
            assert score(decoded) == 1
            output = capsys.readouterr()
            assert output.out.splitlines()[-2:] == [
                f"test no CER: the reference holds no unit {counted}",
                f"test no WER: the reference holds no unit {counted}",
            ]
            assert "%" not in output.out.replace("95%", "")
            assert output.err == (
                "warning: test: no reference holds a unit that counts, so there is no error rate; insertions: "
                f"{counted.split()[1]}\n"
            )
        folder = decoded / "dnn/decode_test"
        record = json.loads((folder / "scores.json").read_text())
        for figures in (record["cer"], record["wer"], *record["speakers"].values()):
            assert figures["rate"] is None and figures["length"] == 0
        assert (folder / "cer").read_text().startswith(f"no CER: the reference holds no unit {counted}\n")
        assert " sys " not in (folder / "per_spk").read_text()


def test_an_empty_reference_among_others_counts_its_insertions(decoded, capsys):
    (decoded / "data/test/utt2spk").write_text("u1 a\nu2 a\nu3 a\nu4 b\nu5 a\n")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今天天气好\nu4 啊 啊\n", encoding="utf-8")
    assert score(decoded) == 0
    assert last_lines(capsys)[0] == "test %CER 80.00 [ 12 / 15, 2 ins, 10 del, 0 sub ]"
    folder = decoded / "dnn/decode_test"
    assert json.loads((folder / "scores.json").read_text())["speakers"]["b"] == (
        {"utterances": 1, "rate": None, "errors": 2, "length": 0, "correct": 0, "ins": 2, "del": 0, "sub": 0}
    )
    rows = [line.split() for line in (folder / "per_spk").read_text().splitlines()]
    assert [row[:2] for row in rows[1:]] == [["a", "raw"], ["a", "sys"], ["b", "raw"], ["SUM", "raw"], ["SUM", "sys"]]
    assert "u4 (b)  no CER: the reference holds no unit [ 2 / 0, 2 ins, 0 del, 0 sub ]\n" in (
        (folder / "aligned.txt").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize(
    "text", ["қазір болған", "сегодня", "こんにちは", "안녕하세요", "สวัสดี", "γειά", "<NOISE> қазір", "नमस्ते"]
)
def test_a_set_without_a_countable_unit_is_refused(decoded, capsys, text):
    path = decoded / "data/test/text"
    path.write_text(f"u1\nu2 {text}\nu3 <NOISE>\n", encoding="utf-8")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 好\n", encoding="utf-8")
    assert score(decoded) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"{path}:2: u2: '{text}' holds no Han character, Latin letter or digit, nor does any other line: "
        "nothing can be counted\n"
    )
    assert not (decoded / "dnn/decode_test/scores.json").exists()


def test_letters_that_do_not_count_are_named(decoded, capsys):
    (decoded / "data/test/text").write_text("u1 今天 қазір\nu2 打开\nu3 сегодня\n", encoding="utf-8")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今天\nu2 открой\nu3\n", encoding="utf-8")
    for _ in range(2):
        assert score(decoded) == 0
        output = capsys.readouterr()
        assert output.err == (
            "warning: test: letters of other scripts do not count: in 2 of the reference lines (u1, u3)\n"
            "warning: test: letters of other scripts do not count: in 1 of the hypothesis lines (u2)\n"
        )
        assert output.out.splitlines()[-2] == "test %CER 50.00 [ 2 / 4, 0 ins, 2 del, 0 sub ]"


def test_intervals_of_one_utterance_and_of_one_speaker(decoded, capsys):
    assert score(decoded) == 0
    assert "one speaker" not in capsys.readouterr().out
    (decoded / "data/test/utt2spk").write_text("".join(f"u{number} a\n" for number in range(1, 6)))
    (decoded / "data/test/text").write_text("u1 今天天气好\nu2 打开\nu3 中国人\nu5 你好\n", encoding="utf-8")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今天\nu3 中人\n", encoding="utf-8")
    assert score(decoded) == 0
    assert "test has one speaker: the intervals say nothing about other speakers\n" in capsys.readouterr().out
    (decoded / "data/test/text").write_text("u1 今天天气好\nu4\n", encoding="utf-8")
    (decoded / "dnn/decode_test/hyp.txt").write_text("u1 今天\nu4\n", encoding="utf-8")
    assert score(decoded) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4] == "test CER 95% interval not known: too few utterances with reference units"
    assert lines[-2] == "test %CER 60.00 [ 3 / 5, 0 ins, 3 del, 0 sub ]"


def test_no_key_in_common_and_an_empty_hypothesis_file(decoded, capsys):
    hypothesis = decoded / "dnn/decode_test/hyp.txt"
    hypothesis.write_text("x1 今天\nx2 天气\n", encoding="utf-8")
    assert score(decoded) == 2
    error = capsys.readouterr().err
    assert f"{hypothesis}:1: x1: this utterance is not in " in error and "(2 of 2 hypotheses are not)" in error
    hypothesis.write_text("")
    assert score(decoded) == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[-2] == "test %CER 100.00 [ 15 / 15, 0 ins, 15 del, 0 sub ]"
    assert "counted as deletions: 5 (u1, u2, u3, u4, u5)" in output.err


def test_scores_that_are_damaged_or_of_an_old_version_are_made_again(decoded, capsys):
    assert score(decoded) == 0
    path, first = decoded / "dnn/decode_test/scores.json", last_lines(capsys)
    whole = path.read_bytes()
    for content in (b"{" * len(whole), b"[]".ljust(len(whole)), whole.replace(b'"warnings"', b'"warnungs"')):
        path.write_bytes(content)  # as long as before, so that the stamp is content with it
        assert score(decoded) == 0
        output = capsys.readouterr()
        assert "up to date" not in output.out and output.out.splitlines()[-2:] == first and "(u5)" in output.err
        assert path.read_bytes() == whole


def test_without_utt2spk_each_utterance_is_a_speaker(decoded):
    (decoded / "data/test/utt2spk").unlink()
    assert score(decoded) == 0
    assert "\nu3 " in (decoded / "dnn/decode_test/per_spk").read_text()


def test_allow_incomplete_counts_deletions(decoded, capsys):
    (decoded / "dnn/decode_test/decode.json").unlink()
    (decoded / "dnn/decode_test/hyp.txt").unlink()
    assert score(decoded, "--allow-incomplete") == 0
    assert last_lines(capsys)[0] == "test %CER 100.00 [ 15 / 15, 0 ins, 15 del, 0 sub ]"


REFUSED = {
    "no decode.json": ("dnn/decode_test/decode.json", None, "decode.json: no such file, so decoding did not finish"),
    "not complete": ("dnn/decode_test/decode.json", b'{"complete": false}', 'does not say "complete": true'),
    "complete is not a truth value": (
        "dnn/decode_test/decode.json",
        b'{"complete": "yes"}',
        'does not say "complete"',
    ),
    "cut decode.json": ("dnn/decode_test/decode.json", b'{"compl', "decode.json: is not JSON"),
    "decode.json is a list": (
        "dnn/decode_test/decode.json",
        b"[1]",
        "decode.json: is not a JSON object, so decoding",
    ),
    "no hyp.txt": ("dnn/decode_test/hyp.txt", None, "hyp.txt: no such file, so decoding did not finish"),
    "another set": ("dnn/decode_test/hyp.txt", b"u1 a\nx9 b\n", "hyp.txt:2: x9: this utterance is not in"),
    "twice": ("dnn/decode_test/hyp.txt", b"u1 a\nu1 b\n", "hyp.txt:2: u1: this key has occurred before"),
    "GBK": ("dnn/decode_test/hyp.txt", "u1 今天\n".encode("gbk"), "hyp.txt:1: u1: is not UTF-8 (GBK?)"),
    "no reference": ("data/test/text", None, "text: cannot be read"),
    "empty reference file": ("data/test/text", b"", "text: holds no utterance"),
    "speaker unknown": (
        "data/test/utt2spk",
        b"u1 a\n",
        "utt2spk: u2: this utterance of the reference has no speaker",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_one_line_and_writes_nothing(decoded, capsys, case):
    name, content, message = REFUSED[case]
    if content is None:
        (decoded / name).unlink()
    else:
        (decoded / name).write_bytes(content)
    before = sorted(path.name for path in (decoded / "dnn/decode_test").iterdir())
    assert score(decoded) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1
    assert message in output.err
    assert sorted(path.name for path in (decoded / "dnn/decode_test").iterdir()) == before


def test_wrong_options(decoded, capsys):
    assert score(decoded, "--latin", "syllable") == 2
    assert "'syllable' is not one of word, letter" in capsys.readouterr().err
    assert score(decoded, "--utt2spk", str(decoded / "nowhere")) == 2
    assert "nowhere: cannot be read" in capsys.readouterr().err


def test_same_bytes_again(decoded):
    out = decoded / "dnn/decode_test"
    assert score(decoded) == 0
    stamp = ".done.score.json"  # holds the time of the run
    first = {path.name: path.read_bytes() for path in out.iterdir() if path.name != stamp}
    assert score(decoded, "--force") == 0
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != stamp} == first


def test_protocol_of_aishell_sample(aishell_sample):
    lines = (aishell_sample / "test.txt").read_text(encoding="utf-8-sig").splitlines()
    references = {key: normalise(text, spoken=False) for key, text in (line.split(maxsplit=1) for line in lines)}
    scored = score_texts(references, {}, lambda text: characters(text, latin="letter"), 0)
    assert len(references) == 120
    assert scored.total.length == scored.total.deletions == 1542


def test_output_paths_are_checked_first(decoded, capsys):
    folder = decoded / "dnn" / "decode_test"
    text, hyp = decoded / "data/test/text", folder / "hyp.txt"
    for place, message in (
        (hyp, f"{hyp}: is not a folder; --out names a folder\n"),
        (hyp / "below" / "it", f"{hyp}/below/it: not a directory\n"),
    ):
        assert main(["score", "--ref", str(text), "--hyp", str(hyp), "--out", str(place)]) == 2
        assert capsys.readouterr().err == message
    assert (
        score(decoded, "--set-name", "a\nb") == 2
        and "holds characters that cannot be printed" in capsys.readouterr().err
    )
    assert not (folder / "scores.json").exists()


def test_linked_inputs_are_not_overwritten(decoded, capsys):
    folder = decoded / "dnn" / "decode_test"
    text, hyp = decoded / "data/test/text", folder / "hyp.txt"
    before = text.read_bytes(), hyp.read_bytes()
    os.link(text, folder / "cer")
    assert score(decoded) == 2 and f"{folder}/cer: is read (--ref)" in capsys.readouterr().err
    (folder / "cer").unlink()
    os.symlink(hyp, folder / "wer")
    assert score(decoded) == 2 and f"{folder}/wer: is read (--hyp)" in capsys.readouterr().err
    assert (text.read_bytes(), hyp.read_bytes()) == before
