"""Make the lexicon, the language model and their transducers L and G, or take over a Kaldi lang directory.

Two ways. With --text: characters and Latin letters are the words, pypinyin gives their pronunciations, and a
Kneser-Ney model is estimated from the transcripts and --lm-text (or taken from --arpa). With --lang-dir: a complete
Kaldi lang directory is checked and copied; --tune-text then makes a second grammar, tune/G.fst, of the training
text alone: it serves to choose the language-model weight on sentences that the given one has already seen.

reads   TEXT (`utterance transcript`), LM_TEXT (a sentence a line), PHONES (phones.txt of an alignment: ids stay)
writes  OUT/lexicon.txt words.txt phones.txt phones/ topo oov.txt oov.int L.fst L_disambig.fst G.fst lm.arpa
        oov_counts.txt (unknown words of DEV_TEXT and TEXT, most frequent first) lang.json; OUT/tune/G.fst lm.arpa

    python -m asr lang --text exp/mini/data/train/text --dev-text exp/mini/data/dev/text \\
        --phones exp/mini/ali/phones.txt --out exp/mini/lang
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import progress, say
from asr.errors import InputError
from asr.settings import as_dict, option
from asr.stamp import Stamp
from asr.tables import read_lines, read_symbols, read_table

# What one way writes and the other does not.
OPTIONAL = ("lexicon.txt", "topo", "L.fst", "oov.txt", "oov.int", "lm.arpa", "lm.arpa.gz", "oov_counts.txt")
TUNE = ("tune/G.fst", "tune/lm.arpa")


@dataclass(frozen=True)
class Settings:
    out: Path = option(help="lang directory to write")
    text: Path | None = option(None, help="transcripts of the training set, `utterance transcript`")
    lm_text: tuple[Path, ...] = option((), help="more text for the language model, a sentence a line; repeatable")
    dev_text: Path | None = option(None, help="transcripts to report unknown words and perplexity of")
    phones: Path | None = option(None, help="phones.txt of the alignment; its ids are kept")
    order: int = option(3, help="length of the longest n-gram")
    arpa: Path | None = option(None, help="a ready language model (ARPA, .gz too) instead of estimating one")
    lexicon: Path | None = option(None, help="a ready lexicon.txt instead of pypinyin; its words are the words")
    silence_prob: float = option(0.5, help="probability of silence after a word")
    letters: str = option("names", help="Latin letters: Mandarin letter names or SPN", choices=("names", "noise"))
    most_pronunciations: int = option(3, help="pronunciations a character at most")
    lang_dir: Path | None = option(None, help="a complete Kaldi lang directory to use instead of making one")
    tune_text: tuple[Path, ...] = option((), help="with --lang-dir: training transcripts for tune/G.fst; repeatable")
    force: bool = option(False, help="make it even when nothing changed", affects=False)


def run(settings: Settings) -> None:
    """The stage `lang`."""
    _check(settings)
    inputs = [*settings.lm_text, *settings.tune_text]
    single = (settings.text, settings.dev_text, settings.phones, settings.arpa, settings.lexicon)
    inputs += [path for path in single if path is not None]
    if settings.lang_dir is not None:
        inputs += [p for p in (settings.lang_dir, settings.lang_dir / "phones") if p.is_dir()]
    stamp = Stamp(settings.out / ".done.lang.json", "lang", settings, inputs)
    if not settings.force and stamp.fresh():
        return
    from asr.lang.langdir import building

    with building(settings.out, stale=(*OPTIONAL, *TUNE)) as folder:
        facts = _take_over(settings, folder) if settings.lang_dir is not None else _make(settings, folder)
        with open(folder / "lang.json", "w", encoding="utf-8") as handle:
            json.dump(
                {"settings": as_dict(settings, affecting_only=True), **facts}, handle, ensure_ascii=False, indent=1
            )
            handle.write("\n")
        made = sorted(item.relative_to(folder) for item in folder.rglob("*") if item.is_file())
    stamp.record(settings.out / name for name in made)


def _check(settings: Settings) -> None:
    if settings.text is None and settings.lang_dir is None:
        raise InputError("lang: pass --text to make a lang directory or --lang-dir to use a ready one")
    if settings.lang_dir is not None:
        if settings.lang_dir.resolve() == settings.out.resolve():
            raise InputError("lang: --lang-dir and --out are the same folder")
        if settings.arpa is not None or settings.lexicon is not None:
            raise InputError(
                "lang: --arpa and --lexicon cannot go with --lang-dir, which has its own G.fst and L.fst"
            )
    elif settings.tune_text:
        raise InputError("lang: --tune-text goes with --lang-dir")
    if not 0 <= settings.silence_prob < 1:
        raise InputError(f"lang: --silence-prob {settings.silence_prob} is not in [0, 1)")
    if not 1 <= settings.order <= 9:
        raise InputError(f"lang: --order {settings.order} is not in 1 ... 9")
    if settings.most_pronunciations < 1:
        raise InputError(f"lang: --most-pronunciations {settings.most_pronunciations} leaves none")


# ---------------------------------------------------------------- text


def read_transcripts(path: Path) -> list[str]:
    """The normalised sentences of a Kaldi text file, empty ones left out; InputError when none is left."""
    from asr.corpus.transcript import normalise

    # spoken=False: preparation has decided whether digits stay digits
    sentences = [normalise(line, spoken=False) for line in read_table(path, allow_empty=True).values()]
    return _not_empty([sentence for sentence in sentences if sentence], path)


def read_plain(path: Path) -> list[str]:
    """The normalised sentences of a plain text file, one a line, numbers spoken out; InputError when none is left."""
    from asr.corpus.transcript import normalise

    lines = list(read_lines(path))
    sentences = [normalise(line) for _, line in progress(lines, len(lines), f"lang: {path.name}")]
    return _not_empty([sentence for sentence in sentences if sentence], path)


def _not_empty(sentences: list[str], path: Path) -> list[str]:
    if not sentences:
        raise InputError("holds no text", file=path)
    return sentences


# ---------------------------------------------------------------- the two ways


def _make(settings: Settings, folder: Path) -> dict[str, Any]:
    from asr.lang.arpa import read_arpa
    from asr.lang.langdir import write_lang
    from asr.lang.lexicon import OOV_WORD, words_of
    from asr.lang.lexicon_fst import write_grammar
    from asr.lang.units import WordUnits

    assert settings.text is not None
    sentences = read_transcripts(settings.text)
    for path in settings.lm_text:
        sentences += read_plain(path)
    ready = read_arpa(settings.arpa) if settings.arpa is not None else None
    lexicon, facts = _lexicon(settings, sentences, ready.words if ready else [])
    symbols = write_lang(
        folder,
        lexicon,
        phones=settings.phones,
        silence_probability=settings.silence_prob,
        lexicon_source=settings.lexicon,
    )
    facts = {
        "words": len(words_of(lexicon)),
        "pronunciations": len(lexicon),
        "phones": len(symbols.real_phones),
        **facts,
    }
    say(_lexicon_line(facts))
    words = WordUnits(symbols.words, OOV_WORD)
    model = ready or _estimated(sentences, words, settings.order, "lang")
    _write_model(model, folder)
    write_grammar(folder / "lm.arpa", folder / "words.txt", folder / "G.fst", settings.arpa)
    facts["ngrams"] = [len(order) for order in model.orders]
    facts["dev"] = _report_dev(settings, folder, words, model, sentences)
    return facts


def _lexicon(settings: Settings, sentences: Sequence[str], more_words: Iterable[str]) -> tuple[Any, dict[str, Any]]:
    from asr.corpus.transcript import characters
    from asr.lang import lexicon as lexicons
    from asr.lang.units import is_special

    if settings.lexicon is not None:
        return lexicons.with_specials(lexicons.read_lexicon(settings.lexicon)), {}
    units = {unit for sentence in sentences for unit in characters(sentence, latin="letter")}
    units |= {word for word in more_words if not is_special(word)}
    lexicon, unknown = lexicons.build(sentences, units, letters=settings.letters, most=settings.most_pronunciations)
    changed = 0
    if settings.phones is not None:
        lexicon, changed = lexicons.fit_phones(lexicon, read_symbols(settings.phones), settings.phones)
    return lexicon, {"without_reading": unknown, "pronunciations_fitted_to_phones": changed}


def _take_over(settings: Settings, folder: Path) -> dict[str, Any]:
    from asr.lang.given import check_given, copy_given, oov_of
    from asr.lang.lexicon_fst import write_grammar
    from asr.lang.units import WordUnits

    assert settings.lang_dir is not None
    names = check_given(settings.lang_dir, settings.phones)
    symbols = copy_given(settings.lang_dir, folder, names)
    facts: dict[str, Any] = {"words": len(symbols), "files": len(names)}
    say(f"lang: {settings.lang_dir}: {len(symbols):,} words, {len(names)} files taken over")
    words = WordUnits(symbols, oov_of(settings.lang_dir, symbols))
    model = None
    if settings.tune_text:
        sentences = [sentence for path in settings.tune_text for sentence in read_transcripts(path)]
        sentences += [sentence for path in settings.lm_text for sentence in read_plain(path)]
        (folder / "tune").mkdir()
        model = _estimated(sentences, words, settings.order, "lang: tune")
        _write_model(model, folder / "tune")
        write_grammar(folder / "tune" / "lm.arpa", folder / "words.txt", folder / "tune" / "G.fst")
        facts["tune_ngrams"] = [len(order) for order in model.orders]
    train = read_transcripts(settings.text) if settings.text is not None else []
    facts["dev"] = _report_dev(settings, folder, words, model, train)
    return facts


def _estimated(sentences: Sequence[str], words: Any, order: int, what: str) -> Any:
    from asr.lang.ngram import estimate

    tokens = [words.tokenise(sentence) for sentence in sentences]
    model = estimate(tokens, order)
    sizes = " + ".join(f"{len(part):,}" for part in model.orders)
    total = sum(len(sentence) for sentence in tokens)
    say(f"{what}: {order}-gram model of {len(tokens):,} sentences, {total:,} words: {sizes} n-grams")
    return model


def _write_model(model: Any, folder: Path) -> None:
    from asr.lang.arpa import write_arpa

    write_arpa(folder / "lm.arpa", model)


# ---------------------------------------------------------------- what is said about it


def _lexicon_line(facts: dict[str, Any]) -> str:
    line = f"lang: {facts['words']:,} words, {facts['pronunciations']:,} pronunciations, {facts['phones']} phones"
    if unknown := facts.get("without_reading"):
        line += f"; {len(unknown)} without a known reading, said as SPN: {' '.join(unknown[:10])}"
    if changed := facts.get("pronunciations_fitted_to_phones"):
        line += f"; {changed} pronunciations fitted to the alignment's phones"
    return line


def _report_dev(settings: Settings, folder: Path, words: Any, model: Any, train: Sequence[str]) -> dict[str, Any]:
    """Unknown words of dev text and training text into oov_counts.txt; says and returns the dev figures."""
    from asr.lang.ngram import perplexity

    dev = read_transcripts(settings.dev_text) if settings.dev_text is not None else []
    unknown = {
        name: [unit for text in texts for unit in words.unknown(text)] for name, texts in (("", train), ("dev", dev))
    }
    counts = Counter(unknown[""] + unknown["dev"])
    with open(folder / "oov_counts.txt", "w", encoding="utf-8") as handle:
        for unit, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            handle.write(f"{unit} {count}\n")
    if unknown[""]:
        say(f"lang: {len(unknown[''])} words of the training text are not in words.txt; see oov_counts.txt")
    if not dev:
        return {}
    tokens = [words.tokenise(sentence) for sentence in dev]
    total, missed = sum(len(sentence) for sentence in tokens), len(unknown["dev"])
    line = f"lang: dev: {len(dev):,} sentences, {total:,} words, {missed} unknown ({100 * missed / total:.2f} %)"
    result: dict[str, Any] = {"sentences": len(dev), "words": total, "unknown": missed}
    if model is not None:
        measured = perplexity(model, tokens)
        result["perplexity"] = round(measured.perplexity, 3)
        line += f"; perplexity {measured.perplexity:.1f} over {measured.words:,} words and sentence ends"
    say(line)
    return result
