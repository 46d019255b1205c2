"""Kaldi's layouts, from the examples in the usage of Kaldi's own scripts, and padding by display width."""

from __future__ import annotations

import pytest

from asr.scoring.counts import Counts, align, count
from asr.scoring.details import (
    aligned_lines,
    confusions,
    display_width,
    ops_lines,
    pad,
    per_speaker_lines,
    per_utterance_lines,
)

# the pairs in the usage of wer_per_utt_details.pl
KALDI = [
    ("word-A", "word-A"),
    (None, "word-A"),
    ("word-B", "word-B"),
    ("word-C", None),
    ("word-D", "word-D"),
    ("word-E", "word-X"),
]


def test_per_utterance_has_kaldis_fields():
    lines = per_utterance_lines("UTT-A", KALDI, count(KALDI))
    assert [line.split() for line in lines] == [
        ["UTT-A", "ref", "word-A", "***", "word-B", "word-C", "word-D", "word-E"],
        ["UTT-A", "hyp", "word-A", "word-A", "word-B", "***", "word-D", "word-X"],
        ["UTT-A", "op", "C", "I", "C", "D", "C", "S"],
        ["UTT-A", "#csid", "3", "1", "1", "1"],
    ]
    # the heads of the lines and the two spaces between columns, exactly
    assert lines[0] == "UTT-A ref  word-A    ***   word-B  word-C  word-D  word-E"
    assert lines[2].startswith("UTT-A op      C   ")
    assert lines[3] == "UTT-A #csid 3 1 1 1"


def test_per_utterance_pads_han_by_display_width():
    pairs = align(list("中国人"), list("中人"))
    reference, hypothesis, done, _ = per_utterance_lines("u", pairs, count(pairs))
    assert reference == "u ref  中   国  人"
    assert hypothesis == "u hyp  中  ***  人"
    assert display_width(reference) == display_width(hypothesis) == display_width(done)


def test_per_speaker_is_kaldis_table():
    lines = per_speaker_lines({"A": [Counts(3, 1, 1, 1)]})
    assert lines == [
        "SPEAKER         id       #SENT      #WORD       Corr        Sub        Ins        Del        Err      S.Err",
        "A               raw          1          5          3          1          1          1          3          1",
        "A               sys          1          5      60.00      20.00      20.00      20.00      60.00     100.00",
        "SUM             raw          1          5          3          1          1          1          3          1",
        "SUM             sys          1          5      60.00      20.00      20.00      20.00      60.00     100.00",
    ]


def test_per_speaker_adds_up_and_distinguishes_speakers():
    lines = per_speaker_lines({"a": [Counts(0, 0, 0, 2)], "b": [Counts(2, 0, 1, 0), Counts(4, 0, 0, 0)]})
    rows = {(fields[0], fields[1]): fields[2:] for fields in map(str.split, lines[1:])}
    assert rows["b", "raw"] == ["2", "7", "6", "0", "0", "1", "1", "1"]
    assert ("a", "sys") not in rows  # nothing to divide by
    assert rows["SUM", "raw"] == ["3", "7", "6", "0", "2", "1", "3", "2"]
    assert rows["SUM", "sys"][6] == "42.86"
    assert [line.split()[0] for line in lines] == ["SPEAKER", "a", "b", "b", "SUM", "SUM"]


@pytest.mark.parametrize(
    ("text", "cells"),
    [("A", 1), ("天", 2), ("Ａ", 2), ("天A", 3), ("，", 2), ("", 0), ("e\u0301", 1), ("\U00020000", 2), ("CALL", 4)],
)
def test_display_width(text, cells):
    assert display_width(text) == cells


def test_pad():
    assert pad("天", 5) == "天   "
    assert pad("天", 5, "right") == "   天"
    assert pad("天", 5, "centre") == "  天 "
    assert pad("天气", 2) == "天气"


def test_confusions_by_count_with_an_example():
    alignments = {
        "u1": [("行", "航"), ("新", "新")],
        "u2": [("行", "航"), (None, "的"), ("店", None)],
        "u3": [("新", "心"), ("新", "新"), ("新", "新")],
    }
    found = confusions(alignments)
    assert found[0] == ("substitution", ("行", "航"), 2, "u1")
    assert {entry[0] for entry in found[1:4]} == {"insertion", "substitution", "deletion"}
    assert found[-1] == ("correct", ("新", "新"), 3, "u1")
    lines = ops_lines(found)
    assert lines[0].split() == ["substitution", "行", "航", "2"]
    assert lines[-1].split() == ["correct", "新", "新", "3"]
    assert ["insertion", "***", "的", "1"] in [line.split() for line in lines]
    assert len({display_width(line) for line in lines}) == 1
    assert ops_lines([]) == []


def test_aligned_text_lines_up_and_wraps():
    reference, hypothesis = list("打开" * 60), list("打开" * 60)
    hypothesis[70] = "大"
    pairs = align(reference, hypothesis)
    lines = aligned_lines("u", "s", pairs, count(pairs))
    assert lines[0] == "u (s)  %CER 0.83 [ 1 / 120, 0 ins, 0 del, 1 sub ]"
    assert max(map(display_width, lines)) <= 106
    said = "".join(line.removeprefix("  ref") for line in lines if line.startswith("  ref")).replace(" ", "")
    assert said == "".join(reference)
    place = next(i for i, line in enumerate(lines) if line.strip() == "S")
    column = display_width(lines[place]) - 1
    before = lines[place - 1][: lines[place - 1].index("大")]
    assert display_width(before) in (column - 1, column)


def test_aligned_text_of_nothing():
    assert aligned_lines("u", "s", [], Counts()) == [
        "u (s)  no CER: the reference holds no unit [ 0 / 0, 0 ins, 0 del, 0 sub ]",
        "  ref",
        "  hyp",
        "",
    ]
