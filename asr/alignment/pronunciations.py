"""Which of a word's pronunciations the alignment took: pronunciations.txt, `word count share phones` a line.

Only words of which lexicon.txt has several are listed, most frequent first, and every pronunciation of theirs, also
those that were never heard; a user prunes the lexicon by it (Kaldi's steps/get_prons.sh gives the same counts).

    write_pronunciations(Path("exp/ali/pronunciations.txt"), spoken, words, alignments, model)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from asr.alignment.transcripts import Spoken
from asr.alignment.words import match_words
from asr.console import say
from asr.files import atomic
from asr.kaldi.alignments import to_phones
from asr.kaldi.transition_model import TransitionModel
from asr.lang.lexicon import by_word, read_lexicon
from asr.lang.positions import plain

PRONUNCIATIONS = "pronunciations.txt"


def write_pronunciations(
    path: Path,
    spoken: Spoken,
    words: Mapping[str, list[int]],
    alignments: Iterable[Mapping[str, np.ndarray]],
    model: TransitionModel,
) -> None:
    """Count the pronunciations in `alignments` ({utterance: transition-ids} a job) of the transcripts `words`.

    Does nothing where the lang directory has no lexicon.txt, which Kaldi's own need not have.
    """
    if not (spoken.folder / "lexicon.txt").is_file():
        return
    lexicon = by_word(read_lexicon(spoken.folder / "lexicon.txt"))
    symbols = {number: word for word, number in spoken.words.items()}
    names = spoken.classes.names
    silence = {names[number] for number in spoken.classes.silence}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for job in alignments:
        for utterance, tids in job.items():
            row = [names[phone] for phone, _, _ in to_phones(tids, model)]
            said = [symbols[number] for number in words[utterance]]
            found = match_words(row, said, lexicon, silence)
            if found is None:  # lexicon.txt has position-dependent phones without their marks
                found = match_words([plain(phone) for phone in row], said, lexicon, silence)
            counts.update((word, phones) for word, phones, _, _ in found or ())
    several = {word: ways for word, ways in lexicon.items() if len(ways) > 1}
    total = {word: sum(counts[word, phones] for phones in ways) for word, ways in several.items()}
    with atomic(path) as handle:
        for word in sorted(several, key=lambda word: (-total[word], word)):
            ways = sorted(
                ((-counts[word, phones], " ".join(phones)) for phones in several[word]), key=lambda way: way[0]
            )
            for count, sounds in ways:
                handle.write(f"{word} {-count} {-count / max(total[word], 1):.3f} {sounds}\n")
    heard = [word for word in several if total[word]]
    both = sum(sum(counts[word, phones] > 0 for phones in several[word]) > 1 for word in heard)
    say(
        f"align: {len(heard)} words with several pronunciations occur, {both} of them in more than one; which: {path}"
    )
