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
    general: str = option(
        "auto",
        help="general Chinese word frequencies to mix with the estimated model; auto: wordfreq's, if they lower the "
        "perplexity of --dev-text (without one, of a tenth of the transcripts)",
        choices=("auto", "wordfreq", "none"),
    )
    general_prune: float = option(
        1e-7, help="as --prune, of the n-grams that only the general words have", least=0, below=1
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
    given, own, spm = settings.lang_dir is not None, settings.units != "chars", settings.units == "spm"
    mix, weight, files = settings.mix or settings.mix_arpa, settings.mix_weight, settings.lexicon or settings.arpa
    faults: dict[str, object] = {
        "pass --text to make a lang directory or --lang-dir to use a ready one": not (given or settings.text),
        f"--lang-dir has its own words: it excludes --units {settings.units}": given and own,
        "--lang-dir has its own G.fst and L.fst: it excludes --arpa and --lexicon": given and files,
        "--lang-dir has its own G.fst: it excludes --mix, --mix-arpa and --prune": given and (mix or settings.prune),
        "--general wordfreq is mixed with an estimated model: it excludes --lang-dir and --arpa": settings.general
        == "wordfreq"
        and (given or settings.arpa),
        "--tune-text needs --lang-dir": settings.tune_text and not given,
        "--units spm makes its own words: it excludes --lexicon, --arpa and --mix-arpa": spm
        and (files or settings.mix_arpa),
        f"--vocab needs --units spm, not {settings.units}": settings.vocab and not spm,
        "--mix-weight needs --mix or --mix-arpa": weight and not mix,
        "--arpa replaces the estimated model; to mix both, pass it as --mix-arpa": mix and settings.arpa,
        "--mix needs --lm-text, whose model it mixes with that of the transcripts": settings.mix
        and not settings.lm_text,
        "a mixture needs --dev-text, on which its weight is chosen, or --mix-weight": mix
        and not (weight or settings.dev_text),
    }
    for message, wrong in faults.items():
        if wrong:
            raise InputError(f"lang: {message}")
