"""The times of the words and phones of a path.

Transition-ids give exact times of phones. A word is a sequence of phones that the lexicon has for it, with silence
between words. There are no word times if the graph folder has no lexicon.txt (as Kaldi's), or if the path was cut
within a word.

reads   GRAPH/phones.txt lexicon.txt [phones/optional_silence.txt], final.mdl

    times = Timing.read(Path("exp/mini/net/graph"), Path("exp/mini/net/final.mdl"))
    times.words(path.tids, ["今", "天"])         # [("今", 12, 9), ("天", 21, 14)]: word, first frame, frames
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.alignment.words import match_words
from asr.decoding.arrays import Ints
from asr.errors import InputError
from asr.kaldi.alignments import to_phones
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.lang.lexicon import by_word, read_lexicon, with_specials
from asr.lang.phone_classes import silences_between_words
from asr.tables import read_symbols

Timed = tuple[str, int, int]  # label, first frame, frames


@dataclass(frozen=True)
class Timing:
    """phones: {phone-id: name}; lexicon: {word: its pronunciations}, None if the graph has none."""

    model: TransitionModel
    phones: dict[int, str]
    lexicon: dict[str, list[tuple[str, ...]]] | None
    silence: frozenset[str]

    @classmethod
    def read(cls, graph_dir: Path, transition_model: Path) -> Timing:
        """Read a graph folder and final.mdl. Raises InputError."""
        phones, lexicon = graph_dir / "phones.txt", graph_dir / "lexicon.txt"
        symbols = read_symbols(phones) if phones.is_file() else {}
        return cls(
            read_transition_model(transition_model),
            {number: name for name, number in symbols.items()},
            by_word(with_specials(read_lexicon(lexicon))) if lexicon.is_file() else None,
            silences_between_words(graph_dir),
        )

    def phones_of(self, tids: Ints) -> list[Timed]:
        """Return the phones of a path; [] if it was cut within one."""
        try:
            rows = to_phones(np.asarray(tids), self.model)
        except InputError:
            return []
        return [(self.phones.get(number, str(number)), first, frames) for number, first, frames in rows]

    def words(self, tids: Ints, words: Sequence[str]) -> list[Timed] | None:
        """Return the words of a path (all of them, <SPN> included) with their times; None if they are unknown."""
        phones = self.phones_of(tids)
        if self.lexicon is None or (words and not phones):
            return None
        names = [name for name, _, _ in phones]
        found = match_words(names, words, self.lexicon, self.silence)
        if found is None:
            return None
        return [
            (word, phones[first][1], sum(phones[first + count - 1][1:]) - phones[first][1])
            for word, _, first, count in found
        ]
