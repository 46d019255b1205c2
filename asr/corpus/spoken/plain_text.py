"""Remove compatibility forms, invisible characters, accents, foreign digits and marks of prosody from a text.

cleaned("Ａ\u200b４纸")                    # "A4纸"
without_prosody("小猫#2陪老师#1看书#4。")    # "小猫陪老师看书。"
"""

from __future__ import annotations

import re
import unicodedata

_NUMERALS = "零一二三四五六七八九十百千万"
# other ways to write 零: a circle beside a numeral, a letter O in a year
_CIRCLE = re.compile(rf"[○◯](?=[○◯]*[{_NUMERALS}〇0-9年后])|(?<=[{_NUMERALS}〇0-9])[○◯]")
_YEAR = re.compile(
    "(?<![一二三四五六七八九零〇A-Za-z0-9])(?:[一二][一二三四五六七八九零〇OoＯｏ]{3}|[12](?=\\d*[Oo])[Oo\\d]{3})(?=年)",
    re.ASCII,
)
# applied before NFKD, which makes 31⁄2 of 3½, 102 of 10² and = of ≠
_HALVES = re.compile("(?<=[0-9])(?=[¼½¾⅐-⅞])")
_RAISED = re.compile("(?<=[0-9xyzXYZabcnrR])([⁻⁺]?)([⁰¹²³⁴-⁹]+)")
_LOST = str.maketrans({"≠": "不等于", "≮": "不小于", "≯": "不大于", "≰": "不小于等于", "≱": "不大于等于"})

# ①② are 1 and 2, not 12; ❶ has no other form
_LISTED = re.compile("[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793]")
# one character for a Roman numeral: Ⅳ; ⅩⅩⅠ is one number
_ROMAN = re.compile("[\u2160-\u217f]+")

_MARK = re.compile(r"(?<=[^\s#])#[0-5](?![0-9])")
_ANY_MARK = re.compile(r" ?#[0-5](?![0-9])")
_LAST_MARK = re.compile(r"#[1-5][^\w#]*$")
_NUMBERED = "楼号栋机车炉线门库桌厅井厂"


def cleaned(text: str) -> str:
    """Return `text` in NFKD without invisible characters, accents and foreign digits; white space becomes spaces.

    NFKD separates the accents; without them NFKC is the same. A circle among numerals, and a letter O in a year of
    Han numerals, becomes 〇.
    """
    text = with_zeros(_CIRCLE.sub("〇", text.translate(_LOST)))
    text = _LISTED.sub(_listed, text)
    text = _RAISED.sub(_power, _HALVES.sub("又", text))
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


def _listed(match: re.Match[str]) -> str:
    return f"{unicodedata.numeric(match[0]):.0f}、"


def with_roman(text: str) -> str:
    """Return `text` with Roman numeral characters in digits: 第Ⅲ期 becomes 第3期. Letters remain: Henry VIII."""
    return _ROMAN.sub(_roman, text)


def _roman(match: re.Match[str]) -> str:
    values = [int(unicodedata.numeric(numeral)) for numeral in match[0]]
    following = [*values[1:], 0]
    return str(sum(-value if value < after else value for value, after in zip(values, following, strict=True)))


def _power(match: re.Match[str]) -> str:
    """Return the power of 10² as 的平方, of 10⁻³ as 的负3次方."""
    sign, exponent = {"⁻": "负"}.get(match[1], ""), unicodedata.normalize("NFKC", match[2])
    return {"2": "的平方", "3": "的立方"}.get(sign + exponent, f"的{sign}{exponent}次方")


def with_zeros(text: str) -> str:
    """Return `text` with the letter O as a zero in a year: 二O二四年, 2O24年."""
    return _YEAR.sub(lambda match: re.sub("[OoＯｏ]", "0" if match[0][0] in "12" else "〇", match[0]), text)


def without_prosody(text: str) -> str:
    """Return `text` without the marks #0 to #5 of corpora for synthesis (BZNSYP: #1 ends a word, #4 a sentence).

    Several marks, or one at the end, are marks of prosody. So is a single mark, unless it numbers a thing: #3楼,
    3#2-801.
    """
    if "#" not in text:
        return text
    marks, at_end = list(_MARK.finditer(text)), _LAST_MARK.search(text) is not None
    if at_end and len(_ANY_MARK.findall(text)) > 1:
        return _ANY_MARK.sub("", text)
    if len(marks) == 1 and not at_end:
        before, after = text[: marks[0].start()], text[marks[0].end() :]
        if after[:1] in tuple(_NUMBERED) or before[-1:].isdigit():
            return text
    return _MARK.sub("", text)
