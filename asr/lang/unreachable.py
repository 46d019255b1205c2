"""Words that a language model can never give: counted and named, since nothing can ever recognise them.

left_out = NeverGiven("x.arpa", can=model.words)
left_out.of_text("dev", dev, words, max_missing=0.2)      warns: 4 of 7 words of dev are not in x.arpa ...
left_out.of_table(symbols.words)                          says how many words of words.txt it lacks
facts["left_out"] = left_out.facts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import say, warn
from asr.errors import InputError
from asr.kaldi.fst import read_fst
from asr.lang.units import WordUnits, is_special

NAMED_AT_MOST = 5


class NeverGiven:
    """What is found missing in one language model. `source`: its name in messages; `can`: the words it can give.

    `facts`: what was left out, for lang.json: {"what", "count", "of", "first"} each.
    """

    def __init__(self, source: Path | str, can: Collection[str]) -> None:
        self.source, self.can = source, frozenset(can)
        self.facts: list[dict[str, Any]] = []

    def of_text(self, name: str, sentences: Sequence[str], words: WordUnits, max_missing: float = 1.0) -> None:
        """Warn of the known words of a text that the model lacks, by occurrence.

        Raises InputError where these and the unknown words are all words of the text, or more than `max_missing`.
        """
        lacking: Counter[str] = Counter()
        total = unknown = 0
        for sentence in sentences:
            for surface, word in words.pairs(sentence):
                total += 1
                unknown += word is None
                if word is not None and word not in self.can:
                    lacking[surface] += 1
        missed = lacking.total() + unknown
        if total and lacking and (missed == total or missed > max_missing * total):
            first = self._named(lacking)
            raise InputError(
                f"{missed} of {total} words of {name} cannot be recognised: {lacking.total()} are not in this "
                f"language model ({first}), {unknown} not in words.txt; take another model, or raise --max-missing",
                file=self.source,
            )
        if lacking:
            self._note(f"words of {name} that the language model lacks", lacking, total)
            warn(
                f"lang: {lacking.total():,} of {total:,} words of {name} are not in {self.source}, so that they "
                f"can never be recognised: {self._named(lacking)}"
            )

    def of_table(self, table: Iterable[str]) -> None:
        """Say how many words of words.txt the model lacks."""
        words = [word for word in table if not is_special(word)]
        lacking = Counter(word for word in words if word not in self.can)
        if lacking:
            self._note("words of words.txt that the language model lacks", lacking, len(words))
            say(
                f"lang: {len(lacking):,} of {len(words):,} words of words.txt are not in {self.source}, so that "
                f"they can never be recognised: {self._named(lacking)}"
            )

    def not_in(self, table: Collection[str], source: Path, given: Iterable[str]) -> None:
        """Warn of words that words.txt lacks, of those `given` by the user's model: G has none of their n-grams."""
        own = [word for word in given if not is_special(word)]
        lacking = Counter(word for word in own if word not in table)
        if lacking:
            self._note("words of the language model that words.txt lacks", lacking, len(own))
            warn(
                f"lang: {len(lacking):,} of {len(own):,} words of {source} are not in the lexicon, so that G "
                f"has none of their n-grams: {self._named(lacking)}"
            )

    def _note(self, what: str, lacking: Counter[str], total: int) -> None:
        self.facts.append({"what": what, "count": lacking.total(), "of": total, "first": _first(lacking)})

    @staticmethod
    def _named(lacking: Counter[str]) -> str:
        more = f" and {len(lacking) - NAMED_AT_MOST:,} more" if len(lacking) > NAMED_AT_MOST else ""
        return " ".join(_first(lacking)) + more


def _first(lacking: Counter[str]) -> list[str]:
    """Return the most frequent, at most NAMED_AT_MOST."""
    return sorted(lacking, key=lambda word: (-lacking[word], word))[:NAMED_AT_MOST]


def words_in_grammar(path: Path, symbols: Mapping[str, int]) -> list[str]:
    """Return the words that are on an arc of G.fst. Raises InputError for a damaged one."""
    labels = set(np.unique(read_fst(path).arcs["ilabel"]).tolist())
    return [word for word, number in symbols.items() if number in labels]
