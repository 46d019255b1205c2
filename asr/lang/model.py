"""Make the language model of a lang directory: estimated from its texts, mixed with others, pruned.

    model, facts = language_model(settings, words, [transcripts], dev=dev)

Prints the sizes and, with a dev text, the perplexities.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from asr.console import say
from asr.lang.general import GeneralWords, with_general
from asr.lang.kneser_ney import estimate
from asr.lang.mixture import best_weight, interpolated
from asr.lang.ngram import Ngram, perplexity
from asr.lang.prune import pruned
from asr.lang.settings import Settings
from asr.lang.units import WordUnits
from asr.lang.unseen import with_words


def language_model(
    settings: Settings,
    words: WordUnits,
    texts: Sequence[Sequence[str]],
    *,
    ready: Ngram | None = None,
    dev: Sequence[str] = (),
    spelling: Sequence[str] = (),
    general: GeneralWords | None = None,
) -> tuple[Ngram, dict[str, Any]]:
    """Return the user's model (--arpa), or the mixture of one model per text, --mix-arpa and general words.

    It is pruned by --prune. The dictionary holds the figures of the general words for lang.json; empty without them.

    texts: sentences, of the transcripts first; ready: the model in --arpa or --mix-arpa; dev: the text that the
    mixture is fitted to; spelling: what the model of the transcripts must contain even if they do not; general: words
    that are mixed with all of these.
    """
    facts: dict[str, Any] = {}
    if settings.arpa is not None:
        assert ready is not None
        model = ready
    else:
        names = ["the transcripts", "--lm-text"][: len(texts)]
        models = [estimated(texts[0], words, settings.order, "lang", spelling)]
        models += [estimated(text, words, settings.order, "lang: --lm-text") for text in texts[1:]]
        if ready is not None:
            models, names = [*models, ready], [*names, str(settings.mix_arpa)]
        model = _mixed(models, names, [words.tokenise(sentence) for sentence in dev], settings.mix_weight)
        if general is not None:
            model, facts = with_general(settings, model, words, general, texts, dev)
    return (_pruned(model, settings.prune) if settings.prune else model), facts


def estimated(
    sentences: Sequence[str], words: WordUnits, order: int, what: str, spelling: Sequence[str] = ()
) -> Ngram:
    """Return a model of sentences, split into `words`, to which the words of `spelling` are added."""
    tokens = [words.tokenise(sentence) for sentence in sentences]
    model = with_words(estimate(tokens, order), [word for unit in spelling for word in words.tokenise(unit)])
    total = sum(len(sentence) for sentence in tokens)
    say(f"{what}: {order}-gram model of {len(tokens):,} sentences, {total:,} words: {_sizes(model)} n-grams")
    return model


def _sizes(model: Ngram) -> str:
    return " + ".join(f"{len(order):,}" for order in model.orders)


def _mixed(models: Sequence[Ngram], names: Sequence[str], dev: Sequence[Sequence[str]], weight: float) -> Ngram:
    """Return all models in one; each is mixed into the mixture of those before it.

    weight: of that mixture, in (0, 1); 0: the weight that makes `dev`, sentences of words, most probable.
    """
    result = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        chosen = weight or best_weight(result, model, dev)
        how = "given" if weight else "best on dev"
        line = f"lang: weight {chosen:.2f} for the language model so far, {1 - chosen:.2f} for {name} ({how})"
        apart = result, model
        result = interpolated(result, model, chosen)
        if dev:
            line += f"; perplexity of dev {' and '.join(_on(dev, each) for each in apart)}, mixed {_on(dev, result)}"
        say(f"{line}; {_sizes(result)} n-grams")
    return result


def _on(dev: Sequence[Sequence[str]], model: Ngram) -> str:
    measured = perplexity(model, dev)
    return f"{measured.perplexity:.1f}" + (f" ({measured.oov} unknown)" if measured.oov else "")


def _pruned(model: Ngram, threshold: float) -> Ngram:
    started, before = time.monotonic(), _sizes(model)
    result = pruned(model, threshold)
    say(f"lang: pruned at {threshold:g}: {_sizes(result)} of {before} n-grams, {time.monotonic() - started:.1f} s")
    return result
