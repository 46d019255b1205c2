"""The hypothesis of a lattice: the best words with times and confidences, the N best, the phones.

reader = LatticeReader(graph.words, Timing.read(graph_dir, model), acoustic_scale=0.125, penalty=0.0)
reader.read(lattice, lattice_beam=6.0, most=10).words          # (RecognisedWord("今", 0.12, 0.09, 0.98), ...)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr.decoding.lattices.lattice import CompactLattice, Lattice, LatticePath
from asr.decoding.lattices.timing import Timed, Timing
from asr.decoding.word_table import WordTable
from asr.errors import InputError
from asr.features.compute import FRAME_SHIFT_MS

MOST_STEPS = 1_000_000  # of the search for the N best


@dataclass(frozen=True)
class RecognisedWord:
    """A word, its time in seconds (start and duration 0 if the time is unknown), and its posterior."""

    text: str
    start_s: float
    duration_s: float
    confidence: float

    @property
    def end_s(self) -> float:
        """Return the end of the word in seconds."""
        return self.start_s + self.duration_s

    def ctm_line(self, name: str) -> str:
        """Return the word's line in the CTM file of recording `name`."""
        return f"{name} 1 {self.start_s:.3f} {self.duration_s:.3f} {self.text} {self.confidence:.3f}\n"


@dataclass(frozen=True)
class NBestEntry:
    """One of the N best: words as text, unscaled costs."""

    words: tuple[str, ...]
    cost_graph: float
    cost_acoustic: float


@dataclass(frozen=True)
class Hypothesis:
    """The best words of an utterance, its best path's phones, the N best and the lattice. `cost`: scaled."""

    words: tuple[RecognisedWord, ...]
    phones: tuple[Timed, ...]
    n_best: tuple[NBestEntry, ...]
    cost: float
    compact: CompactLattice


@dataclass(frozen=True)
class LatticeReader:
    """Reads lattices under fixed weights: acoustic scale (1 / LM weight) and insertion penalty."""

    table: WordTable
    timing: Timing
    acoustic_scale: float
    penalty: float
    frame_shift_s: float = FRAME_SHIFT_MS / 1000

    def read(self, lattice: Lattice, lattice_beam: float, most: int = 1) -> Hypothesis:
        """Return the hypothesis of a lattice, with up to `most` of the best. Raises InputError if it has no path."""
        from asr.decoding.lattices.determinise import determinised

        return self.of_compact(determinised(lattice, self.acoustic_scale, lattice_beam), most)

    def of_compact(self, compact: CompactLattice, most: int = 1) -> Hypothesis:
        """Return the hypothesis of a compact lattice. Raises InputError if it has no path."""
        paths = best_paths(compact, self.acoustic_scale, self.penalty, max(most, 1))
        if not paths:
            raise InputError("the lattice has no path")
        best = paths[0]
        entries = tuple(
            NBestEntry(tuple(word for word in self._texts(path) if word), path.cost_graph, path.cost_acoustic)
            for path in paths[:most]
        )
        phones = tuple(self.timing.phones_of(best.tids))
        cost = best.cost(self.acoustic_scale, self.penalty)
        return Hypothesis(self._words(best, compact), phones, entries, cost, compact)

    def _texts(self, path: LatticePath) -> list[str]:
        """Return the text of each word-id of a path; empty if it is not a word."""
        return [self.table.symbols[word] for word in path.words]

    def _words(self, path: LatticePath, compact: CompactLattice) -> tuple[RecognisedWord, ...]:
        from asr.decoding.lattices.confidence import confidences

        posteriors = confidences(compact, path.words, self.acoustic_scale, self.penalty)
        times = self.timing.words(path.tids, [self.table.names[word] for word in path.words])
        result = []
        for place, text in enumerate(self._texts(path)):
            if text:
                _, first, frames = times[place] if times is not None else (text, 0, 0)
                start_s, duration_s = first * self.frame_shift_s, frames * self.frame_shift_s
                result.append(RecognisedWord(text, start_s, duration_s, float(posteriors[place])))
        return tuple(result)


def best_paths(compact: CompactLattice, acoustic_scale: float, penalty: float, most: int) -> list[LatticePath]:
    """Return up to `most` best paths, best first, with different words."""
    from asr.decoding.lattices.paths import n_best_arcs

    if compact.num_states == 0:
        return []
    costs, ends = compact.costs(acoustic_scale, penalty)
    rows = n_best_arcs(compact.first, compact.target, costs, ends, most, MOST_STEPS)
    return [compact.path(np.asarray(arcs)) for arcs in rows]
