"""Convert signs between numbers: dates, times, ranges, scores and sums.

    say_ranges("1949-1976年")      # "一九四九到一九七六年"
    say_ranges("比分3-1")          # "比分三比一"
    say_ranges("2024/1/5")         # "2024年1月5日", which wetext converts

A hyphen between two numbers is a range (到), a score (比), a minus sign (减) or nothing. The first of these decides:
in a date it is part of the date; before `=` it is a minus; beside a word of sports a score; before a measure word a
range; else a range if the second number is higher, and a score or a minus if it is not.
"""

from __future__ import annotations

import re

from asr.corpus.spoken.numerals import MEASURE, NUMBER, START, by_digit, cardinal, quantity

_DASHES = "-‐‑‒–—―−⁃－﹣⸺⸻─━"
_TILDES = "~～〜∼⁓"
_HAN_NUMERALS = "〇零一二三四五六七八九十百千万两"
_COUNTED = "年月日号时点分秒天个人名位元块岁度米章节页层楼级倍周次期集届篇条路斤克"
_UNIT = f"(?:[{_COUNTED}万亿]|号楼|单元|小时|分钟|千米|公里|公斤|[%‰#])"

_BESIDE = rf"(?<=[\d%‰CFc{_HAN_NUMERALS}{_COUNTED}])"
_DASH_SIGNS = (
    # 3——5天, 3 – 5天: one sign for all dashes
    (re.compile(rf"(?<=\d) ?[{_DASHES}ー]{{1,3}} ?(?=[\d第$¥€£])|(?<=\d)一(?=\d(?!年))"), "-"),
    (re.compile(rf"{_BESIDE} ?[{_DASHES}]{{1,3}} ?(?=第?\d)"), "-"),
    (re.compile(rf" ?[{_TILDES}]+ ?(?=[-{_DASHES}]?[\d第$¥€£{_HAN_NUMERALS}])"), "~"),
    # 他说——5天: a pause, not a sign
    (re.compile(rf"[—―─━⸺⸻][{_DASHES}]*(?=\d)|[{_DASHES}]{{2,}}"), "、"),
    (re.compile(f"[{_DASHES}]"), "-"),
)


def _short_date(match: re.Match[str]) -> str:
    return f"{by_digit(match[1])}年{int(match[2])}月{int(match[3])}日"


