"""Fill a lang directory: make it from transcripts, or take over a complete one. See asr.lang.make for the files.

facts = make_lang(settings, folder)
facts = take_over(settings, folder)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.transcript import normaliser
from asr.lang.arpa import read_arpa, write_arpa
from asr.lang.figures import dev_figures, lexicon_facts, write_oov_counts
from asr.lang.general import general_words
from asr.lang.given import check_given, copy_given, oov_of
from asr.lang.langdir import write_lang
from asr.lang.lexicon import OOV_WORD
from asr.lang.lexicon_fst import write_grammar
from asr.lang.model import estimated, language_model
from asr.lang.ngram import Ngram
from asr.lang.pieces import MODEL, units_of
from asr.lang.sentences import read_plain, read_transcripts
from asr.lang.settings import Settings
from asr.lang.text_lexicon import UNREAD
from asr.lang.units import WordUnits
from asr.lang.unreachable import UnreachableWords, words_in_grammar
from asr.lang.vocabulary import choose


def make_lang(settings: Settings, folder: Path) -> dict[str, Any]:
    """Make lexicon, language model, L and G from --text in `folder`; return the facts for lang.json."""
    assert settings.text is not None
    texts = [read_transcripts(settings.text), _more_text(settings)]
    sentences = [sentence for text in texts for sentence in text]
    given = settings.arpa or settings.mix_arpa
    ready = read_arpa(given) if given is not None else None
    dev = _dev(settings)
    general = general_words(settings, sentences, dev)
    vocabulary = choose(
        settings, sentences, [*(ready.words if ready else ()), *(general.characters if general else ())]
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
    model, facts["general"] = language_model(
        settings,
        words,
        texts if settings.mix else [sentences],
        ready=ready,
        dev=dev,
        spelling=vocabulary.spelling,
        general=general,
    )
    facts["ngrams"] = _write_model(model, folder, folder / "words.txt", settings.arpa)
    unreachable = UnreachableWords(settings.arpa or "the language model", model.words)
    _check_texts(unreachable, settings, sentences, dev, words)
    unreachable.check_table(symbols.words)
    if given is not None and ready is not None:
        unreachable.check_model(symbols.words, given, ready.words)
    facts["left_out"] = unreachable.facts
    # without a user's lexicon all words were made: only those without a pronunciation are worth a line
    made = vocabulary.made if settings.lexicon is not None else dict.fromkeys(vocabulary.unread, UNREAD)
    write_oov_counts(folder / "oov_counts.txt", words, sentences, dev, made)
    facts["dev"] = dev_figures(dev, words, model)
    return facts


def take_over(settings: Settings, folder: Path) -> dict[str, Any]:
    """Copy --lang-dir into `folder`, with a second grammar of --tune-text; return the facts for lang.json."""
    assert settings.lang_dir is not None
    names = check_given(settings.lang_dir, settings.phones)
    symbols = copy_given(settings.lang_dir, folder, names)
    facts: dict[str, Any] = {"words": len(symbols), "files": len(names)}
    say(f"lang: {settings.lang_dir}: {len(symbols):,} words, {len(names)} files taken over")
    words = units_of(settings.lang_dir, symbols, oov_of(settings.lang_dir, symbols))
    train = read_transcripts(settings.text) if settings.text is not None else []
    dev = _dev(settings)
    grammar = settings.lang_dir / "G.fst"
    unreachable = UnreachableWords(grammar, words_in_grammar(grammar, symbols))
    _check_texts(unreachable, settings, train, dev, words)
    unreachable.check_table(symbols)
    facts["left_out"] = unreachable.facts
    model = None
    if settings.tune_text:
        sentences = [sentence for path in settings.tune_text for sentence in read_transcripts(path)]
        model = estimated([*sentences, *_more_text(settings)], words, settings.order, "lang: tune")
        (folder / "tune").mkdir()
        facts["tune_ngrams"] = _write_model(model, folder / "tune", folder / "words.txt")
    write_oov_counts(folder / "oov_counts.txt", words, train, dev, {})
    facts["dev"] = dev_figures(dev, words, model)
    return facts


def _write_model(model: Ngram, folder: Path, words: Path, source: Path | None = None) -> list[int]:
    """Write lm.arpa and G.fst, and return the numbers of n-grams. source: the file that the model was read from."""
    write_arpa(folder / "lm.arpa", model)
    write_grammar(folder / "lm.arpa", words, folder / "G.fst", source)
    return [len(order) for order in model.orders]


def _check_texts(
    unreachable: UnreachableWords, settings: Settings, train: list[str], dev: list[str], words: WordUnits
) -> None:
    unreachable.check_text("the training text", train, words)
    unreachable.check_text("dev", dev, words, settings.max_missing)


def _more_text(settings: Settings) -> list[str]:
    """Return the sentences of --lm-text, with numbers written out as in the transcripts."""
    written = normaliser(yao=settings.yao, table=settings.spoken_table)
    spaced = settings.units == "own"
    return [line for path in settings.lm_text for line in read_plain(path, spaced=spaced, written=written)]


def _dev(settings: Settings) -> list[str]:
    return read_transcripts(settings.dev_text) if settings.dev_text is not None else []
