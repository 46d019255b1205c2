"""Convert written to spoken form: numbers, dates, units, money and signs in Han characters.

    speak("占3/4")              # "占四分之三"
    speak("1v1", yao="never")   # "一V一"

The rules run in this order: the user's table (`table`); addresses, years and names of events (`events`); numbers read
digit by digit (`digit_strings`); dates, ranges and scores (`ranges`); versions, ordinals and sports; money, signs and
units (`units_of_measure`); then wetext, whose rules ignore context, converts the rest. The result of a rule has no
digit, so that no later rule matches it. Every rule has an example in tests/corpus/spoken/spoken_pairs.tsv.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from asr.corpus.spoken.digit_strings import say_digits
from asr.corpus.spoken.events import say_addresses, say_events
from asr.corpus.spoken.numerals import (
    END,
    HAN,
    HAN_NUMERALS,
    NUMBER,
    QUANTITY,
    START,
    Rule,
    apply_rules,
    by_digit,
    cardinal,
    quantity,
    said_as,
)
from asr.corpus.spoken.ranges import one_sign, say_ranges
from asr.corpus.spoken.table import USUAL, SpokenTable
from asr.corpus.spoken.units_of_measure import say_units

# A number with separators is a quantity, never a string of digits.
_THOUSANDS = re.compile(
    r"(?<![\d,.$¥€£₩₽₹฿₫])(?<![$¥€£₩₽₹฿₫] )(\d{1,3}(?:,\d{3})+(?:\.\d+)?)(?!,?\d|\.\d)(?! ?[A-Za-z%‰°])"
)
_CODES = {
    "USD": "美元", "CNY": "元", "RMB": "人民币", "EUR": "欧元", "GBP": "英镑", "JPY": "日元", "HKD": "港元",
}  # fmt: skip
_CURRENCY = {
    "US$": "美元", "HK$": "港元", "NT$": "新台币", "A$": "澳元", "C$": "加元", "S$": "新加坡元", "$": "美元",
    "¥": "元", "€": "欧元", "£": "英镑", "₩": "韩元", "₽": "卢布", "₹": "卢比", "฿": "泰铢", "₫": "越南盾",
}  # fmt: skip
_SIGN = "|".join(re.escape(sign) for sign in _CURRENCY)
_LARGE = "[十百千万亿]*"


def _power(match: re.Match[str]) -> str:
    minus, exponent = "负" * match[1].startswith("-"), match[1].lstrip("-")
    return {"2": "的平方", "3": "的立方"}.get(match[1], f"的{minus}{cardinal(exponent)}次方")


def _version(match: re.Match[str]) -> str:
    parts = match[0].split(".")
    address = len(parts) == 4 and any(len(part) == 3 for part in parts)
    return "点".join([by_digit(parts[0]) if address else cardinal(parts[0]), *map(by_digit, parts[1:])])


_NAMES: tuple[Rule, ...] = (
    # 3.10.2, v1.2.3, 192.168.1.1
    (re.compile(rf"{START}\d+(?:\.\d+){{2,}}(?!\d)"), _version),
    # 1st, 22nd; 第2名, 第12届
    (
        re.compile(r"(?<![\d.,])第?(?<![\d.,])(\d+)(?:st|nd|rd|th)(?![A-Za-z])", re.IGNORECASE),
        said_as("第{}", cardinal),
    ),
    (re.compile(rf"第 ?(\d+)(?!/){END}"), said_as("第{}", cardinal)),
    # 3/4小时: wetext would take the word behind it for a rate
    (
        re.compile(r"(?<![\dA-Za-z/.:-])([1-9])/([1-9]\d?)(?![\d/.月日]|-\d)"),
        lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}" if int(m[1]) < int(m[2]) else m[0],
    ),
    # 2对2
    (re.compile(rf"{START}(\d{{1,3}})对(\d{{1,3}}){END}"), said_as("{}对{}", cardinal, cardinal)),
    # 1v1, 2 vs 2, 3V3
    (
        re.compile(r"(?<![\dA-Za-z.])(\d{1,3})( ?)(v|vs|pk)(\.? ?)(\d{1,3})(?![\dA-Za-z]|\.\d)", re.IGNORECASE),
        said_as("{}{}{}{}{}", cardinal, str, str.upper, str, cardinal),
    ),
    # iPhone 6s is no time, A6L no volume; 16G+512G, N+1; 5^2
    (re.compile(r"(?<=[A-Za-z])( ?\d+)s(?![A-Za-z])"), r"\1S"),
    (re.compile(r"(?<=[A-Za-z])(?!2[A-Za-z])(\d{1,4})(?=[A-Za-z](?![A-Za-z\d]))"), said_as("{}", cardinal)),
    (re.compile(r"(?<=[A-Za-z]{2})(\d{1,4})(?=[A-Za-z]{3})"), said_as("{}", cardinal)),
    (re.compile(r"(?<=\d)★"), "星"),
    (re.compile(r"(?<=[A-Za-z])\+(?=\d)"), "加"),
    (re.compile(r"(?<=[\dA-Zac-ln-z])\^(-?\d+)"), _power),
    # B2C is spoken in English, H2O is not
    (re.compile(r"(?<![A-Za-z\d])([BCGOPF])2([BCGOPF])(?![A-Za-z\d])"), said_as("{} TO {}", str, str)),
    # 1980s
    (re.compile(r"(?<![\dA-Za-z.])((?:1[6-9]|20)\d0)'?s(?![A-Za-z])"), said_as("{}年代", by_digit)),
    (re.compile(r"(?<![\dA-Za-z.])([1-9]0)'s(?![A-Za-z])"), said_as("{}年代", cardinal)),
    # 2月2日, 2日; but 2日游; 5000年
    (re.compile(rf"{START}(\d{{1,2}})月(\d{{1,2}})([日号])"), said_as("{}月{}{}", cardinal, cardinal, str)),
    (re.compile(rf"{START}2(?=日(?!游|内|间|后|之))"), "二"),
    (re.compile(rf"{START}([3-9]\d{{3}})(?=年)"), said_as("{}", quantity)),
    # 2年, 2次, 下午2点; but 2年级, 2年2班, 2点5
    (
        re.compile(
            rf"{START}2(?=年(?!级|\d)|次(?![元方世品])|成(?![都功品])|美元|点(?:\d\d|\d分|半|钟|多|整|[^\d{HAN_NUMERALS}]|$))"
        ),
        "两",
    ),
    # 2室2厅, 1.5到2倍
    (
        re.compile(
            rf"{START}2(?=[室厅]\d|[室厅卫](?![A-Za-z\d\u4e00-\u9fff])|(?:到[\d.]+)?倍|[厅卫](?=[^\d\u4e00-\u9fff]|$))|{START}(?<=[室厅])2(?=[厅卫])"
        ),
        "两",
    ),
    (re.compile(rf"{START}2(?=单元|[栋幢座区期院中审])"), "二"),
    # 0:05
    (
        re.compile(r"(?<![\d:])00?:([0-5]\d)(?![\d:])"),
        lambda m: "零点" if m[1] == "00" else f"零点{_minutes(m[1])}分",
    ),
    # 5#楼, 92#汽油, #3楼
    (re.compile(r"(?<=\d)#"), "号"),
    (re.compile(r"#(\d+)(?=[楼号栋机车炉线门库桌厅井厂])"), r"\1号"),
)
_SIGNS: tuple[Rule, ...] = (
    # ￥100-200, $10~20, ￥100元, 100$
    (re.compile(rf"(?:{_SIGN}) ?(?={NUMBER}{_LARGE}(?:元|块|人民币|美元|港元|欧元|英镑))"), ""),
    (
        re.compile(rf"({_SIGN}) ?({NUMBER})({_LARGE})(?:[-~到](?:\1)? ?({NUMBER})({_LARGE}))?"),
        lambda m: f"{m[2]}{m[3]}{f'到{m[4]}{m[5]}' if m[4] else ''}{_CURRENCY[m[1]]}",
    ),
    (re.compile(r"(?<=\d) ?\$"), "美元"),
    (re.compile(rf"(?<![A-Za-z])({'|'.join(_CODES)}) ?({NUMBER}{_LARGE})"), lambda m: m[2] + _CODES[m[1]]),
    (re.compile(rf"(?<=[\d万亿]) ?({'|'.join(_CODES)})(?![A-Za-z])"), lambda m: _CODES[m[1]]),
    # ±5%, -3%, 100%
    (re.compile(r"± ?(?=\d)"), "正负"),
    (re.compile(rf"(?<![\d%])[-](?={NUMBER}%)"), "负"),
    (re.compile(rf"(?<![\d%])[+](?={NUMBER}%)"), "正"),
    (re.compile(rf"{START}100%"), "百分之百"),
    (re.compile(rf"({NUMBER})‰"), r"千分之\1"),
    (re.compile(rf"({NUMBER})‱"), r"万分之\1"),
    (re.compile(rf"({NUMBER})([多几来余])%"), r"百分之\1\2"),
    # 血压120/80, √2, a=1
    (re.compile(r"(血压[是为: ]?)(\d{2,3})/(\d{2,3})(?!\d)"), said_as("{}{}杠{}", str, quantity, quantity)),
    (re.compile(r"(?<!\d)(\d{2,3})/(\d{2,3})(?= ?mmHg|毫米汞柱)"), said_as("{}杠{}", quantity, str)),
    (re.compile(r"√ ?(?=[\dA-Za-z])"), "根号"),
    (re.compile(r"∛ ?(?=[\dA-Za-z])"), "三次根号"),
    (re.compile(r"(?<=[A-Za-z\d方]) ?= ?(?=-?[A-Za-z\d])"), "等于"),
    # ≥5, 5>3, 100+, 10万+
    (re.compile(r"(?:≥|>=) ?(?=-?[\dA-Za-z])"), "大于等于"),
    (re.compile(r"(?:≤|<=) ?(?=-?[\dA-Za-z])"), "小于等于"),
    (re.compile(r"≈ ?(?=-?\d)"), "约等于"),
    (re.compile(r"(?<![<\d=-])(?<!<\d\d) ?> ?(?=-?\d)|(?<=\d) ?> ?(?=-?\d)"), "大于"),
    (re.compile(r" ?< ?(?=-?\d[^<>]*(?:$|<))"), "小于"),
    (re.compile(r"(?<=[\d万亿千百])\+(?!\d)|(?<=\d[kK])\+(?!\w)|(?<=[次平立]方)\+(?=[\dA-Za-z])"), "加"),
    (re.compile(rf"(?<=[\d{HAN_NUMERALS}亿%]) ?\+ ?(?=[\d{HAN_NUMERALS}])"), "加"),
    # 北纬30°15′20″
    (re.compile(r"(?<=\d)°(?![CFc])"), "度"),
    (
        re.compile(r"(?<=度)(\d+)[′'’](?:(\d+)(?:″|′′|''|[\"”]))?"),
        lambda m: f"{m[1]}分{m[2]}秒" if m[2] else f"{m[1]}分",
    ),
    # 歼-20 is not below zero, -5度 is
    (re.compile(rf"(?<=[{HAN}])(?<![温低高为至到达约零降升是在于差率值涨跌亏负])-(?=\d+(?![\d.]| ?[°度%万亿]))"), ""),
    (re.compile(r"(?<![\dA-Za-z%])-(?=\d)"), "负"),
)
# What wetext would convert wrongly.
_REWRITES: tuple[Rule, ...] = (
    (re.compile(r"(?<=\d)[\"\\{}|“”]+(?=\d)"), "、"),
    (re.compile(r"[\"\\{}|“”]"), ""),  # wetext's tagger uses these signs itself
    (re.compile(r"(?<=[A-Za-z])-(?=\d)"), ""),  # AK-47 is not negative
    (re.compile(r"(?<=\d),(?=\d)"), "、"),  # 5,6月 is not fifty-six
    (
        re.compile(rf"{START}(\d+\.\d+)(?![\d%‰°/:A-Za-z]|\.\d| [A-Za-z%])"),
        said_as("{}", quantity),
    ),  # 10.5 is no date
    # 120次 and 13812345678次 are counted
    (re.compile(rf"{START}(\d{{3,}})(?![ %‰])(?={QUANTITY})"), said_as("{}", quantity)),
)
_HAN_RANGE = re.compile(f"[{HAN_NUMERALS}两日天A-Z] ?[-‐-―−~～〜]")  # 三—五天
_HELD = "\ue000"  # of private use: no cleaned text has it


def _minutes(digits: str) -> str:
    return ("零" if digits[0] == "0" else "") + cardinal(digits)


def speak(text: str, yao: str = "telephone", table: SpokenTable | None = None) -> str:
    """Return a cleaned text (NFKD, plain spaces) with its numbers in Han characters.

    yao: where 1 is 幺, see asr.corpus.spoken.numerals.YAO. table: the user's own pairs, which come first.
    """
    if table is not None:
        text = table.apply(text)
    text = USUAL.apply(say_addresses(text))
    if re.search("[0-9]|方.*[+=]|[+=].*方", text):
        return _spoken(text, yao)
    return say_ranges(one_sign(text)) if _HAN_RANGE.search(text) else text


@functools.lru_cache(maxsize=1 << 14)
def _spoken(text: str, yao: str) -> str:
    text = text.replace("\u2044", "/").replace("\u2215", "/")  # what NFKD makes of ½
    text = _THOUSANDS.sub(lambda match: quantity(match[1].replace(",", "")), text)
    text = re.sub(r"(?<=\d,\d{3}),(?=\d{3})|(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = say_digits(say_events(one_sign(text)), yao)
    text = apply_rules(_NAMES, say_ranges(text))
    text = apply_rules(_REWRITES, say_units(apply_rules(_SIGNS, text)))
    if not re.search("[0-9]", text):
        return text
    spoken = _normaliser()(text.replace("幺", _HELD))
    return (spoken.replace("幺", "一") if yao == "never" else spoken).replace(_HELD, "幺")


@functools.cache
def _normaliser() -> Callable[[str], str]:
    from wetext import Normalizer  # reads its rules from disk, 0.4 s

    options = {"remove_erhua": False, "traditional_to_simple": False, "full_to_half": False}
    normalise: Callable[[str], str] = Normalizer(lang="zh", operator="tn", **options).normalize
    return normalise