_YEAR = r"(?:1\d|20)\d\d"
_SEASON = "(?=赛季|学年|年度|财年|届)"
_DATES = (
    # 2023.10-2024.2
    (
        re.compile(rf"{START}({_YEAR})\.(0?[1-9]|1[0-2])[-~]({_YEAR})\.(0?[1-9]|1[0-2])(?![\d.])"),
        r"\1年\2月到\3年\4月",
    ),
    # 2024-01-05, 2024/1/5, 2024.1.5
    (
        re.compile(rf"{START}({_YEAR}) ?([-/.]) ?(0?[1-9]|1[0-2]) ?\2 ?(0?[1-9]|[12]\d|3[01])日?(?!\d|\.\d)"),
        r"\1年\3月\4日",
    ),
    # 2024.1.5-1.8, 2024年1月5日-8日, 2024/1/5-8
    (re.compile(r"(?<=日)[-~](0?[1-9]|1[0-2])[./-](0?[1-9]|[12]\d|3[01])日?(?!\d|\.\d)"), r"到\1月\2日"),
    (re.compile(r"(?<=日)[-~](0?[1-9]|[12]\d|3[01])(?![\d.点时:月年])日?"), r"到\1日"),
    # 5.1-5.3日
    (
        re.compile(
            rf"{START}([1-9]|1[0-2])\.([12]\d|3[01]|0?[1-9])[-~](?=(?:[1-9]|1[0-2])\.(?:[12]\d|3[01]|0?[1-9])[日号])"
        ),
        r"\1月\2日到",
    ),
    # 3.14日
    (re.compile(rf"{START}([1-9]|1[0-2])\.([12]\d|3[01]|0?[1-9])(?=[日号])"), r"\1月\2"),
    # 24/12/31
    (re.compile(r"(?<![\d/.])(\d\d)/(0?[1-9]|1[0-2])/([12]\d|3[01]|0?[1-9])(?![\d/])"), _short_date),
    # 2024-01, 2024/12, 2024.12
    (re.compile(rf"{START}({_YEAR})[-/.](0[1-9]|1[0-2])(?![\d{MEASURE}]|[-/.]\d|赛|学)"), r"\1年\2月"),
    # 2024年01月05日, 08点05分
    (re.compile(r"(?<!\d)0(?=\d[月点时])|(?<=月)0(?=\d[日号])"), ""),
)
_YEAR_RANGES = (
    # 1949-1976年, 2019-2020赛季, 2019-20赛季, (1881-1936)
    re.compile(rf"{START}({_YEAR})年?[-~](?:到)?({_YEAR})(?=年(?!前|来|间的)|赛季|学年|年度|财年|级)"),
    re.compile(rf"{START}({_YEAR})[-~/](\d\d){_SEASON}"),
    re.compile(rf"{START}({_YEAR}|[6-9][1-9])[-~]([0-3]\d|[6-9][1-9])(?=年(?![前来以内]))"),
    re.compile(r"(?<![\d.-])(\d\d)[-~/](\d\d)(?=赛季|学年)"),
    re.compile(rf"{START}(1[5-9]\d\d|20\d\d)[-~](1[5-9]\d\d|20\d\d)(?![\d.:%{MEASURE}A-Za-z]| ?[-+=])"),
)
_CLOCK = r"\d{1,2}:[0-5]\d(?::[0-5]\d)?(?: ?[aApP][mM])?"
_RANGES = (
    # 22:00-次日2:00
    (re.compile(rf"({_CLOCK})[-~](?=次日|第二天|翌日|凌晨|[上中下]午|晚)"), r"\1到"),
    # 10:00-12:00, 1/3~1/2
    (re.compile(rf"({_CLOCK})[-~](?={_CLOCK})"), r"\1到"),
    (re.compile(r"(\d+/\d+)[-~](?=\d+/\d+)"), r"\1到"),
    # 3-5%, 3%-5%, 3‰~5‰
    (re.compile(rf"{START}({NUMBER})[-~到](?={NUMBER}([%‰‱]))"), r"\1\2到"),
    (re.compile(rf"{START}({NUMBER})至(?={NUMBER}([%‰‱]))"), r"\1\2至"),
    (re.compile(rf"({NUMBER}[%‰])[-~](?=[-+]?{NUMBER}[%‰])"), r"\1到"),
    # 20°C-30°C, 3月5日-8日, 第3章-第5章, 3m-5m
    (re.compile(r"(\d(?:°[CF]?|[kcm]?[mgML]))[-~](?=-?\d[\d.]*(?:°|\1|[kcm]?[mgML]))"), r"\1到"),
    (re.compile(rf"(\d({_UNIT}))[-~](?=第?-?\d[\d.:]*(?:\2|[年月日号时点分秒:]))"), r"\1到"),
    (re.compile(r"(\d[年月日号时点分])[-~](?=\d{1,4}(?:[年月日号时点分秒]|:\d\d))"), r"\1到"),
    # -5~3°C, 5万~10万
    (re.compile(rf"(?<=[\d{_HAN_NUMERALS}亿%‰{_COUNTED}CFmg])~(?=[-第]?[\d{_HAN_NUMERALS}])"), "到"),
    # 3k-5k, 10W-20W, 16GB-32GB; Ⅰ-Ⅲ级 as letters
    (re.compile(rf"{START}({NUMBER} ?([A-Za-z]{{1,3}}))[-~](?={NUMBER} ?\2(?![A-Za-z\d]))"), r"\1到"),
    (re.compile(r"(?<![A-Za-z])([IVX]{1,4})[-~](?=[IVX]{1,4}[级期型度类卷章])"), r"\1到"),
    # 周一～周五, A~C级, 60-80后, 公元前221-公元前206年, 零下5-零上3°C
    (re.compile(rf"((周|星期|礼拜|初)[一二三四五六日天1-9]) ?[-{_TILDES}] ?(?=\2[一二三四五六日天1-9])"), r"\1到"),
    (re.compile(rf"(?<![A-Za-z])([A-Z])[{_TILDES}](?=[A-Z](?![A-Za-z]))"), r"\1到"),
    (re.compile(rf"(?<=[零五后])[-{_TILDES}](?=[\d{_HAN_NUMERALS}][零五05]后)"), "到"),
    (re.compile(rf"(?<=[\d年])[-{_TILDES}](?=(?:公元前|零[上下])\d)"), "到"),
    # 三-五天, 百分之三-五
    (re.compile(rf"((?:百分之|第)[{_HAN_NUMERALS}]+)-(?=[{_HAN_NUMERALS}])"), r"\1到"),
    (re.compile(rf"(?<=[{_HAN_NUMERALS}])-(?=[{_HAN_NUMERALS}]+[{MEASURE}])"), "到"),
)

