"""The questions of the tree: Mandarin's classes of phones, and clusters from the data."""

import numpy as np
import pytest

from asr.alignment.gmm.questions import clustered_questions, parts, phone_questions
from asr.lang.pronunciation import ALL_PHONES, INITIALS


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("ang4", ("ang", "4")),
        ("zh", ("zh", "")),
        ("ang4_E", ("ang", "4")),
        ("b_B", ("b", "")),
        ("SIL", ("sil", "")),
        ("ix1", ("ix", "1")),
    ],
)
def test_parts(phone, expected):
    assert parts(phone) == expected


NAMES = dict(enumerate(["SIL", "SPN", *ALL_PHONES], 1))
IDS = {name: number for number, name in NAMES.items()}


def members(*names):
    return frozenset(IDS[name] for name in names)


def test_mandarin_questions_are_the_classes_of_textbooks():
    asked = set(phone_questions(NAMES))
    assert members("b", "p", "m") in asked and members("zh", "ch", "sh", "r") in asked
    assert members("j", "q", "x", "y") in asked and members("m", "n") in asked
    assert members(*INITIALS) in asked
    assert frozenset(n for n, name in NAMES.items() if name.endswith("4")) in asked
    assert frozenset(n for n, name in NAMES.items() if name[:-1] == "uang") in asked
    nasal = frozenset(n for n, name in NAMES.items() if name[-1].isdigit() and name[:-1].endswith("ng"))
    assert nasal in asked
    assert all(0 < len(question) < len(NAMES) for question in asked)


def test_every_final_is_described():
    """A question other than its own name distinguishes nearly every pair of finals."""
    asked = [q for q in phone_questions(NAMES) if len({NAMES[n].rstrip("12345") for n in q}) > 1]
    finals = sorted({name[:-1] for name in ALL_PHONES if name[-1].isdigit()} - {"n"})
    described = {final: tuple(any(NAMES[n][:-1] == final for n in q) for q in asked) for final in finals}
    alike = [(a, b) for a in finals for b in finals if a < b and described[a] == described[b]]
    assert len(alike) < 12, alike


def test_other_phone_sets_and_extra_sets():
    asked = phone_questions({1: "SIL", 2: "AA", 3: "foo"}, extra=[(2, 3), (1, 99)])
    assert frozenset({2, 3}) in asked and frozenset({1}) in asked and len(asked) == len(set(asked))


def test_similar_phones_are_merged_first():
    def sums(mean):  # a hundred frames of unit variance around `mean`
        return [100, 100 * mean, 100 * (1 + mean**2)]

    found = clustered_questions([(1,), (2,), (3,), (4, 5)], np.array([sums(0), sums(10), sums(0.1), sums(9)]))
    assert found == [frozenset({1}), frozenset({2}), frozenset({3}), frozenset({4, 5}), {1, 3}, {2, 4, 5}]


def test_phones_without_frames_are_left_out():
    assert clustered_questions([(1,), (2,)], np.array([[0.0, 0, 0], [5, 1, 9]])) == [frozenset({2})]
