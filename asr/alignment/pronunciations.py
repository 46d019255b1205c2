"""Count which of a word's pronunciations the alignments use: pronunciations.txt, `word count share phones` a line.

It lists the words that have several pronunciations in lexicon.txt, the most frequent word first, with all their
pronunciations, also those that never occur. A user prunes the lexicon by it. (Kaldi's steps/get_prons.sh computes the
same counts.)

    write_pronunciations(Path("exp/ali/pronunciations.txt"), lang, words, alignments, model)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from asr.alignment.transcripts import AlignmentLang
from asr.alignment.words import match_words
from asr.console import say
from asr.files import atomic
from asr.kaldi.alignments import to_phones
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.lang.lexicon import by_word, read_lexicon

PRONUNCIATIONS = "pronunciations.txt"


def write_pronunciations(
    path: Path,
    lang: AlignmentLang,
    words: Mapping[str, list[int]],
    alignments: Iterable[Mapping[str, Ints]],
    model: TransitionModel,
) -> None:
    """Write the counts of the pronunciations in `alignments` ({utterance: transition-ids} a job).

    words: {utterance: word-ids of its transcript}. Writes nothing if the lang directory has no lexicon.txt, which
    Kaldi's own lang directories may lack.
    """
    source = lang.folder / "lexicon.txt"
    if not source.is_file():
        return
    lexicon = by_word(read_lexicon(source))
    counts = _counts(lang, words, alignments, model, lexicon)
    several = {word: ways for word, ways in lexicon.items() if len(ways) > 1}
    total = {word: sum(counts[word, phones] for phones in ways) for word, ways in several.items()}
    with atomic(path) as handle:
        for word in sorted(several, key=lambda word: (-total[word], word)):
            for phones in sorted(several[word], key=lambda phones: -counts[word, phones]):
                count = counts[word, phones]
                handle.write(f"{word} {count} {count / max(total[word], 1):.3f} {' '.join(phones)}\n")
    heard = [word for word in several if total[word]]
    both = sum(sum(counts[word, phones] > 0 for phones in several[word]) > 1 for word in heard)
    say(f"align: {len(heard)} words with several pronunciations occur, {both} of them with more than one: {path}")


def _counts(
    lang: AlignmentLang,
    words: Mapping[str, list[int]],
    alignments: Iterable[Mapping[str, Ints]],
    model: TransitionModel,
    lexicon: Mapping[str, list[tuple[str, ...]]],
) -> Counter[tuple[str, tuple[str, ...]]]:
    """Return how often each (word, pronunciation) occurs."""
    symbols = {number: word for word, number in lang.words.items()}
    names = lang.classes.names
    silence = {names[number] for number in lang.classes.silence}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for job in alignments:
        for utterance, tids in job.items():
            phones = [names[phone] for phone, _, _ in to_phones(tids, model)]
            found = match_words(phones, [symbols[number] for number in words[utterance]], lexicon, silence)
            counts.update((word, sounds) for word, sounds, _, _ in found or ())
    return counts