_PROPORTION = "比分|大比分|总分|比例|比率|比值|配比|比例尺|概率|赔率"
_SPORTS_BEFORE = re.compile(rf"(?:{_PROPORTION})(?:是|为|定格在|达到|锁定在|约|约为|:|改写为|扳成|追成|变成|来到)?$")
_SPORTS_AFTER = re.compile(
    r" ?(?:的?(?:大?比分|优势|总比分|比例|劣势)|[获取战大险完小轻连]?胜|击败|战平|打平|踢平|逼平|平(?!方|米|均|台)|"
    r"逆转|领先|落后|告负|不敌|惜败|惨败|落败|输给|赢|淘汰|横扫|力克|轻取|稀释|结束(?:了)?比赛|绝杀)"
)
_COLON = re.compile(r"(?<![\d:.A-Za-z])(\d{1,3}(?:\.\d+)?):(\d{1,5}(?:\.\d+)?)(?![\d:]|\.\d)")
_HYPHEN = re.compile(rf"(?<![\dA-Za-z.-])(第?)({NUMBER})-({NUMBER})(?![\d-]|\.\d)")
_CHAIN = re.compile(r"(?<![\dA-Za-z.-])\d{1,4}(?:-\d{1,4}){2,}(?![\d-]|\.\d)")
_MEASURES = frozenset(MEASURE + "°")
_TURNED = re.compile(r" ?(?:[点时月号年度°%‰元分个天岁级米]|日(?!本))")  # 10-8点 is a range too
_HIGHEST_SCORE = 200  # without a word of sports beside it
_WORDS_BESIDE = 12  # characters of context that the patterns can match
_DIFFERENCE = re.compile(r" ?(?:等于|得|是多少|=)")
_ORDINAL_RANGE = re.compile(r"第(\d+)[到~-](?:第)?(\d+)(?![\d.])")
_ROOM = re.compile(
    rf"(?<![\d-])(\d{{1,2}})-(\d{{3,4}})(?=室|房)|(?<=[号栋幢座#])(\d{{1,2}})-(\d{{3,4}})(?![\d{MEASURE}])"
)

_OPERATORS = {"+": "加", "-": "减", "*": "乘", "x": "乘", "X": "乘", "×": "乘", "/": "除以", "÷": "除以", "=": "等于"}
_SUM = re.compile(rf"(?<![\d.A-Za-z])-?{NUMBER}(?: ?[-+*xX×/÷] ?{NUMBER})+ ?=(?: ?-?{NUMBER})?")
_OPERATION = re.compile(r"(?<=\d) ?([-+*xX×/÷=]) ?")
_TIMES = re.compile(rf"(?<![\dA-Za-z.])({NUMBER}(?:[cmk]?m|米|厘米|毫米)?) ?[*xX×] ?(?={NUMBER})")
_DIVIDED = re.compile(r"(?<=\d) ?÷ ?(?=\d)")
_PIXELS = re.compile(
    r"(?<!\d)(\d{3,4})[*xX×](480|540|576|600|640|720|768|800|900|1024|1050|1080|1200|1440|1600|2160)(?!\d)"
)


