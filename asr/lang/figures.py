"""Report figures of a lang directory: words and pronunciations, unknown words by frequency, perplexity of a dev text.

    facts = lexicon_facts(vocabulary, phones=191, lexicon=None)
    write_oov_counts(Path("lang/oov_counts.txt"), words, train, dev, made)
    facts["dev"] = dev_figures(dev, words, model)

Each function prints its figures; the results are parts of lang.json.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.transcript import characters
from asr.errors import named_first
from asr.files import write_lines
from asr.lang.lexicon import words_of
from asr.lang.ngram import Ngram, perplexity
from asr.lang.text_lexicon import UNREAD
from asr.lang.units import WordUnits, is_special
from asr.lang.vocabulary import Vocabulary


def lexicon_facts(vocabulary: Vocabulary, phones: int, lexicon: Path | None) -> dict[str, Any]:
    """Print and return the numbers of words, pronunciations, phones, and of words added to the `lexicon`."""
    words, unread = len(words_of(vocabulary.lexicon)), vocabulary.unread
    line = f"lang: {words:,} words, {len(vocabulary.lexicon):,} pronunciations, {phones} phones"
    added = Counter(vocabulary.made.values()) if lexicon is not None else Counter()
    if added:
        ways = ", ".join(f"{how} {count:,}" for how, count in sorted(added.items()))
        line += f"; {added.total():,} words that {lexicon} lacks were added ({ways})"
    if unread:
        line += f"; {len(unread)} without a known reading, pronounced SPN: {named_first(unread)}"
    if vocabulary.fitted:
        whose = "lexicon" if lexicon is not None else "alignment"
        line += f"; {vocabulary.fitted} pronunciations fitted to the {whose}'s phones"
    say(line)
    return {
        "words": words,
        "pronunciations": len(vocabulary.lexicon),
        "phones": phones,
        "added_to_the_lexicon": dict(sorted(added.items())),
        "without_reading": unread,
        "pronunciations_fitted_to_phones": vocabulary.fitted,
    }


def write_oov_counts(
    path: Path, words: WordUnits, train: Sequence[str], dev: Sequence[str], made: Mapping[str, str]
) -> None:
    """Write `word count how` of the words in `made` and of those that `words` lacks, most frequent first.

    how: the way in which the word was pronounced (pypinyin, letters, lexicon), from `made`; noise for unknown words.
    """
    counts: Counter[str] = Counter()
    unknown = 0
    for sentence in train:
        for surface, word in words.pairs(sentence):
            if word is None or word in made:
                counts[surface] += 1
                unknown += word is None
    for sentence in dev:
        counts.update(surface for surface, word in words.pairs(sentence) if word is None or word in made)
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    write_lines(path, (f"{word} {count} {made.get(word, UNREAD)}" for word, count in rows))
    if unknown:
        say(f"lang: {unknown} words of the training text are not in words.txt; see {path.name}")


def dev_figures(dev: Sequence[str], words: WordUnits, model: Ngram | None) -> dict[str, Any]:
    """Print and return the sizes of a dev text, its unknown words and, with a model, its perplexity.

    The perplexity per word depends on the word units. The perplexity per character, exp(-log p / (characters +
    sentences)), can be compared between units if no word is unknown.
    """
    if not dev:
        return {}
    tokens = [words.tokenise(sentence) for sentence in dev]
    total, missed = sum(map(len, tokens)), sum(len(words.unknown(sentence)) for sentence in dev)
    line = f"lang: dev: {len(dev):,} sentences, {total:,} words, {missed} unknown ({100 * missed / total:.2f} %)"
    result: dict[str, Any] = {"sentences": len(dev), "words": total, "unknown": missed}
    if model is not None:
        measured = perplexity(model, tokens)
        result["perplexity"] = round(measured.perplexity, 3)
        line += f"; perplexity {measured.perplexity:.1f} over {measured.words:,} words and sentence ends"
        scored = characters_scored(tokens, model)
        a_character = math.exp(-measured.log_probability / scored) if scored else math.nan
        result |= {"characters_and_ends": scored, "perplexity_a_character": round(a_character, 3)}
        if scored != measured.words:
            line += f", {a_character:.1f} over {scored:,} characters and sentence ends"
    say(line)
    return result


def characters_scored(sentences: Sequence[Sequence[str]], model: Ngram) -> int:
    """Return the number of characters, letters and digits of the words that `model` has, plus the sentence ends."""
    known = set(model.words)
    lengths = {word: 1 if is_special(word) else len(characters(word, latin="letter")) for word in known}
    return len(sentences) + sum(lengths[word] for sentence in sentences for word in sentence if word in known)
