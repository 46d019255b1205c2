"""What was said, in one written form: used by data preparation, the language model and scoring alike.

    normalise("占3/4的人在百盛(天山店A楼)")   ->  "占四分之三的人在百盛天山店A楼"
    characters("想听歌曲LET IT GO")            ->  ["想", "听", "歌", "曲", "LET", "IT", "GO"]

`normalise` returns Han characters (traditional ones stay: see `simplified`), upper-case Latin letters, ASCII digits
(with `spoken=False` alone) and single spaces. asr.corpus.spoken says numbers, dates, times, units and money.
`normalise` drops letters of scripts other than Han and Latin; preparation names the transcripts that lose some.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from asr.corpus.spoken import speak
from asr.corpus.spoken.plain_text import cleaned, with_roman, with_zeros, without_prosody

if TYPE_CHECKING:
    from asr.corpus.spoken.table import SpokenTable

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
LATIN = "A-ZÀ-ÖØ-ɏ"  # after accents are taken off, what is beyond A-Z is rare: Æ, Ø, Ð, Ł
DIGITS = str.maketrans("0123456789〇", "零一二三四五六七八九零")

_PLAIN = re.compile(f"[{HAN}]+")
# Annotation, not speech: <SPK/>, <NOISE>, <unk>, [n], [LAUGHTER], [*]. Brackets around anything with a Han character,
# and round brackets always, hold speech.
_MARKER = re.compile(r"</?[A-Za-z][\w:/ -]*>|\[[A-Za-z*/][A-Za-z0-9*_:/ -]*\]", re.ASCII)
_APOSTROPHE = re.compile(f"(?<=[{LATIN}])['’ʼ](?=[{LATIN}])")
_BETWEEN_LATIN = re.compile(f"(?<=[{LATIN}0-9])[^{HAN}{LATIN}0-9 ]+(?=[{LATIN}0-9])")
_NOT_KEPT = re.compile(f"[^{HAN}{LATIN}0-9 ]+")
_UNITS = {
    "word": re.compile(f"[{HAN}]|[{LATIN}{LATIN.lower()}]+|[0-9]+"),
    "letter": re.compile(f"[{HAN}]|[{LATIN}{LATIN.lower()}]|[0-9]"),
}


def normalise(text: str, *, spoken: bool = True, yao: str = "telephone", table: SpokenTable | None = None) -> str:
    """Return `text` in its one written form (see above). Idempotent.

    spoken: say numbers, dates and units in Han characters; yao: in which numbers 1 is said 幺, one of
    asr.corpus.spoken.numerals.YAO; table: the user's own pairs of written and spoken form, applied first.

    NFKC; byte-order marks, zero-width and control characters removed; upper case; accents taken off Latin letters;
    annotation such as <SPK/> or [NOISE] and marks of prosody (#1) dropped; punctuation and brackets dropped, their
    content kept. A space stays, one each, where the text had one; dropped punctuation leaves a space only between
    Latin letters or digits, and an apostrophe within a word leaves none (LET'S → LETS).
    """
    if table is None and _PLAIN.fullmatch(text) and "〇" not in text and unicodedata.is_normalized("NFKC", text):
        return text
    text = _MARKER.sub("、", without_prosody(cleaned(with_roman(text) if spoken else text)))
    if spoken:
        text = speak(text, yao, table).translate(DIGITS)
    text = _APOSTROPHE.sub("", text.upper())
    text = with_zeros(_NOT_KEPT.sub("", _BETWEEN_LATIN.sub(" ", text)))
    text = text.replace("〇", "零") if spoken else text
    return " ".join(text.split())


def normaliser(*, spoken: bool = True, yao: str = "telephone", table: Path | None = None) -> Callable[[str], str]:
    """Return `normalise` with these settings; `table`: a file of SpokenTable. Raises InputError for a faulty one."""
    from asr.corpus.spoken.table import SpokenTable

    pairs = None if table is None else SpokenTable.read(table)
    return functools.partial(normalise, spoken=spoken, yao=yao, table=pairs)


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, by OpenCC's t2s; it looks at words: 乾燥 → 干燥, 乾隆 stays."""
    return _converter().convert(text)


@functools.cache
def _converter():
    import opencc

    return opencc.OpenCC("t2s")


def characters(text: str, *, latin: str = "word") -> list[str]:
    """The units of scoring and of the language model in a normalised `text`.

    Each Han character is one unit. `latin="word"`: a run of Latin letters, or of digits, is one unit;
    `latin="letter"`: every Latin letter and digit is one. Anything else, spaces included, is no unit.
    """
    return _UNITS[latin].findall(text)
