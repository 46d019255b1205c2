"""G.fst as a back-off language model with one cost for every word after every history.

In G a word may be reached through the back-off arc even if its n-gram was seen. Here, as in Kaldi's
BackoffDeterministicOnDemandFst, the back-off arc is taken only if there is no arc with the word. Reads G.fst.

    grammar = BackoffGrammar.read(Path("lang/G.fst"), read_symbols(Path("lang/words.txt"))["#0"])
    state, cost = grammar.step(grammar.start, word)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit

from asr.decoding.arrays import Float, Floats, Int, Ints, row_starts
from asr.errors import InputError
from asr.kaldi.fst import read_fst

LONGEST = 20  # back-off arcs in a row

GrammarArrays = tuple[Ints, Ints, Ints, Floats, Ints, Floats]


@dataclass(frozen=True)
class BackoffGrammar:
    """A back-off language model; its states are histories.

    first: int64 (states + 1), arcs first[s]:first[s + 1] of state s; word, target: int32 (arcs), words ascending
    within a state; cost: float64 (arcs), natural. back: int32 (states), the target of the back-off arc, -1 for none;
    back_cost, final: float64 (states), final through back-off arcs, infinite if no sentence can end.
    """

    start: int
    first: Ints
    word: Ints
    target: Ints
    cost: Floats
    back: Ints
    back_cost: Floats
    final: Floats

    @classmethod
    def read(cls, path: Path, backoff_label: int) -> BackoffGrammar:
        """Read a G.fst whose back-off arcs carry the input label `backoff_label` (#0). Raises InputError."""
        fst = read_fst(path)
        if fst.start < 0:
            raise InputError("is an empty language model", file=path)
        states, arcs = fst.num_states, fst.arcs
        source = np.repeat(np.arange(states), fst.degree)
        if (arcs["ilabel"] == 0).any():
            raise InputError("has arcs without a word that are not back-off arcs (#0)", file=path)
        backs = arcs["ilabel"] == backoff_label
        order = np.lexsort((arcs["ilabel"], source, backs))[: int((~backs).sum())]
        word = arcs["ilabel"][order].astype(np.int32)
        same = (word[1:] == word[:-1]) & (source[order][1:] == source[order][:-1])
        if same.any() or np.bincount(source[backs], minlength=states).max(initial=0) > 1:
            raise InputError("has two arcs with one word from one state: not a back-off language model", file=path)
        back, back_cost = np.full(states, -1, np.int32), np.zeros(states)
        back[source[backs]], back_cost[source[backs]] = arcs["nextstate"][backs], arcs["weight"][backs]
        final = _final(fst.final.astype(np.float64), back, back_cost, path)
        cost = arcs["weight"][order].astype(np.float64)
        first, target = row_starts(source[order], states), arcs["nextstate"][order].astype(np.int32)
        return cls(fst.start, first, word, target, cost, back, back_cost, final)

    def step(self, state: Int, word: int) -> tuple[Int, Float]:
        """Return (next state, cost) of a word; an infinite cost, and the state without history, if it is unknown."""
        found: tuple[Int, Float] = step(self.arrays, state, word)
        return found

    @property
    def arrays(self) -> GrammarArrays:
        """Return the arrays that `step` takes."""
        return self.first, self.word, self.target, self.cost, self.back, self.back_cost

    @property
    def root(self) -> int:
        """Return the state without history, where back-off arcs end."""
        state = self.start
        while self.back[state] >= 0:
            state = int(self.back[state])
        return state

    def costs_without_history(self, words: int) -> Floats:
        """Return the cost of each word-id below `words` without history, float64 (words); infinite if unknown."""
        arcs = slice(self.first[self.root], self.first[self.root + 1])
        known = self.word[arcs] < words
        result = np.full(words, np.inf)
        result[self.word[arcs][known]] = self.cost[arcs][known]
        return result


def _final(final: Floats, back: Ints, back_cost: Floats, path: Path) -> Floats:
    """Return the cost of an end after every history. Raises InputError if the back-off arcs have no end."""
    result, at, cost = final.copy(), np.arange(len(final)), np.zeros(len(final))
    for _ in range(LONGEST):
        on = (back[at] >= 0) & np.isinf(result)
        if not on.any():
            break
        cost[on] += back_cost[at[on]]
        at[on] = back[at[on]]
        result[on] = final[at[on]] + cost[on]
    at = np.arange(len(final))
    for _ in range(LONGEST):
        at = np.where(back[at] >= 0, back[at], at)
    if (back[at] >= 0).any():
        raise InputError(f"has more than {LONGEST} back-off arcs in a row", file=path)
    return result


@njit(cache=True, nogil=True)
def step(arrays: GrammarArrays, state: Int, word: Int) -> tuple[Int, Float]:
    """Return the same as BackoffGrammar.step; arrays: BackoffGrammar.arrays."""
    first, label, target, cost, back, back_cost = arrays
    paid: Float = 0.0
    while True:
        low, high = first[state], first[state + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if label[middle] < word:
                low = middle + 1
            else:
                high = middle
        if low < end and label[low] == word:
            return np.int64(target[low]), paid + cost[low]
        if back[state] < 0:
            return np.int64(state), np.inf
        paid += back_cost[state]
        state = np.int64(back[state])
