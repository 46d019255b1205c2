"""Make the lexicon, the language model and their transducers L and G, or take over a Kaldi lang directory.

Two ways. With --text: pypinyin gives the words their pronunciations, and a Kneser-Ney model is estimated from the
transcripts and --lm-text; or taken from --arpa; or mixed of several, each by its worth for the dev text; and pruned.
With --lang-dir: a complete Kaldi lang directory is checked and copied; --tune-text then makes a second grammar,
tune/G.fst, of the training text alone: it serves to choose the language-model weight on sentences that the given one
has already seen.

The words (--units) are characters and Latin letters; or `spm`, the pieces of one to four characters by which
sentencepiece's unigram model finds the text most probable; or `own`, what spaces part in the text. A --lexicon of
the user's is completed by what the text needs. In every way all characters, letters and digits of the text are words
too, or can be spelled, so that no transcript is lost: letters by name, what nobody can read as spoken noise.

reads   TEXT (`utterance transcript`), LM_TEXT (a sentence a line), PHONES (phones.txt of an alignment: ids stay)
writes  OUT/lexicon.txt words.txt phones.txt phones/ topo oov.txt oov.int L.fst L_disambig.fst G.fst lm.arpa
        pieces.model (spm) lang.json (sizes, dev, and left_out: words that the language model never gives);
        OUT/tune/G.fst lm.arpa; oov_counts.txt: `word count how` of the words that LEXICON or words.txt lacks, most
        frequent first; how: pypinyin, letters, lexicon (by its characters), noise

    python -m asr lang --text exp/mini/data/train/text --dev-text exp/mini/data/dev/text \\
        --phones exp/mini/ali/phones.txt --out exp/mini/lang
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.numerals import YAO
from asr.errors import InputError
from asr.settings import as_dict, option
from asr.stamp import Stamp

# What one way writes and the other does not.
OPTIONAL = (
    "lexicon.txt",
    "topo",
    "L.fst",
    "oov.txt",
    "oov.int",
    "lm.arpa",
    "lm.arpa.gz",
    "oov_counts.txt",
    "pieces.model",
    *(f"phones/{name}.{kind}" for name in ("word_boundary", "align_lexicon") for kind in ("txt", "int")),
)
TUNE = ("tune/G.fst", "tune/lm.arpa")

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    out: Path = option(
        help="lang directory to write",
        writes="folder",
        makes=("*.txt", "*.fst", "topo", "lm.arpa*", "*.model", "lang.json"),
    )
    text: Path | None = option(None, help="transcripts of the training set, `utterance transcript`")
    lm_text: tuple[Path, ...] = option((), help="more text for the language model, a sentence a line; repeatable")
    dev_text: Path | None = option(None, help="transcripts to report unknown words and perplexity of")
    units: str = option(
        "chars", help="words: characters, sentencepiece's, or as spaced in the text", choices=("chars", "spm", "own")
    )
    vocab: int = option(0, help="with --units spm: how many words; 0: a tenth more than it has characters")
    phones: Path | None = option(None, help="phones.txt of the alignment; its ids are kept")
    order: int = option(3, help="length of the longest n-gram")
    arpa: Path | None = option(None, help="a ready language model (ARPA, .gz too) instead of estimating one")
    prune: float = option(0.0, help="leave out n-grams whose loss raises the perplexity by less than this fraction")
    mix: bool = option(False, help="a model of --lm-text apart, mixed with the transcripts' as dev likes it best")
    mix_arpa: Path | None = option(None, help="a ready language model (ARPA) to mix with the estimated one")
    mix_weight: float = option(0.0, help="weight of the transcripts' model in a mixture; 0: chosen on --dev-text")
    lexicon: Path | None = option(None, help="your own lexicon.txt; pypinyin adds what the text has and it lacks")
    silence_prob: float = option(0.5, help="probability of silence after a word")
    max_missing: float = option(1.0, help="largest part of dev's words that the language model may never give")
    letters: str = option("names", help="Latin letters: Mandarin letter names or SPN", choices=("names", "noise"))
    most_pronunciations: int = option(3, help="pronunciations a word at most")
    lang_dir: Path | None = option(None, help="a complete Kaldi lang directory to use instead of making one")
    tune_text: tuple[Path, ...] = option((), help="with --lang-dir: training transcripts for tune/G.fst; repeatable")
    yao: str = option("telephone", help="numbers in --lm-text: as prepare.yao", choices=YAO)
    spoken_table: Path | None = option(None, help="numbers in --lm-text: as prepare.spoken-table")


def run(settings: Settings) -> None:
    """The stage `lang`."""
    _check(settings)
    inputs = [*settings.lm_text, *settings.tune_text]
    single = [settings.text, settings.dev_text, settings.phones, settings.arpa, settings.mix_arpa, settings.lexicon]
    inputs += [path for path in [*single, settings.spoken_table] if path is not None]
    if settings.lang_dir is not None:
        inputs += [p for p in (settings.lang_dir, settings.lang_dir / "phones") if p.is_dir()]
    stamp = Stamp(settings.out / ".done.lang.json", "lang", settings, inputs, revision=REVISION)
    if stamp.fresh():
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
        _check_given(settings, settings.lang_dir)
    elif settings.tune_text:
        raise InputError("lang: --tune-text goes with --lang-dir")
    if settings.units == "spm" and (settings.lexicon or settings.arpa or settings.mix_arpa):
        raise InputError("lang: --units spm finds its own words: --lexicon, --arpa and --mix-arpa cannot go with it")
    if settings.vocab and settings.units != "spm":
        raise InputError(f"lang: --vocab goes with --units spm, not {settings.units}")
    if settings.vocab < 0:
        raise InputError(f"lang: --vocab {settings.vocab} is below 0")
    if not 0 <= settings.silence_prob < 1:
        raise InputError(f"lang: --silence-prob {settings.silence_prob} is not in [0, 1)")
    if settings.most_pronunciations < 1:
        raise InputError(f"lang: --most-pronunciations {settings.most_pronunciations} leaves none")
    if not 0 <= settings.max_missing <= 1:
        raise InputError(f"lang: --max-missing {settings.max_missing} is not in [0, 1]")
    _check_model(settings)


def _check_given(settings: Settings, lang_dir: Path) -> None:
    if lang_dir.resolve() == settings.out.resolve():
        raise InputError("lang: --lang-dir and --out are the same folder")
    if settings.units != "chars":
        raise InputError(f"lang: --units {settings.units} cannot go with --lang-dir, which has its own words")
    if settings.arpa or settings.lexicon:
        raise InputError("lang: --arpa and --lexicon cannot go with --lang-dir, which has its own G.fst and L.fst")
    if settings.mix or settings.mix_arpa or settings.prune:
        raise InputError("lang: --mix, --mix-arpa and --prune cannot go with --lang-dir, which has its own G.fst")


def _check_model(settings: Settings) -> None:
    if not 1 <= settings.order <= 9:
        raise InputError(f"lang: --order {settings.order} is not in 1 ... 9")
    if not 0 <= settings.prune < 1:
        raise InputError(f"lang: --prune {settings.prune} is not in [0, 1)")
    if not 0 <= settings.mix_weight < 1:
        raise InputError(f"lang: --mix-weight {settings.mix_weight} is not in [0, 1); 0: chosen on --dev-text")
    mixes = settings.mix or settings.mix_arpa is not None
    if settings.mix_weight and not mixes:
        raise InputError("lang: --mix-weight goes with --mix or --mix-arpa")
    if mixes and settings.arpa:
        raise InputError("lang: --arpa takes the place of the estimated model; to mix both, pass it as --mix-arpa")
    if settings.mix and not settings.lm_text:
        raise InputError("lang: --mix mixes the model of the transcripts with that of --lm-text: pass --lm-text")
    if mixes and not settings.mix_weight and settings.dev_text is None:
        raise InputError("lang: the weight of a mixture is chosen on --dev-text: pass it, or --mix-weight")


# ---------------------------------------------------------------- the two ways


def _make(settings: Settings, folder: Path) -> dict[str, Any]:
    from asr.lang.arpa import read_arpa, write_arpa
    from asr.lang.figures import dev_figures, lexicon_facts, write_oov_counts
    from asr.lang.langdir import write_lang
    from asr.lang.lexicon import OOV_WORD
    from asr.lang.lexicon_fst import write_grammar
    from asr.lang.never_given import NeverGiven
    from asr.lang.pieces import MODEL
    from asr.lang.text import read_transcripts
    from asr.lang.vocabulary import choose
    from asr.lang.words import UNREAD

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


def _take_over(settings: Settings, folder: Path) -> dict[str, Any]:
    from asr.lang.arpa import write_arpa
    from asr.lang.figures import dev_figures, write_oov_counts
    from asr.lang.given import check_given, copy_given, oov_of
    from asr.lang.lexicon_fst import write_grammar
    from asr.lang.model import estimated
    from asr.lang.never_given import NeverGiven, words_in_grammar
    from asr.lang.pieces import units_of
    from asr.lang.text import read_transcripts

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
    from asr.corpus.transcript import normaliser
    from asr.lang.text import read_plain

    written = normaliser(yao=settings.yao, table=settings.spoken_table)
    spaced = settings.units == "own"
    return [line for path in settings.lm_text for line in read_plain(path, spaced=spaced, written=written)]


def _dev(settings: Settings) -> list[str]:
    from asr.lang.text import read_transcripts

    return read_transcripts(settings.dev_text) if settings.dev_text is not None else []


def _language_model(
    settings: Settings, words: Any, texts: list[list[str]], ready: Any, dev: list[str], spelling: Sequence[str]
) -> Any:
    """The user's model, or one of each text; mixed and pruned as the settings have it."""
    from asr.lang.model import estimated, mixed, smaller

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
