"""Write numbers as Mandarin speakers say them, and share parts of patterns among the rules of asr.corpus.spoken.

cardinal("2024")           # "二千零二十四"
quantity("2024")           # "两千零二十四"
by_digit("2024")           # "二零二四"
by_digit("110", one="幺")   # "幺幺零"
"""

from __future__ import annotations

import re
from collections.abc import Callable

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

DIGITS = "零一二三四五六七八九"
HAN_NUMERALS = "〇零一二三四五六七八九十百千万"
HAN = "\u3400-\u9fff"

#: where 1 is 幺: in telephone numbers, in every string of digits, nowhere
YAO = ("telephone", "always", "never")
NUMBER = r"\d+(?:\.\d+)?"
#: a number begins here, not in the middle of another one
START = r"(?<![\d.])"
#: a number ends here, not in the middle of another one
END = r"(?!\d|\.\d)"
#: a number before this is a quantity, however long it is
QUANTITY = (
    r"(?:[万亿元块圆个名位次辆台件条只张本份吨斤克升倍户家颗株头匹套种项句行页票秒米顷桶股%‰]|人(?!民|工)|美[元金]"
    r"|[欧日韩]元|英镑|港[元币]|公[斤里顷]|千[克米瓦]|[毫厘分]米|[平立]方|小时|分钟|天(?!气|猫|津)|粉丝|k[mg](?![a-z])"
    r"| (?:元|美元|公里|吨|千克|公斤|k[mg](?![a-z])|%))"
)
#: measure words: before one of these, `5-3` is a range and no score
MEASURE = (
    "年月日号天点时分秒周岁个人名位元块角毛万亿千百米里公厘毫斤克吨度倍层楼路条只次级页章节期集部辆台家户间所套平立升瓦届班"
    "本篇首行句字词杯瓶碗袋包箱颗粒滴件双张份例起桩遍趟圈步口头匹棵株代世折成℃%‰‱"
)


def by_digit(digits: str, one: str = "一") -> str:
    """Return a string with its digits one by one in Han characters, 1 as `one`. Other characters remain."""
    return "".join(one if c == "1" else DIGITS[int(c)] if c in "0123456789" else c for c in digits)


def cardinal(number: str) -> str:
    """Return an integer or decimal number in Han characters: 十 for 10, 二百 for 200, 一点五零 for 1.50.

    An integer part of more than sixteen digits is read digit by digit.
    """
    whole, point, fraction = number.partition(".")
    if point:
        return f"{cardinal(whole)}点{by_digit(fraction)}"
    whole = whole.lstrip("0")
    if not whole:
        return "零"
    if len(whole) > 16:
        return by_digit(whole)
    spoken = _grouped(whole)
    return spoken.removeprefix("一") if spoken.startswith("一十") else spoken


def quantity(number: str) -> str:
    """Return `cardinal(number)` for counting: it begins with 两百, 两千 or 两万, as in wetext."""
    spoken = cardinal(number)
    return "两" + spoken[1:] if spoken[:1] == "二" and spoken[1:2] in tuple("百千万亿") else spoken


def said_as(form: str, *kinds: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
    """Return a replacement: `form` with each {} filled by a group of the match, converted by one of `kinds`."""
    return lambda match: form.format(*(kind(group or "") for kind, group in zip(kinds, match.groups(), strict=True)))


def apply_rules(rules: tuple[Rule, ...], text: str) -> str:
    """Return `text` after all rules, in their order."""
    for pattern, by in rules:
        text = pattern.sub(by, text)
    return text


def _grouped(digits: str) -> str:
    """Return digits without leading zeros in groups of 亿 and 万, with 零 for skipped places."""
    for length, name in ((8, "亿"), (4, "万")):
        if len(digits) > length:
            high, low = digits[:-length], digits[-length:]
            rest = low.lstrip("0")
            return _grouped(high) + name + (("零" if len(rest) < length else "") + _grouped(rest) if rest else "")
    spoken = ""
    for place, digit in enumerate(digits):
        if digit != "0":
            spoken += DIGITS[int(digit)] + ("", "十", "百", "千")[len(digits) - 1 - place]
        elif not spoken.endswith("零") and digits[place:].strip("0"):
            spoken += "零"
    return spoken
