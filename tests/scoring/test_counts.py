"""Alignment and counts against a plain exact oracle and numbers worked out by hand; the bootstrap interval."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.scoring.counts import Counts, align, count, interval, operation, total

UNITS = st.lists(st.sampled_from("今天气好的"), max_size=9)


def distance(reference: list[str], hypothesis: list[str]) -> int:
    """Return the Levenshtein distance by the textbook recursion over prefixes, row by row."""
    row = list(range(len(hypothesis) + 1))
    for i, r in enumerate(reference, 1):
        above, row = row, [i]
        for j, h in enumerate(hypothesis, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (r != h)))
    return row[-1]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("今天天气好", "今天天气好", Counts(5, 0, 0, 0)),
        ("今天天气好", "今天填气好啊", Counts(4, 1, 0, 1)),
        ("中国人", "中人", Counts(2, 0, 1, 0)),
        ("", "你好", Counts(0, 0, 0, 2)),
        ("你好", "", Counts(0, 0, 2, 0)),
        ("", "", Counts()),
        ("甲乙丙", "丁戊己", Counts(0, 3, 0, 0)),
    ],
)
def test_counts_by_hand(reference, hypothesis, expected):
    assert count(align(list(reference), list(hypothesis))) == expected


@settings(max_examples=200, deadline=None)
@given(UNITS, UNITS)
def test_alignment_is_a_best_one_and_loses_nothing(reference, hypothesis):
    pairs = align(reference, hypothesis)
    assert [r for r, _ in pairs if r is not None] == reference
    assert [h for _, h in pairs if h is not None] == hypothesis
    assert (None, None) not in pairs
    counts = count(pairs)
    assert counts.errors == distance(reference, hypothesis)
    assert counts.length == len(reference)


def test_a_unit_that_looks_like_a_gap_is_a_unit():
    assert align(["***", "<eps>"], ["***", "-1"]) == [("***", "***"), ("<eps>", "-1")]


def test_operations():
    assert [operation(pair) for pair in [("好", "好"), ("好", "号"), ("好", None), (None, "号")]] == list("CSDI")


def test_the_rate_is_of_sums_not_a_mean_of_rates():
    # rates 100 % and 0 %: their mean would be 50 %, the error rate is 1 / 10
    assert total([Counts(0, 1, 0, 0), Counts(9, 0, 0, 0)]).rate == 10.0


def test_rate_over_100_and_without_reference():
    assert Counts(0, 1, 0, 2).rate == 300.0
    assert Counts(0, 0, 0, 2).rate is None and Counts().rate is None
    assert Counts(0, 0, 0, 2).line("CER") == "no CER: the reference holds no unit [ 2 / 0, 2 ins, 0 del, 0 sub ]"


def test_line_is_kaldis():
    counts = Counts(correct=1350, substitutions=150, deletions=30, insertions=12)
    assert counts.line("WER") == "%WER 12.55 [ 192 / 1530, 12 ins, 30 del, 150 sub ]"
    assert counts.line("CER").startswith("%CER 12.55 [")


def texts(number: int, wrong_every: int) -> list[tuple[list[str], list[str]]]:
    return [(list("今天天气好"), list("今天天气坏" if i % wrong_every == 0 else "今天天气好")) for i in range(number)]


def test_interval_holds_the_rate_and_is_the_same_each_time():
    sample = texts(60, 3)  # 20 of 60 utterances with one error in five units
    low, high = interval(sample, seed=7)
    assert interval(sample, seed=7) == (low, high)
    assert interval(sample, seed=8) != (low, high)
    rate = 100 * 20 / 300
    # the mean of 60 draws of 0 or 20 %, of which a third is 20 %: sqrt(1/3 · 2/3 / 60) · 20 % = 1.217 %
    assert low == pytest.approx(rate - 1.96 * 1.217, abs=0.1)
    assert high == pytest.approx(rate + 1.96 * 1.217, abs=0.1)


def test_interval_shrinks_with_more_utterances_and_never_goes_below_zero():
    low, high = interval(texts(40, 40))
    assert low == 0.0 and high > 0.5
    more_low, more_high = interval(texts(400, 3))
    less_low, less_high = interval(texts(40, 3))
    assert more_high - more_low < (less_high - less_low) / 2


def test_no_interval_of_too_few_utterances():
    assert interval([(["好"], ["好"])]) is None
    assert interval([(["好"], ["好"]), ([], ["好"])]) is None  # a draw may hold no reference at all
    assert interval([]) is None
    assert interval([([], ["好"]), ([], []), ([], ["好"])]) is None
    # a thousand draws never lack the one utterance with units, and still it is one utterance
    assert interval([(["好"] * 9, ["好"]), *[([], [])] * 3]) is None


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.sampled_from("今天好"), min_size=1, max_size=5), UNITS), min_size=2, max_size=8)
)
def test_interval_contains_the_rate(sample):
    rate = total(count(align(r, h)) for r, h in sample).rate
    low, high = interval(sample)
    assert 0 <= low <= rate <= high
