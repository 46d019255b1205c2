"""The tree against brute force on small statistics."""

import itertools

import numpy as np
import pytest

from asr.alignment.gmm.context_statistics import ContextStatistics
from asr.alignment.gmm.tree_building import Questions, gaussian_log_likelihood, grow
from asr.kaldi.tree import PDF_CLASS_KEY, Constant, Split
from asr.lang.phone_classes import Root


def statistics(means, count=200):
    """Return the sums of `count` frames of unit variance for each of {(left, phone, right, pdf class): mean}."""
    keys = np.array(list(means), dtype=np.int32)
    sums = np.array([[count, count * mean, count * (1 + mean**2)] for mean in means.values()], dtype=float)
    return ContextStatistics(keys, sums)


def test_likelihood_is_the_formula():
    rows = np.random.default_rng(1).normal(3, 2, 50)
    sums = np.array([[50, rows.sum(), np.square(rows).sum()]])
    density = np.exp(-0.5 * np.square(rows - rows.mean()) / rows.var()) / np.sqrt(2 * np.pi * rows.var())
    assert gaussian_log_likelihood(sums) == pytest.approx(np.log(density).sum())


def test_best_question_is_that_of_brute_force():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 6, 40)
    sums = np.array(
        [[n, n * m, n * (1 + m * m)] for n, m in zip(rng.integers(1, 50, 40), rng.normal(size=40), strict=True)]
    )
    sets = [frozenset(some) for size in (1, 2, 3) for some in itertools.combinations(range(6), size)]
    whole = gaussian_log_likelihood(sums.sum(axis=0, keepdims=True))[0]
    gains = {}
    for members in sets:
        inside = np.isin(values, sorted(members))
        if inside.all() or not inside.any():
            continue
        halves = np.stack([sums[inside].sum(axis=0), sums[~inside].sum(axis=0)])
        gains[members] = gaussian_log_likelihood(halves).sum() - whole
    gain, members = Questions(sets).best(values, sums, whole)
    assert gain == pytest.approx(max(gains.values())) and gains[members] == pytest.approx(gain)


SETS = [frozenset({1}), frozenset({2}), frozenset({3})]
#: phone 1 differs after phone 2, phone 2 differs before phone 3; the three pdf classes differ much
MEANS = {
    (left, phone, right, pdf_class): 100 * phone
    + 20 * pdf_class
    + (8 if phone == 1 and left == 2 else 0)
    + (5 if phone == 2 and right == 3 else 0)
    for left in (0, 1, 2, 3)
    for phone in (1, 2)
    for right in (1, 3)
    for pdf_class in (0, 1, 2)
}


def tree_of(most_leaves, **options):
    options = {"width": 3, "place": 1, "num_classes": {1: 3, 2: 3, 3: 3}, **options}
    questions = {0: SETS, 1: SETS, 2: SETS, PDF_CLASS_KEY: [frozenset({0}), frozenset({0, 1})]}
    roots = options.pop("roots", [Root((1,)), Root((2,)), Root((3,))])
    return grow(statistics(MEANS), roots, questions, most_leaves=most_leaves, **options)


def test_the_tree_separates_contexts_that_differ():
    tree = tree_of(100)
    for key, mean in MEANS.items():
        others = {other for other, value in MEANS.items() if value == mean}
        pdfs = {tree.compute(list(other[:3]), other[3]) for other in others}
        assert pdfs == {tree.compute(list(key[:3]), key[3])}
    assert tree.num_pdfs == len(set(MEANS.values())) + 1  # and one for phone 3, which was never heard
    assert tree.compute([1, 3, 1], 2) == tree.num_pdfs - 1


def test_the_largest_differences_are_split_first_and_leaves_are_bounded():
    tree = tree_of(9)  # three roots, and six leaves more
    assert tree.num_pdfs <= 9
    assert len({tree.compute([0, 1, 1], pdf_class) for pdf_class in range(3)}) == 3
    assert len({tree.compute([0, 2, 1], pdf_class) for pdf_class in range(3)}) == 3


def test_a_shared_root_asks_about_the_phone_itself():
    tree = tree_of(100, roots=[Root((1, 2)), Root((3,))])
    assert tree.compute([0, 1, 1], 0) != tree.compute([0, 2, 1], 0)


def test_a_root_that_is_not_to_be_split_stays_whole():
    tree = tree_of(100, roots=[Root((1,), split=False), Root((2,), shared=False, split=False), Root((3,))])
    assert {tree.compute([left, 1, 3], c) for left in range(4) for c in range(3)} == {0}
    assert [tree.compute([0, 2, 1], c) for c in range(3)] == [1, 2, 3]


def test_similar_leaves_are_merged():
    """Left contexts 1 and 3 are similar, 2 is not; a first question about 1 makes two similar leaves."""
    means = {(left, 1, 0, 0): {1: 0.0, 2: 9.0, 3: 0.1}[left] for left in (1, 2, 3)}
    questions = {0: [frozenset({1}), frozenset({3})], 1: [], 2: [], PDF_CLASS_KEY: []}
    tree = grow(
        statistics(means), [Root((1,))], questions, width=3, place=1, most_leaves=9, num_classes={1: 1}, least_gain=1
    )
    assert isinstance(tree.to_pdf.answers[1], Split)
    assert tree.compute([1, 1, 0], 0) == tree.compute([3, 1, 0], 0) != tree.compute([2, 1, 0], 0)


def test_without_a_gain_there_is_one_leaf_a_root():
    tree = tree_of(100, least_gain=1e9)
    assert tree.num_pdfs == 3 and tree.to_pdf.answers[1] == Constant(0)
