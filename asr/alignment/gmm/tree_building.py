"""Build the decision tree: the states of phones in context that share a pdf (Kaldi's build-tree).

Every root (a phone, or phones that share one) begins as one leaf, with one Gaussian of diagonal covariance. The leaf
and question whose split gains most likelihood, over all roots, come next, until there are enough leaves or the gain
is below the threshold. Then leaves of one root are merged if that loses less than the last split gained.

    tree = grow(statistics, roots, questions, width=3, place=1, most_leaves=600)
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.context_statistics import ContextStatistics
from asr.kaldi.tree import PDF_CLASS_KEY, Constant, ContextTree, EventMap, Split, Table
from asr.lang.phone_classes import Root

Doubles = npt.NDArray[np.float64]
LEAST_GAIN = 300.0
VARIANCE_FLOOR = 0.01


def gaussian_log_likelihood(sums: Doubles) -> Doubles:
    """Return the log-likelihood, float64 (n), of the frames of each row of sums under their own Gaussian.

    sums: float64 (n, 1 + 2 dim), the number of frames, the features and their squares.
    """
    _, variance = means_and_variances(sums)
    constant = variance.shape[1] * (1 + math.log(2 * math.pi))
    return np.asarray(-0.5 * sums[:, 0] * (constant + np.log(variance).sum(axis=1)))


def means_and_variances(sums: Doubles) -> tuple[Doubles, Doubles]:
    """Return means and floored variances, float64 (n, dim) each, of the frames of each row of sums (n, 1 + 2 dim)."""
    dim = (sums.shape[1] - 1) // 2
    count = np.maximum(sums[:, :1], 1e-30)
    mean = sums[:, 1 : 1 + dim] / count
    return mean, np.maximum(sums[:, 1 + dim :] / count - np.square(mean), VARIANCE_FLOOR)


@dataclass(eq=False)
class _Node:
    """A leaf with `rows` of the statistics, or, if `key` is set, a split."""

    rows: npt.NDArray[np.intp]
    sums: Doubles
    root: int
    key: int | None = None
    members: frozenset[int] = frozenset()
    yes: _Node | None = None
    no: _Node | None = None
    pdf: int = -1


class Questions:
    """The questions about one key (a position of the window, or the pdf class), as rows of a 0-1 matrix."""

    def __init__(self, sets: Sequence[frozenset[int]]) -> None:
        self.sets = list(sets)
        self.table = np.zeros((len(self.sets), 1 + max((max(members) for members in sets), default=0)))
        for row, members in enumerate(self.sets):
            self.table[row, sorted(members)] = 1

    def best(self, values: npt.NDArray[np.int32], sums: Doubles, whole: float) -> tuple[float, frozenset[int]]:
        """Return (gain, question) of the best split of a leaf whose rows have these `values` of the key."""
        present, where = np.unique(values, return_inverse=True)
        if len(present) < 2 or not self.sets:
            return -math.inf, frozenset()
        by_value = np.zeros((len(present), sums.shape[1]))
        np.add.at(by_value, where, sums)
        columns = np.zeros((len(self.sets), len(present)))
        known = present < self.table.shape[1]
        columns[:, known] = self.table[:, present[known]]
        yes = columns @ by_value
        no = by_value.sum(axis=0) - yes
        two_sided = (columns.any(axis=1)) & (~columns.all(axis=1))
        gain = np.where(two_sided, gaussian_log_likelihood(yes) + gaussian_log_likelihood(no) - whole, -np.inf)
        row = int(np.argmax(gain))
        return float(gain[row]), self.sets[row]


def grow(
    statistics: ContextStatistics,
    roots: Sequence[Root],
    questions: Mapping[int, Sequence[frozenset[int]]],
    *,
    width: int,
    place: int,
    most_leaves: int,
    num_classes: Mapping[int, int],
    least_gain: float = LEAST_GAIN,
) -> ContextTree:
    """Return the tree of `statistics`, with pdfs numbered root by root.

    width, place: the window in phones, and the position of the phone in it. questions: {key: sets of values}, keys 0
    to width - 1 for the window, -1 for the pdf class. num_classes: {phone: number of its pdf classes}, used for roots
    whose pdf classes share no leaf. least_gain: the smallest gain of a split in log-likelihood.
    """
    tables = {key: Questions(sets) for key, sets in questions.items()}
    tops = _tops(statistics, roots, place, num_classes)
    queue: list[tuple[float, int, _Node, int, frozenset[int]]] = []
    turn = itertools.count()  # of equal gains the older leaf comes first

    def consider(node: _Node) -> None:
        if roots[node.root].split and len(node.rows):
            gain, key, members = _best_split(node, statistics, tables)
            if gain > least_gain:
                heapq.heappush(queue, (-gain, next(turn), node, key, members))

    first = [node for nodes in tops for node in nodes.values()]
    for node in first:
        consider(node)
    leaves, last_gain = len(first), math.inf
    while queue and leaves < most_leaves:
        gain, _, node, key, members = heapq.heappop(queue)
        last_gain = min(last_gain, -gain)
        leaves += 1
        for half in _split(node, key, members, statistics):
            consider(half)
    _merge(tops, least_gain if math.isinf(last_gain) else last_gain)
    return ContextTree(width, place, _event_map(tops, roots, place))


def _tops(
    statistics: ContextStatistics, roots: Sequence[Root], place: int, num_classes: Mapping[int, int]
) -> list[dict[int, _Node]]:
    """Return the first leaves of every root, {pdf class: node}; class -1 if the classes share one."""
    centre, classes = statistics.keys[:, place], statistics.keys[:, -1]
    tops = []
    for number, root in enumerate(roots):
        mine = np.isin(centre, root.phones)
        shares = [PDF_CLASS_KEY] if root.shared else list(range(max(num_classes[phone] for phone in root.phones)))
        nodes = {}
        for share in shares:
            rows = np.flatnonzero(mine if share == PDF_CLASS_KEY else mine & (classes == share))
            nodes[share] = _Node(rows, statistics.sums[rows].sum(axis=0), number)
        tops.append(nodes)
    return tops


def _best_split(
    node: _Node, statistics: ContextStatistics, tables: Mapping[int, Questions]
) -> tuple[float, int, frozenset[int]]:
    whole = float(gaussian_log_likelihood(node.sums[None])[0])
    best: tuple[float, int, frozenset[int]] = (-math.inf, 0, frozenset())
    for key, table in tables.items():
        gain, members = table.best(statistics.keys[node.rows, key], statistics.sums[node.rows], whole)
        if gain > best[0]:
            best = gain, key, members
    return best


def _split(node: _Node, key: int, members: frozenset[int], statistics: ContextStatistics) -> list[_Node]:
    inside = np.isin(statistics.keys[node.rows, key], sorted(members))
    node.yes, node.no = (
        _Node(rows, statistics.sums[rows].sum(axis=0), node.root) for rows in (node.rows[inside], node.rows[~inside])
    )
    node.key, node.members = key, members
    return [node.yes, node.no]


def _leaves(node: _Node) -> list[_Node]:
    if node.key is None:
        return [node]
    assert node.yes is not None and node.no is not None
    return _leaves(node.yes) + _leaves(node.no)


def _merge(tops: Sequence[Mapping[int, _Node]], threshold: float) -> None:
    """Number the pdfs; leaves of one root share a pdf if that loses less than `threshold`."""
    next_pdf = 0
    for nodes in tops:
        for top in nodes.values():
            leaves = _leaves(top)
            for cluster in _clusters(np.stack([leaf.sums for leaf in leaves]), threshold):
                for member in cluster:
                    leaves[member].pdf = next_pdf
                next_pdf += 1


def _clusters(rows: Doubles, threshold: float) -> list[list[int]]:
    """Return the rows to merge: the cheapest pair first, as long as it costs less than `threshold`."""
    clusters = [[number] for number in range(len(rows))]
    rows = rows.copy()
    while len(clusters) > 1:
        own = gaussian_log_likelihood(rows)
        one, two = np.triu_indices(len(rows), 1)
        loss = own[one] + own[two] - gaussian_log_likelihood(rows[one] + rows[two])
        best = int(np.argmin(loss))
        if loss[best] >= threshold:
            break
        keep, gone = int(one[best]), int(two[best])
        clusters[keep] += clusters.pop(gone)
        rows[keep] += rows[gone]
        rows = np.delete(rows, gone, axis=0)
    return clusters


def _event_map(tops: Sequence[Mapping[int, _Node]], roots: Sequence[Root], place: int) -> EventMap:
    answers: list[EventMap | None] = [None] * (1 + max(phone for root in roots for phone in root.phones))
    for nodes, root in zip(tops, roots, strict=True):
        maps = {share: _map(node) for share, node in nodes.items()}
        whole = maps.get(PDF_CLASS_KEY) or Table(PDF_CLASS_KEY, tuple(maps[share] for share in sorted(maps)))
        for phone in root.phones:
            answers[phone] = whole
    return Table(place, tuple(answers))


def _map(node: _Node) -> EventMap:
    if node.key is None:
        return Constant(node.pdf)
    assert node.yes is not None and node.no is not None
    yes, no = _map(node.yes), _map(node.no)
    if isinstance(yes, Constant) and yes == no:
        return yes
    return Split(node.key, node.members, yes, no)