def one_sign(text: str) -> str:
    """Return `text` with `-` or `~` for every dash and tilde of a range or a minus, and pauses for other dashes."""
    for pattern, by in _DASH_SIGNS:
        text = pattern.sub(by, text)
    return text


def say_ranges(text: str) -> str:
    """Return a text from `one_sign` with dates, ranges, scores and sums in spoken form, or in a form for wetext."""
    for pattern, by in _DATES:
        text = pattern.sub(by, text)
    text = _SUM.sub(lambda match: _OPERATION.sub(lambda sign: _OPERATORS[sign[1]], match[0]), text)
    for years in _YEAR_RANGES:
        text = years.sub(_years, text)
    text = _ROOM.sub(lambda match: f"{cardinal(match[1] or match[3])}杠{by_digit(match[2] or match[4])}", text)
    for pattern, by in _RANGES:
        text = pattern.sub(by, text)
    text = _ORDINAL_RANGE.sub(lambda match: f"第{cardinal(match[1])}到{cardinal(match[2])}", text)
    text = _COLON.sub(_ratio, text)
    text = _CHAIN.sub(_chained, text)
    text = _HYPHEN.sub(_between, text)
    text = _PIXELS.sub(lambda match: f"{by_digit(match[1])}乘{by_digit(match[2])}", text)
    return _DIVIDED.sub("除以", _TIMES.sub(r"\1乘", text))


def _context(match: re.Match[str]) -> bool:
    """Return whether a word of sports or of proportions is beside a match."""
    text = match.string
    before = text[max(match.start() - _WORDS_BESIDE, 0) : match.start()]
    return bool(_SPORTS_BEFORE.search(before) or _SPORTS_AFTER.match(text, match.end()))


def _ratio(match: re.Match[str]) -> str:
    """Return a score or a proportion. 3:2 is no time; 21:19 is a time unless a word of sports is beside it."""
    first, second = match[1], match[2]
    if "." in first + second or len(second) != 2 or int(second) > 59 or int(first) > 24 or _context(match):
        return f"{quantity(first)}比{quantity(second)}"
    return match[0]


def _between(match: re.Match[str]) -> str:
    """Return two numbers with a hyphen between them, by the rules of this module's docstring."""
    ordinal, first, second = match[1], match[2], match[3]
    if ordinal or "." in first + second:
        return f"{ordinal}{first}到{second}"
    following = match.string[match.end() : match.end() + _WORDS_BESIDE]
    higher = int(second) > int(first)
    measured = following.lstrip()[:1] in _MEASURES if higher else _TURNED.match(following) is not None
    equal_or_none = int(second) in (0, int(first))
    if _DIFFERENCE.match(following):
        return f"{quantity(first)}减{quantity(second)}"
    if _context(match) or equal_or_none or (not higher and not measured and int(first) <= _HIGHEST_SCORE):
        return f"{quantity(first)}比{quantity(second)}" if not (higher and measured) else f"{first}到{second}"
    return f"{first}到{second}" if higher or measured else f"{quantity(first)}减{quantity(second)}"


def _chained(match: re.Match[str]) -> str:
    """Return a chain of numbers: 四三三 for 4-3-3, 三二五零一 for 3-2-501."""
    return "".join(by_digit(part) if len(part) > 2 else cardinal(part) for part in match[0].split("-"))


def _years(match: re.Match[str]) -> str:
    first, second = match[1], match[2]
    followed = match.string[match.end() : match.end() + 1]
    hundreds = first.endswith("00") and second.endswith("00")
    say = quantity if hundreds and (not followed or followed not in "年赛学财级") else by_digit
    return f"{say(first)}到{say(second)}"
