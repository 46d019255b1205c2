"""The language model of a lang directory: estimated of its texts, mixed with others, pruned.

model = language_model(words, [transcripts, lm_text], order=3, mix=True, dev=dev, weight=0, prune=1e-8)
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from asr.console import say
from asr.lang.mixture import best_weight, interpolated
from asr.lang.ngram import Ngram, estimate, perplexity
from asr.lang.prune import pruned
from asr.lang.units import WordUnits
from asr.lang.unseen import with_words


def estimated(
    sentences: Sequence[str], words: WordUnits, order: int, what: str, spelling: Sequence[str] = ()
) -> Ngram:
    """A model of the sentences in `words`; `spelling`: what must be in it, though the sentences may not show it."""
    tokens = [words.tokenise(sentence) for sentence in sentences]
    model = with_words(estimate(tokens, order), [word for unit in spelling for word in words.tokenise(unit)])
    total = sum(len(sentence) for sentence in tokens)
    say(f"{what}: {order}-gram model of {len(tokens):,} sentences, {total:,} words: {sizes(model)} n-grams")
    return model


def sizes(model: Ngram) -> str:
    """`1,204 + 9,310 + 12,877`."""
    return " + ".join(f"{len(order):,}" for order in model.orders)


def mixed(models: Sequence[Ngram], names: Sequence[str], dev: Sequence[Sequence[str]], weight: float) -> Ngram:
    """All `models` in one, the next mixed into what the ones before it gave.

    `weight`: of what stands before, in (0, 1); 0: what makes `dev`, sentences of words, most probable.
    """
    result = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        chosen = weight or best_weight(result, model, dev)
        how = "given" if weight else "best on dev"
        line = f"lang: {chosen:.2f} of the language model before and {1 - chosen:.2f} of {name} ({how})"
        if dev:
            apart = f"{_on(dev, result)} and {_on(dev, model)}"
            result = interpolated(result, model, chosen)
            line += f"; perplexity of dev {apart}, together {_on(dev, result)}"
        else:
            result = interpolated(result, model, chosen)
        say(f"{line}; {sizes(result)} n-grams")
    return result


def _on(dev: Sequence[Sequence[str]], model: Ngram) -> str:
    measured = perplexity(model, dev)
    return f"{measured.perplexity:.1f}" + (f" ({measured.oov} unknown)" if measured.oov else "")


def smaller(model: Ngram, threshold: float) -> Ngram:
    """`model` pruned; says what is left."""
    started, before = time.monotonic(), sizes(model)
    result = pruned(model, threshold)
    say(f"lang: pruned at {threshold:g}: {sizes(result)} of {before} n-grams, {time.monotonic() - started:.1f} s")
    return result
