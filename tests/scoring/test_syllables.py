"""Alignment by sound: readings in context, polyphonic characters, and the best of all alignments."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.scoring.counts import align, count
from asr.scoring.syllables import ALONE, Syllable, align_sounds, differing, in_context, nearest


def names(sounds):
    return [sound and sound.tonal for sound in sounds]


def test_characters_are_read_in_their_sentence():
    assert names(in_context(list("银行行长"))) == ["y in2", "h ang2", "h ang2", "zh ang3"]
    assert names(in_context(["去", "OK", "儿"])) == ["q u4", None, "er2"]
    assert in_context(list("中"))[0] == Syllable("zh", "ong", "1") and Syllable.of(["er2"]) == ("", "er", "2")
    assert Syllable("zh", "ong", "1").toneless == "zh ong" and Syllable("", "er", "2").toneless == "er"


def test_a_character_has_the_reading_nearest_to_the_reference():
    # 重 is zhong4 and chong2; by itself pypinyin reads zhong4
    pairs = {char: align_sounds([char], ["重"])[0] for char in "虫中总听"}
    found = {char: (left[1].tonal, right[1].tonal) for char, (left, right) in pairs.items()}
    assert found["虫"] == ("ch ong2", "ch ong2")
    assert found["中"] == ("zh ong1", "zh ong4")
    assert found["总"] == ("z ong3", "zh ong4")
    # the same character always has the same sound: 行 is read xing2 in 不行 and hang2 in 银行
    assert align_sounds(list("不行"), list("银行"))[1] == (("行", Syllable("x", "ing", "2")),) * 2


def test_the_parts_that_differ():
    zhong, chong, zhang = Syllable("zh", "ong", "1"), Syllable("ch", "ong", "2"), Syllable("zh", "ang", "1")
    assert differing(zhong, chong) == ["initial", "tone"] and differing(zhong, zhang) == ["final"]
    assert differing(zhong, zhong) == []


def test_of_equal_alignments_the_one_with_the_nearest_sounds():
    """Reference 大 市, hypothesis 是: one of them is lost, and 是 sounds like 市."""
    for reference, hypothesis, expected in (
        ("大市", "是", [("大", None), ("市", "是")]),
        ("市大", "是", [("市", "是"), ("大", None)]),
        ("是", "大市", [(None, "大"), ("是", "市")]),
        ("", "", []),
        ("市", "", [("市", None)]),
        ("", "市", [(None, "市")]),
    ):
        pairs = align_sounds(list(reference), list(hypothesis))
        assert [(left and left[0], right and right[0]) for left, right in pairs] == expected


def costs_of(reference, hypothesis, pairs):
    """Return (errors, cost of sounds) of an alignment."""
    errors = cost = 0
    for left, right in pairs:
        if left is None or right is None:
            errors, cost = errors + 1, cost + ALONE
        elif left[0] != right[0]:
            errors, cost = errors + 1, cost + nearest(*left, right[0], choices_of(tuple(hypothesis), right[0]))[0]
    return errors, cost


@cache
def choices_of(hypothesis, unit):
    from asr.scoring.syllables import _choices

    place = hypothesis.index(unit)
    return _choices(unit, in_context(hypothesis)[place])


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.sampled_from("是市大打妈OK的中".replace("OK", "K")), max_size=5, unique=True)] * 2)
def test_no_alignment_is_better(reference, hypothesis):
    """The oracle tries all alignments. Units of a side differ, so that each has one reading."""
    spoken = dict(zip(reference, in_context(reference), strict=True))

    @cache
    def best(i, j):
        if i == len(reference) and j == len(hypothesis):
            return 0, 0
        ways = []
        if i < len(reference):
            errors, cost = best(i + 1, j)
            ways.append((errors + 1, cost + ALONE))
        if j < len(hypothesis):
            errors, cost = best(i, j + 1)
            ways.append((errors + 1, cost + ALONE))
        if i < len(reference) and j < len(hypothesis):
            errors, cost = best(i + 1, j + 1)
            left, right = reference[i], hypothesis[j]
            more = nearest(left, spoken[left], right, choices_of(tuple(hypothesis), right))[0]
            ways.append((errors + (left != right), cost + (more if left != right else 0)))
        return min(ways)

    pairs = align_sounds(reference, hypothesis)
    assert [left[0] for left, _ in pairs if left] == reference
    assert [right[0] for _, right in pairs if right] == hypothesis
    assert costs_of(reference, hypothesis, pairs) == best(0, 0)
    assert best(0, 0)[0] == count(align(reference, hypothesis)).errors


@pytest.mark.parametrize("unit", ["OK", "７", "々", "𠮷"])
def test_units_without_a_reading(unit):
    pairs = align_sounds([unit], ["中"])
    assert pairs[0][0][0] == unit and pairs[0][1] == ("中", Syllable("zh", "ong", "1"))
