"""Convert addresses of the web and of mail, years, and names of events: 9·11, 98年5月, www.163.com.

say_addresses("www.163.com")     # "www点一六三点com"
say_events("9·11事件")            # "九一一事件"
"""

from __future__ import annotations

import re

from asr.corpus.spoken.numerals import HAN, HAN_NUMERALS, MEASURE, START, Rule, apply_rules, by_digit, said_as

_ERA = "(?:民国|光绪|康熙|乾隆|昭和|平成|令和|建国|建党|成立|整整)"
_EVENT = (
    "(?:事件|事变|恐怖袭击|恐袭|大?地震|运动|晚会|大促|惨案|起义|空难|矿难|国际|劳动节|购物节|狂欢|消费者|"
    "(?:妇女|青年|儿童|建党|建军)节|假期|黄金周|长假|放假)"
)
_COUNTED = "级度万亿元折倍米公千克吨斤个成分秒岁寸升年月日号天名人次"

# www.163.com, https://t.cn/A6, zhang123@qq.com
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:https?|ftp)://|www\.)[!-~]*[A-Za-z0-9/]"
    r"|(?<![\w.+-])\w[\w.+-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){1,4}"
    r"|(?<![\w.@-])[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,3}\.(?:com|cn|net|org|gov|edu)(?![A-Za-z0-9])"
    r"(?:/[!-~]*[A-Za-z0-9/])?",
    re.ASCII | re.IGNORECASE,
)
_IN_ADDRESS = {".": "点", "@": "艾特", "_": "下划线"}

_EVENTS: tuple[Rule, ...] = (
    # 二0二四年
    (re.compile(f"(?<=[{HAN_NUMERALS}])0(?=0?[{HAN_NUMERALS}年])"), "〇"),
    (
        re.compile("(?<![0-9一二三四五六七八九零〇])(?=[0-9]*[一二三四五六七八九零〇])(?=[^0-9]*[0-9])[0-9一二三四五六七八九零〇]{4}(?=年)"),
        lambda m: by_digit(m[0]),
    ),
    # 1 000 000; 1 1/2; 1/100万; .5
    (re.compile(r"(?<![\d.,] )(?<![\d.,])(\d{1,3})((?: \d{3})* 000)(?! ?\d)"), lambda m: m[0].replace(" ", "")),
    (re.compile(r"(?<![\d./] )(?<![\d./])(\d{1,3}) (?=([1-9])/[2-9](?![\d/]))"), r"\1又"),
    (re.compile(rf"{START}(1)/(\d+[万亿])"), r"\2分之\1"),
    (re.compile(r"(?:^|(?<=[ (=:、~<>]))\.(?=\d)"), "0."),
    # '98年, '98
    (re.compile(r"(?<![\dA-Za-z])['’‘](\d\d)(?![\d'’%])"), said_as("{}", by_digit)),
    # 98年5月, 97年回归; but 民国38年5月, 活了97年
    (re.compile(rf"{START}(?<!{_ERA})(\d\d)(?=年\d{{1,2}}月)"), said_as("{}", by_digit)),
    (
        re.compile(rf"{START}(?<!{_ERA})(?<![了达时近约共有满第过超~-])([6-9][1-9])(?=年(?![来以间内之历多的]))"),
        said_as("{}", by_digit),
    ),
    # 公元前221年, 公元220年, (701年-762年), 1840年前后
    (
        re.compile(r"公元(前?)(\d{3,4})年?[-~]((?:公元)?前?)(\d{3,4})(?=年)"),
        said_as("公元{}{}到{}{}", str, by_digit, str, by_digit),
    ),
    (re.compile(r"(?<=公元)(前?)(\d{3,4})(?=年)"), said_as("{}{}", str, by_digit)),
    (re.compile(r"(?<=[(])(\d{3})年?[-~](\d{3})(?=年)"), said_as("{}到{}", by_digit, by_digit)),
    (re.compile(rf"{START}((?:1\d|20)(?!00)\d\d)(?=年[前后])"), said_as("{}", by_digit)),
    (re.compile(r"(?<=[(〔【[])((?:19|20)\d\d)(?=[)〕】\]])"), said_as("{}", by_digit)),
    # 1米75
    (re.compile(rf"{START}([1-9]米)(\d\d)(?![\d.:/%~A-Za-z{MEASURE}-])"), said_as("{}{}", str, by_digit)),
    # 2'30'', 2′30″
    (re.compile(r"(?<![\d.°度])(\d{1,3}) ?['′’] ?([0-5]\d)(?:''|′′|’’|[\"”])"), r"\1分\2秒"),
    # 1949·10·1; 10·1, 10.1长假
    (re.compile(rf"{START}((?:1\d|20)\d\d)[·•・](\d{{1,2}})[·•・](\d{{1,2}})(?!\d)"), r"\1-\2-\3"),
    (re.compile(rf"{START}10(?:[·•・]1(?!\d)|[./]1(?=[”’\"]?(?:国庆|黄金周|长假|假期)))"), "十一"),
    # 9·11, 12·9运动; 9.11事件, 9/11恐怖袭击, 5.12汶川地震
    (re.compile(r"(?<![\d.])(\d{1,2}) ?[·•・‧∙⋅] ?(\d{1,2})(?!\d)"), said_as("{}{}", by_digit, by_digit)),
    (
        re.compile(rf"{START}([1-9]|1[0-2])[./]([12]\d|3[01]|0?[1-9])(?![\d.{_COUNTED}])(?=[”’\"]?[{HAN}]{{0,2}}{_EVENT})"),
        said_as("{}{}", by_digit, by_digit),
    ),
)  # fmt: skip


def say_events(text: str) -> str:
    """Return `text` with years and names of events digit by digit, and spaced or mixed numbers in plain digits."""
    return apply_rules(_EVENTS, text)


def say_addresses(text: str) -> str:
    """Return `text` with its addresses in spoken form: 点 for a dot, digit by digit, spaces for other signs."""
    return _ADDRESS.sub(_address, text)


def _address(match: re.Match[str]) -> str:
    bare = re.sub("^[a-z]+://", "", match[0], flags=re.IGNORECASE)
    return re.sub("[!-/:-@[-`{-~]", lambda sign: _IN_ADDRESS.get(sign[0], " "), by_digit(bare))
