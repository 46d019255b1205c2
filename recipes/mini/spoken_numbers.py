"""Make random numbers, clock times, dates and the like as they are spoken, for grammar.py.

MAKERS["clock"](Random(1))        # ["三点", "零五分"]
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from asr.corpus.spoken.numerals import DIGITS, by_digit, cardinal


def spoken(number: int) -> str:
    """Return a number from 0 to 99,999,999 in Han: 十 for 10, 两千 for 2000, 一万二千零三十 for 12030."""
    text = cardinal(str(number))
    return "两" + text[1:] if text[:2] in ("二千", "二万") else text


def _clock(random: Random) -> list[str]:
    hour = random.randint(1, 12)
    hour_word = ("两" if hour == 2 else spoken(hour)) + "点"
    kind = random.randrange(6)
    if kind <= 1:
        return [hour_word]
    if kind == 2:
        return [hour_word + "半"]
    if kind == 3:
        return [random.choice(["差五分", "差十分", "差一刻"]), hour_word]
    minute = random.randint(1, 59)
    return [hour_word, ("零" if minute < 10 else "") + spoken(minute) + "分"]


def _monthday(random: Random) -> list[str]:
    return [spoken(random.randint(1, 12)) + "月", spoken(random.randint(1, 31)) + random.choice("日号")]


def _year(random: Random) -> list[str]:
    return [by_digit(str(random.randint(1900, 2029))) + "年"]


def _date(random: Random) -> list[str]:
    return _year(random) + _monthday(random)


def _number(random: Random) -> list[str]:
    return [spoken(random.randint(1, 10 ** random.randint(1, 5) - 1))]


def _bignumber(random: Random) -> list[str]:
    if random.random() < 0.5:
        return [spoken(random.randint(1, 9999)) + "万"]
    tenths = "点" + DIGITS[random.randint(1, 9)] if random.random() < 0.5 else ""
    return [spoken(random.randint(1, 999)) + tenths + "亿"]


def _percent(random: Random) -> list[str]:
    tenths = "点" + DIGITS[random.randint(1, 9)] if random.random() < 0.5 else ""
    return ["百分之" + spoken(random.randint(0 if tenths else 1, 99)) + tenths]


def _price(random: Random) -> list[str]:
    kind = random.randrange(4)
    if kind == 0:
        return [spoken(random.randint(1, 99)) + "块", DIGITS[random.randint(1, 9)]]
    unit = random.choice(["元", "块", "块钱"])
    return [spoken(random.randint(1, 99 if kind == 1 else 9999)) + unit]


def _digits(random: Random) -> list[str]:
    text = by_digit("".join(str(random.randrange(10)) for _ in range(random.randint(4, 9))))
    return [text[start : start + 3] for start in range(0, len(text), 3)]


def _sum(random: Random) -> list[str]:
    first, second = random.randint(1, 99), random.randint(1, 99)
    if random.random() < 0.5:
        return [spoken(first), "加", spoken(second), "等于", spoken(first + second)]
    return [spoken(first + second), "减", spoken(first), "等于", spoken(second)]


def _temperature(random: Random) -> list[str]:
    if random.random() < 0.25:
        return ["零下", spoken(random.randint(1, 30)) + "度"]
    return [spoken(random.randint(1, 41)) + "度"]


MAKERS: dict[str, Callable[[Random], list[str]]] = {
    "clock": _clock,
    "date": _date,
    "monthday": _monthday,
    "year": _year,
    "number": _number,
    "bignumber": _bignumber,
    "percent": _percent,
    "price": _price,
    "digits": _digits,
    "sum": _sum,
    "temperature": _temperature,
    "count": lambda random: [spoken(random.randint(3, 99))],
    "age": lambda random: [spoken(random.randint(3, 99)) + "岁"],
    "building": lambda random: [spoken(random.randint(1, 32)) + "楼"],
    "platform": lambda random: [spoken(random.randint(1, 20)) + "站台"],
    "quake": lambda random: [DIGITS[random.randint(3, 8)] + "点" + DIGITS[random.randint(0, 9)]],
}
