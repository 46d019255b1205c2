"""What a lattice says: the best words with times and confidences, the N best, the phones.

reader = LatticeReader(graph.words, Timing.read(graph_dir, model), acoustic_scale=0.125, penalty=0.0)
reader.read(lattice, lattice_beam=6.0, most=10).words          # [Word("今", 12, 9, 0.98), ...]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr.decoding.lattices.lattice import CompactLattice, Lattice, Path, determinised
from asr.decoding.lattices.timing import Timed, Timing
from asr.decoding.word_table import WordTable
from asr.errors import InputError

MOST_STEPS = 1_000_000  # of the search for the N best


@dataclass(frozen=True)
class Word:
    """A word, its first frame and frames (0, 0 where they could not be told), and its posterior."""

    text: str
    first: int
    frames: int
    confidence: float


@dataclass(frozen=True)
class Entry:
    """One of the N best: words as text, unscaled costs."""

    words: tuple[str, ...]
    cost_graph: float
    cost_acoustic: float


@dataclass(frozen=True)
class Hypothesis:
    """The best words of an utterance, and what else its lattice tells. `cost`: the best path's, scaled."""

    words: tuple[Word, ...]
    phones: tuple[Timed, ...]
    n_best: tuple[Entry, ...]
    cost: float
    compact: CompactLattice


@dataclass(frozen=True)
class LatticeReader:
    """Reads lattices under fixed weights: acoustic scale (1 / LM weight) and insertion penalty."""

    table: WordTable
    timing: Timing
    acoustic_scale: float
    penalty: float

    def read(self, lattice: Lattice, lattice_beam: float, most: int = 1) -> Hypothesis:
        """The hypothesis of a lattice, with up to `most` of the best."""
        return self.of_compact(determinised(lattice, self.acoustic_scale, lattice_beam), most)

    def of_compact(self, compact: CompactLattice, most: int = 1) -> Hypothesis:
        """The hypothesis of a compact lattice. Raises InputError where it has no path."""
        paths = best_paths(compact, self.acoustic_scale, self.penalty, max(most, 1))
        if not paths:
            raise InputError("the lattice has no path")
        best = paths[0]
        entries = tuple(
            Entry(tuple(word for word in self.texts(path) if word), path.cost_graph, path.cost_acoustic)
            for path in paths[:most]
        )
        words = self._words(best, compact)
        phones = tuple(self.timing.phones_of(best.tids))
        return Hypothesis(words, phones, entries, best.cost(self.acoustic_scale, self.penalty), compact)

    def texts(self, path: Path) -> list[str]:
        """The path's words; empty for what is no word."""
        return [self.table.symbols[word] for word in path.words]

    def _words(self, path: Path, compact: CompactLattice) -> tuple[Word, ...]:
        from asr.decoding.lattices.confidence import confidences

        sure = confidences(compact, path.words, self.acoustic_scale, self.penalty)
        times = self.timing.words(path.tids, [self.table.names[word] for word in path.words])
        result = []
        for place, text in enumerate(self.texts(path)):
            if text:
                _, first, frames = times[place] if times is not None else (text, 0, 0)
                result.append(Word(text, first, frames, float(sure[place])))
        return tuple(result)


def best_paths(compact: CompactLattice, acoustic_scale: float, penalty: float, most: int) -> list[Path]:
    """Up to `most` best paths, best first, each with other words."""
    from asr.decoding.lattices.paths import n_best_arcs

    if compact.num_states == 0:
        return []
    costs, ends = compact.costs(acoustic_scale, penalty)
    rows = n_best_arcs(compact.first, compact.target, costs, ends, most, MOST_STEPS)
    return [compact.path(np.asarray(arcs)) for arcs in rows]
