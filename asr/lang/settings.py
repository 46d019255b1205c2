"""The settings of the stage `lang`, and the check of those that exclude or need one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.corpus.spoken.numerals import YAO
from asr.errors import InputError
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    out: Path = option(
        help="lang directory to write",
        writes="folder",
        makes=("*.txt", "*.fst", "topo", "lm.arpa*", "*.model", "lang.json"),
    )
    text: Path | None = option(None, help="transcripts of the training set, `utterance transcript`")
    lm_text: tuple[Path, ...] = option((), help="more text for the language model, a sentence a line; repeatable")
    dev_text: Path | None = option(None, help="transcripts whose unknown words and perplexity are reported")
    units: str = option(
        "chars", help="words: characters, sentencepiece's, or as spaced in the text", choices=("chars", "spm", "own")
    )
    vocab: int = option(0, help="with --units spm: number of words; 0: a tenth more than characters", least=0)
    phones: Path | None = option(None, help="phones.txt of the alignment; its ids are kept")
    order: int = option(3, help="length of the longest n-gram", least=1, most=9)
    arpa: Path | None = option(None, help="a ready language model (ARPA, .gz too) instead of estimating one")
    prune: float = option(
        0.0, help="remove n-grams whose removal raises the perplexity by less than this fraction", least=0, below=1
    )
    mix: bool = option(False, help="a separate model of --lm-text, mixed with that of the transcripts")
    mix_arpa: Path | None = option(None, help="a ready language model (ARPA) to mix with the estimated one")
    mix_weight: float = option(
        0.0, help="weight of the transcripts' model in a mixture; 0: chosen on --dev-text", least=0, below=1
    )
    lexicon: Path | None = option(
        None, help="your own lexicon.txt; pypinyin adds the words of the text that it lacks"
    )
    silence_prob: float = option(0.5, help="probability of silence after a word", least=0, below=1)
    max_missing: float = option(
        1.0, help="largest share of the words of dev that the language model may lack", least=0, most=1
    )
    letters: str = option("names", help="Latin letters: Mandarin letter names or SPN", choices=("names", "noise"))
    most_pronunciations: int = option(3, help="maximal number of pronunciations per word", least=1)
    lang_dir: Path | None = option(None, help="a complete Kaldi lang directory to use instead of making one")
    tune_text: tuple[Path, ...] = option((), help="with --lang-dir: training transcripts for tune/G.fst; repeatable")
    yao: str = option("telephone", help="numbers in --lm-text: as prepare.yao", choices=YAO)
    spoken_table: Path | None = option(None, help="numbers in --lm-text: as prepare.spoken-table")


def check(settings: Settings) -> None:
    """Raise InputError for settings that contradict one another."""
    if settings.text is None and settings.lang_dir is None:
        raise InputError("lang: pass --text to make a lang directory or --lang-dir to use a ready one")
    if settings.lang_dir is not None:
        _check_given(settings, settings.lang_dir)
    elif settings.tune_text:
        raise InputError("lang: --tune-text needs --lang-dir")
    if settings.units == "spm" and (settings.lexicon or settings.arpa or settings.mix_arpa):
        raise InputError("lang: --units spm makes its own words: it excludes --lexicon, --arpa and --mix-arpa")
    if settings.vocab and settings.units != "spm":
        raise InputError(f"lang: --vocab needs --units spm, not {settings.units}")
    _check_model(settings)


def _check_given(settings: Settings, lang_dir: Path) -> None:
    if lang_dir.resolve() == settings.out.resolve():
        raise InputError("lang: --lang-dir and --out are the same folder")
    if settings.units != "chars":
        raise InputError(f"lang: --lang-dir has its own words: it excludes --units {settings.units}")
    if settings.arpa or settings.lexicon:
        raise InputError("lang: --lang-dir has its own G.fst and L.fst: it excludes --arpa and --lexicon")
    if settings.mix or settings.mix_arpa or settings.prune:
        raise InputError("lang: --lang-dir has its own G.fst: it excludes --mix, --mix-arpa and --prune")


def _check_model(settings: Settings) -> None:
    mixes = settings.mix or settings.mix_arpa is not None
    if settings.mix_weight and not mixes:
        raise InputError("lang: --mix-weight needs --mix or --mix-arpa")
    if mixes and settings.arpa:
        raise InputError("lang: --arpa replaces the estimated model; to mix both, pass it as --mix-arpa")
    if settings.mix and not settings.lm_text:
        raise InputError("lang: --mix needs --lm-text, whose model it mixes with that of the transcripts")
    if mixes and not settings.mix_weight and settings.dev_text is None:
        raise InputError("lang: a mixture needs --dev-text, on which its weight is chosen, or --mix-weight")
