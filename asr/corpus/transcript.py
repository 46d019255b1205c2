"""Write transcripts in one form, for data preparation, the language model and scoring.

    normalise("占3/4的人在百盛(天山店A楼)")   # "占四分之三的人在百盛天山店A楼"
    characters("想听歌曲LET IT GO")            # ["想", "听", "歌", "曲", "LET", "IT", "GO"]

`normalise` returns Han characters (traditional ones remain: see `simplified`), upper-case Latin letters, ASCII digits
(only with `spoken=False`) and single spaces. asr.corpus.spoken writes numbers, dates, times, units and money as they
are spoken. Letters of scripts other than Han and Latin are dropped; preparation names the transcripts that lose some.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.corpus.spoken import speak
from asr.corpus.spoken.plain_text import cleaned, with_roman, with_zeros, without_prosody

if TYPE_CHECKING:
    from asr.corpus.spoken.table import SpokenTable

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
LATIN = "A-ZÀ-ÖØ-ɏ"  # accents are removed first; few letters beyond A-Z remain: Æ, Ø, Ð, Ł
DIGITS = str.maketrans("0123456789〇", "零一二三四五六七八九零")

_PLAIN = re.compile(f"[{HAN}]+")
# Annotation, not speech: <SPK/>, <NOISE>, <unk>, [n], [LAUGHTER], [*]. Round brackets, and brackets around a Han
# character, hold speech.
_MARKER = re.compile(r"</?[A-Za-z][\w:/ -]*>|\[[A-Za-z*/][A-Za-z0-9*_:/ -]*\]", re.ASCII)
_APOSTROPHE = re.compile(f"(?<=[{LATIN}])['’ʼ](?=[{LATIN}])")
_BETWEEN_LATIN = re.compile(f"(?<=[{LATIN}0-9])[^{HAN}{LATIN}0-9 ]+(?=[{LATIN}0-9])")
_NOT_KEPT = re.compile(f"[^{HAN}{LATIN}0-9 ]+")
_UNITS = {
    "word": re.compile(f"[{HAN}]|[{LATIN}{LATIN.lower()}]+|[0-9]+"),
    "letter": re.compile(f"[{HAN}]|[{LATIN}{LATIN.lower()}]|[0-9]"),
}


def normalise(text: str, *, spoken: bool = True, yao: str = "telephone", table: SpokenTable | None = None) -> str:
    """Return `text` in its written form (see above). Idempotent.

    spoken: write numbers, dates and units in Han characters. yao: the numbers in which 1 is 幺, one of
    asr.corpus.spoken.numerals.YAO. table: the user's own pairs of written and spoken form, applied first.

    The text is in NFKC and in upper case, without byte-order marks, zero-width and control characters, accents on
    Latin letters, annotation (<SPK/>, [NOISE]), marks of prosody (#1), punctuation and brackets; the content of
    brackets remains. Each run of spaces becomes one. Punctuation leaves a space only between Latin letters or
    digits, and an apostrophe within a word leaves none (LET'S becomes LETS).
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
    """Return `normalise` with these settings. table: a file of a SpokenTable. Raises InputError if it is faulty."""
    from asr.corpus.spoken.table import SpokenTable

    pairs = None if table is None else SpokenTable.read(table)
    return functools.partial(normalise, spoken=spoken, yao=yao, table=pairs)


def simplified(text: str) -> str:
    """Return `text` in simplified characters, by OpenCC's t2s, which knows words: 乾燥 becomes 干燥, 乾隆 remains."""
    converted: str = _converter().convert(text)
    return converted


@functools.cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def characters(text: str, *, latin: str = "word") -> list[str]:
    """Return the units of scoring and of the language model in a normalised text.

    Each Han character is a unit. latin="word": a run of Latin letters, or of digits, is a unit. latin="letter": each
    Latin letter and digit is a unit. All other characters, such as spaces, are separators.
    """
    return _UNITS[latin].findall(text)
