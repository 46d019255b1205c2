"""Count and name the words that a language model lacks, and that recognition can therefore never output.

unreachable = UnreachableWords("x.arpa", known=model.words)
unreachable.check_text("dev", dev, words, max_missing=0.2)      warns: 4 of 7 words of dev are not in x.arpa ...
unreachable.check_table(symbols.words)                          prints how many words of words.txt it lacks
facts["left_out"] = unreachable.facts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import say, warn
from asr.errors import InputError, named_first
from asr.kaldi.fst import read_fst
from asr.lang.units import WordUnits, is_special

RECORDED = 5  # words of each kind in lang.json


class UnreachableWords:
    """The words that one language model lacks. source: its name in messages; known: the words that it has.

    facts: for lang.json, a {"what", "count", "of", "first"} for each check that found some.
    """

    def __init__(self, source: Path | str, known: Iterable[str]) -> None:
        self.source, self.known = source, frozenset(known)
        self.facts: list[dict[str, Any]] = []

    def check_text(self, name: str, sentences: Sequence[str], words: WordUnits, max_missing: float = 1.0) -> None:
        """Warn of the words of a text that the lexicon has and the model lacks, counted by occurrence.

        Raises InputError if these and the unknown words are all words of the text, or a larger share than
        `max_missing`.
        """
        lacking: Counter[str] = Counter()
        total = unknown = 0
        for sentence in sentences:
            for surface, word in words.pairs(sentence):
                total += 1
                unknown += word is None
                if word is not None and word not in self.known:
                    lacking[surface] += 1
        missed = lacking.total() + unknown
        if total and lacking and (missed == total or missed > max_missing * total):
            first = named_first(_by_frequency(lacking))
            raise InputError(
                f"{missed} of {total} words of {name} cannot be recognised: {lacking.total()} are not in this "
                f"language model ({first}), {unknown} not in words.txt; use another model, or raise --max-missing",
                file=self.source,
            )
        self._report(warn, name, lacking, total)

    def check_table(self, table: Iterable[str]) -> None:
        """Print how many words of words.txt the model lacks."""
        words = [word for word in table if not is_special(word)]
        self._report(say, "words.txt", Counter(word for word in words if word not in self.known), len(words))

    def check_model(self, table: Collection[str], source: Path, model_words: Iterable[str]) -> None:
        """Warn of the words of a model, read from the file `source`, that words.txt lacks."""
        own = [word for word in model_words if not is_special(word)]
        lacking = Counter(word for word in own if word not in table)
        if lacking:
            names = self._note("the language model", "words.txt", lacking, len(own))
            effect = f"are not in the lexicon, so G has none of their n-grams: {names}"
            warn(f"lang: {len(lacking):,} of {len(own):,} words of {source} {effect}")

    def _report(self, tell: Callable[[str], None], name: str, lacking: Counter[str], total: int) -> None:
        if lacking:
            names = self._note(name, "the language model", lacking, total)
            effect = f"are not in {self.source}, so they can never be recognised: {names}"
            tell(f"lang: {lacking.total():,} of {total:,} words of {name} {effect}")

    def _note(self, name: str, lacker: str, lacking: Counter[str], total: int) -> str:
        """Add to the facts, and return the most frequent of the words."""
        words = _by_frequency(lacking)
        what = f"words of {name} that {lacker} lacks"
        self.facts.append({"what": what, "count": lacking.total(), "of": total, "first": words[:RECORDED]})
        return named_first(words)


def _by_frequency(words: Counter[str]) -> list[str]:
    return sorted(words, key=lambda word: (-words[word], word))


def words_in_grammar(path: Path, symbols: Mapping[str, int]) -> list[str]:
    """Return the words that are on an arc of G.fst. Raises InputError if it is damaged."""
    labels = set(np.unique(read_fst(path).arcs["ilabel"]).tolist())
    return [word for word, number in symbols.items() if number in labels]
