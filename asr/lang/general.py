"""Mix general Chinese word frequencies into the language model of a lang directory (--general).

    general = general_words(settings, sentences, dev)                       None: it is off, or does not help
    model, facts = with_general(settings, model, words, general, [sentences], dev)

A corpus of a few hours shows few of Mandarin's words. The frequencies are a prior: asr.lang.word_frequencies reads
them, asr.lang.word_stream predicts units of any kind with them, asr.lang.prior mixes. The weights are those that suit
dev best, or without a dev text of LEAST_WORDS words, a tenth of the transcripts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.console import say
from asr.corpus.transcript import characters
from asr.lang import word_frequencies
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import Ngram, word_log_probabilities
from asr.lang.prior import PriorMixture
from asr.lang.settings import Settings
from asr.lang.units import WordUnits
from asr.lang.word_stream import WordStream

Sentences = Sequence[Sequence[str]]
LEAST_WORDS = 200  # in a text that weights are fitted to
LEAST_GAIN = 0.02  # share by which the frequencies must lower the perplexity
HELD_OUT = 10  # every tenth sentence


@dataclass(frozen=True)
class GeneralWords:
    """frequencies: {word: share of running text}; characters: those that become words even if no text has them."""

    frequencies: dict[str, float]
    characters: list[str]


@dataclass(frozen=True)
class FittingText:
    """The text that weights are fitted to. rest: the sentences of a model that has not seen it."""

    name: str
    sentences: Sentences
    rest: Sentences

    @classmethod
    def of(cls, transcripts: Sentences, dev: Sentences) -> FittingText:
        """Return dev if it has LEAST_WORDS words, else every tenth sentence of the transcripts."""
        if sum(map(len, dev)) >= LEAST_WORDS:
            return cls("dev", dev, transcripts)
        rest = [sentence for place, sentence in enumerate(transcripts) if place % HELD_OUT]
        return cls("a tenth of the transcripts", transcripts[::HELD_OUT], rest)

    @property
    def large_enough(self) -> bool:
        """Return whether it has LEAST_WORDS words."""
        return sum(map(len, self.sentences)) >= LEAST_WORDS


def general_words(settings: Settings, sentences: Sequence[str], dev: Sequence[str]) -> GeneralWords | None:
    """Return the words to be mixed in; None with --general none or --arpa, and if `auto` finds that they do not help.

    sentences, dev: normalised. `auto` compares the perplexities per character with and without them. It leaves them
    out if they lower it by less than LEAST_GAIN, or if the text is too small to show it.
    """
    if settings.general == "none" or settings.arpa is not None:
        return None
    by_character = [[characters(sentence, latin="letter") for sentence in text] for text in (sentences, dev)]
    text = FittingText.of(*by_character)
    if settings.general == "auto" and not text.large_enough:
        say(f"lang: general word frequencies are left out: {text.name} has too little text to fit their weight to")
        return None
    frequencies = word_frequencies.chinese_words()
    if settings.general == "auto":
        spelled = [list(word) for word in frequencies]
        stream = _stream(spelled, list(frequencies.values()), settings.order, by_character[0])
        fitted = PriorMixture(estimate(text.rest, settings.order), stream, settings.order).fit(text.sentences)
        if not fitted.mixed < (1 - LEAST_GAIN) * fitted.alone:
            found = f"the perplexity per character of {text.name} is {fitted.alone:.1f}, with them {fitted.mixed:.1f}"
            say(f"lang: general word frequencies are left out: {found}")
            return None
    return GeneralWords(frequencies, word_frequencies.common_characters(frequencies))


def _stream(spelled: Sentences, frequency: Sequence[float], order: int, transcripts: Sentences) -> WordStream:
    mean = sum(map(len, transcripts)) / len(transcripts)
    return WordStream(spelled, frequency, order=order, sentence_units=mean)


def with_general(
    settings: Settings,
    model: Ngram,
    words: WordUnits,
    general: GeneralWords,
    texts: Sequence[Sequence[str]],
    dev: Sequence[str],
) -> tuple[Ngram, dict[str, Any]]:
    """Return `model` mixed with the general words that `words` can spell, and the facts for lang.json.

    texts: sentences, of the transcripts first. Prints the weight, the perplexities and the sizes.
    """
    spelled = {word: words.tokenise(word) for word in general.frequencies}
    known = {word: units for word, units in spelled.items() if words.oov not in units}
    transcripts = [words.tokenise(sentence) for sentence in texts[0]]
    tokenised = [words.tokenise(sentence) for sentence in dev]
    text = FittingText.of(transcripts, tokenised)
    if dev and text.name != "dev":
        there, here = sum(map(len, tokenised)), sum(map(len, text.sentences))
        say(
            f"lang: general: dev has {there} words, too few to fit weights to (at least {LEAST_WORDS}): fitted to "
            f"{text.name}, {here:,} words"
        )
    frequency = [general.frequencies[word] for word in known]
    stream = _stream(list(known.values()), frequency, settings.order, transcripts)
    unseen = model if text.name == "dev" or not any(text.rest) else estimate(text.rest, settings.order)
    weights = PriorMixture(unseen, stream, settings.order).fit(text.sentences)
    result = PriorMixture(model, stream, settings.order).ngram(weights, settings.general_prune)
    source = word_frequencies.version()
    facts: dict[str, Any] = {
        "source": source,
        "words": len(known),
        "weight_of_the_transcripts": round(weights.all, 4),
        "fitted_to": text.name,
    }
    line = (
        f"lang: general: {len(known):,} words of {source}: weight {weights.all:.2f} for the language model so far, "
        f"{1 - weights.all:.2f} for these (mean; best on {text.name})"
    )
    if dev:
        alone, mixed = _of_known_words(model, result, tokenised)
        facts |= {"perplexity_of_known_words": {"alone": round(alone, 3), "mixed": round(mixed, 3)}}
        line += f"; perplexity of the words of dev that the former knows {alone:.1f}, mixed {mixed:.1f}"
    say(f"{line}; {' + '.join(f'{len(order):,}' for order in result.orders)} n-grams")
    return result, facts


def _of_known_words(model: Ngram, mixed: Ngram, dev: Sentences) -> tuple[float, float]:
    """Return the perplexities of two models over the words and sentence ends that the first one knows."""
    (one, lacks), (two, _) = (word_log_probabilities(each, dev) for each in (model, mixed))
    return math.exp(-float(np.mean(one[~lacks]))), math.exp(-float(np.mean(two[~lacks])))
