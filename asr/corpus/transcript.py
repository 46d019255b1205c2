"""What was said, in one written form: used by data preparation, the language model and scoring alike.

    normalise("占3/4的人在百盛(天山店A楼)")   ->  "占四分之三的人在百盛天山店A楼"
    characters("想听歌曲LET IT GO")            ->  ["想", "听", "歌", "曲", "LET", "IT", "GO"]

What is left after `normalise` is Han characters (traditional ones stay: see `simplified`), upper-case Latin letters,
ASCII digits (with `spoken=False` alone) and single spaces. Numbers, dates, times, units, percentages and money are
spoken out by wetext, whose rules are context-free: `3:30` is a time, a bare run of five or more digits is read
digit by digit, `1-0` comes out as a subtraction. Letters of scripts other than Han and Latin are dropped.
"""

from __future__ import annotations

import functools
import re
import unicodedata

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

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_CURRENCY = {"$": "美元", "US$": "美元", "HK$": "港元", "¥": "元", "€": "欧元", "£": "英镑"}
_MONEY = re.compile(rf"((?:US|HK)?\$|[¥€£]) ?({_NUMBER})([十百千万亿]*)")
_THOUSANDS = re.compile(r"(?<![\d,.])(\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?!,?\d|\.\d)(?! ?[A-Za-z%‰°])")
# What wetext would read wrongly; all before it sees the text.
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[\"\\{}|“”]"), ""),  # these carry meaning between wetext's tagger and its verbaliser
    (re.compile("[\u2044\u2215]"), "/"),  # what NFKC makes of ½
    (re.compile(r"(\d+(?:\.\d+)?)‰"), r"千分之\1"),
    (re.compile(r"%-(?=\d)"), "%~"),  # 3%-5% is a range, not a negative percentage
    (re.compile(r"(?<=[A-Za-z])-(?=\d)"), ""),  # AK-47 is no number below zero
    (re.compile(r"(?<=[A-Za-z])( ?\d+)s(?![A-Za-z])"), r"\1S"),  # iPhone 6s is no time
    (re.compile(r"(?<=\d,\d{3}),(?=\d{3})|(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=\d),(?=\d)"), "、"),  # 5,6月 is not fifty-six
)
_UPPER_UNIT = re.compile(r"(?<=\d)(?:KM/H|KG|KM|CM|MM|M?ML|mL)(?![A-Za-z])")


def normalise(text: str, *, spoken: bool = True) -> str:
    """Give `text` its one written form (see above); idempotent. `spoken`: say numbers, dates and units in Han.

    NFKC; byte-order marks, zero-width and control characters removed; upper case; accents taken off Latin letters;
    annotation such as <SPK/> or [NOISE] dropped; punctuation and brackets dropped, their content kept. A space
    stays, one each, where the text had one; dropped punctuation leaves a space only between Latin letters or
    digits, and an apostrophe within a word leaves none (LET'S → LETS).
    """
    if _PLAIN.fullmatch(text) and "〇" not in text and unicodedata.is_normalized("NFKC", text):
        return text
    text = _MARKER.sub("、", _clean(text))
    if spoken:
        if re.search("[0-9]", text):
            text = _speak(text)
        text = text.translate(DIGITS)
    text = _APOSTROPHE.sub("", text.upper())
    text = _NOT_KEPT.sub("", _BETWEEN_LATIN.sub(" ", text))
    return " ".join(text.split())


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


def _clean(text: str) -> str:
    """NFKC without invisible characters, accents and foreign digits; white space as plain spaces.

    Decomposed, so that accents can be taken off; without them there is nothing left to compose again.
    """
    kept = []
    for char in unicodedata.normalize("NFKD", text):
        kind = unicodedata.category(char)
        if kind in ("Zs", "Zl", "Zp") or char in "\t\n\r\v\f":
            kept.append(" ")
        elif kind == "Nd":
            kept.append(str(unicodedata.decimal(char)))
        elif kind not in ("Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me"):
            kept.append(char)
    return "".join(kept)


@functools.cache
def _normaliser():
    from wetext import Normalizer  # reads its rules from disk, 0.4 s

    return Normalizer(
        lang="zh", operator="tn", remove_erhua=False, traditional_to_simple=False, full_to_half=False
    ).normalize


@functools.lru_cache(maxsize=1 << 14)
def _speak(text: str) -> str:
    text = _MONEY.sub(lambda m: m[2] + m[3] + _CURRENCY[m[1]], text)
    # Written with separators it is a quantity, never a string of digits: make wetext see a measure word.
    text = _THOUSANDS.sub(lambda m: _normaliser()(m[1].replace(",", "") + "人").removesuffix("人"), text)
    for pattern, by in _REWRITES:
        text = pattern.sub(by, text)
    text = _UPPER_UNIT.sub(lambda m: m[0].lower(), text)
    return _normaliser()(text)
