"""The two ways to a lang directory: made of transcripts, or taken over from Kaldi. See asr.lang.make for the files.

facts = make_lang(settings, folder)
facts = take_over(settings, folder)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.transcript import normaliser
from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.figures import dev_figures, lexicon_facts, write_oov_counts
from asr.lang.given import check_given, copy_given, oov_of
from asr.lang.langdir import write_lang
from asr.lang.lexicon import OOV_WORD
from asr.lang.lexicon_fst import write_grammar
from asr.lang.model import estimated, mixed, smaller
from asr.lang.never_given import NeverGiven, words_in_grammar
from asr.lang.pieces import MODEL, units_of
from asr.lang.settings import Settings
from asr.lang.text import read_plain, read_transcripts
from asr.lang.vocabulary import choose
from asr.lang.words import UNREAD


def make_lang(settings: Settings, folder: Path) -> dict[str, Any]:
    """Make lexicon, language model, L and G of --text in `folder`; returns the facts for lang.json."""
    assert settings.text is not None
    texts = [read_transcripts(settings.text)]
    texts.append(_more_text(settings))
    sentences = [sentence for text in texts for sentence in text]
    given = settings.arpa or settings.mix_arpa
    ready = read_arpa(given) if given is not None else None
    vocabulary = choose(
        settings.units,
        sentences,
        lexicon=settings.lexicon,
        more_words=ready.words if ready else (),
        vocabulary=settings.vocab,
        letters=settings.letters,
        most=settings.most_pronunciations,
        phones=settings.phones,
    )
    if vocabulary.model:
        (folder / MODEL).write_bytes(vocabulary.model)
    symbols = write_lang(
        folder,
        vocabulary.lexicon,
        phones=settings.phones,
        silence_probability=settings.silence_prob,
        lexicon_source=settings.lexicon,
    )
    facts = lexicon_facts(vocabulary, len(symbols.real_phones), settings.lexicon)
    words = vocabulary.units(symbols.words, OOV_WORD)
    dev = _dev(settings)
    model = _language_model(settings, words, texts if settings.mix else [sentences], ready, dev, vocabulary.spelling)
    write_arpa(folder / "lm.arpa", model)
    write_grammar(folder / "lm.arpa", folder / "words.txt", folder / "G.fst", settings.arpa)
    facts["ngrams"] = [len(order) for order in model.orders]
    source = settings.arpa or "the language model"
    never = NeverGiven(source, model.words)
    never.of_text("the training text", sentences, words)
    never.of_text("dev", dev, words, settings.max_missing)
    never.of_table(symbols.words)
    if given is not None and ready is not None:
        never.not_in(symbols.words, given, ready.words)
    facts["left_out"] = never.facts
    # without a user's lexicon all words were made: only those without a sound are worth a line
    made = vocabulary.made if settings.lexicon is not None else dict.fromkeys(vocabulary.unread, UNREAD)
    write_oov_counts(folder / "oov_counts.txt", words, sentences, dev, made)
    facts["dev"] = dev_figures(dev, words, model)
    return facts


def take_over(settings: Settings, folder: Path) -> dict[str, Any]:
    """Copy --lang-dir into `folder`, with a second grammar of --tune-text; returns the facts for lang.json."""
    assert settings.lang_dir is not None
    names = check_given(settings.lang_dir, settings.phones)
    symbols = copy_given(settings.lang_dir, folder, names)
    facts: dict[str, Any] = {"words": len(symbols), "files": len(names)}
    say(f"lang: {settings.lang_dir}: {len(symbols):,} words, {len(names)} files taken over")
    words = units_of(settings.lang_dir, symbols, oov_of(settings.lang_dir, symbols))
    train = read_transcripts(settings.text) if settings.text is not None else []
    dev = _dev(settings)
    grammar = settings.lang_dir / "G.fst"
    never = NeverGiven(grammar, words_in_grammar(grammar, symbols))
    never.of_text("the training text", train, words)
    never.of_text("dev", dev, words, settings.max_missing)
    never.of_table(symbols)
    facts["left_out"] = never.facts
    model = None
    if settings.tune_text:
        sentences = [sentence for path in settings.tune_text for sentence in read_transcripts(path)]
        sentences += _more_text(settings)
        (folder / "tune").mkdir()
        model = estimated(sentences, words, settings.order, "lang: tune")
        write_arpa(folder / "tune" / "lm.arpa", model)
        write_grammar(folder / "tune" / "lm.arpa", folder / "words.txt", folder / "tune" / "G.fst")
        facts["tune_ngrams"] = [len(order) for order in model.orders]
    write_oov_counts(folder / "oov_counts.txt", words, train, dev, {})
    facts["dev"] = dev_figures(dev, words, model)
    return facts


def _more_text(settings: Settings) -> list[str]:
    """Return the sentences of --lm-text, their numbers said as the transcripts' are."""
    written = normaliser(yao=settings.yao, table=settings.spoken_table)
    spaced = settings.units == "own"
    return [line for path in settings.lm_text for line in read_plain(path, spaced=spaced, written=written)]


def _dev(settings: Settings) -> list[str]:
    return read_transcripts(settings.dev_text) if settings.dev_text is not None else []


def _language_model(
    settings: Settings, words: Any, texts: list[list[str]], ready: Any, dev: list[str], spelling: Sequence[str]
) -> Any:
    """Return the user's model, or one of each text; mixed and pruned as the settings have it."""
    if settings.arpa is not None:
        model = ready
    else:
        names = ["the transcripts", "--lm-text"][: len(texts)]
        models = [estimated(texts[0], words, settings.order, "lang", spelling)]
        models += [estimated(text, words, settings.order, "lang: --lm-text") for text in texts[1:]]
        if settings.mix_arpa is not None:
            models, names = [*models, ready], [*names, str(settings.mix_arpa)]
        model = mixed(models, names, [words.tokenise(sentence) for sentence in dev], settings.mix_weight)
    return smaller(model, settings.prune) if settings.prune else model
