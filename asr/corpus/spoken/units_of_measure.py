"""Convert units behind numbers: 5000mAh, 60dB, 元/斤. The number remains in digits, which wetext converts.

say_units("220V")           # "220伏"
say_units("120次/分钟")      # "每分钟120次"
"""

from __future__ import annotations

import re

from asr.corpus.spoken.numerals import NUMBER, START

#: with their case; without A and W: 5A景区, 100W粉丝
_LATIN = {
    "km": "公里", "m": "米", "dm": "分米", "cm": "厘米", "mm": "毫米", "um": "微米", "μm": "微米", "nm": "纳米",
    "km2": "平方千米", "m2": "平方米", "cm2": "平方厘米", "mm2": "平方毫米", "hm2": "公顷", "ha": "公顷",
    "km3": "立方千米", "m3": "立方米", "dm3": "立方分米", "cm3": "立方厘米", "mm3": "立方毫米",
    "kg": "千克", "g": "克", "mg": "毫克", "ug": "微克", "μg": "微克", "t": "吨", "lb": "磅", "oz": "盎司",
    "L": "升", "dL": "分升", "mL": "毫升", "ml": "毫升", "μL": "微升", "μl": "微升",
    "mol": "摩尔", "mmol": "毫摩尔", "μmol": "微摩尔",
    "h": "小时", "min": "分钟", "s": "秒", "ms": "毫秒", "us": "微秒", "μs": "微秒", "ns": "纳秒",
    "Hz": "赫兹", "kHz": "千赫", "KHz": "千赫", "MHz": "兆赫", "GHz": "吉赫", "THz": "太赫",
    "V": "伏", "kV": "千伏", "mV": "毫伏", "mA": "毫安", "mAh": "毫安时", "Ah": "安时", "kW": "千瓦", "mW": "毫瓦",
    "MW": "兆瓦", "GW": "吉瓦", "Wh": "瓦时", "kWh": "千瓦时", "KWh": "千瓦时", "MWh": "兆瓦时", "GWh": "吉瓦时",
    "Ω": "欧姆", "kΩ": "千欧", "MΩ": "兆欧",
    "Pa": "帕", "hPa": "百帕", "kPa": "千帕", "MPa": "兆帕", "mmHg": "毫米汞柱",
    "J": "焦耳", "kJ": "千焦", "MJ": "兆焦", "cal": "卡", "kcal": "千卡", "N": "牛", "kN": "千牛",
    "dB": "分贝", "lx": "勒克斯", "lm": "流明",
    "bps": "比特每秒", "kbps": "千比特每秒", "Kbps": "千比特每秒", "Mbps": "兆比特每秒", "Gbps": "吉比特每秒",
    "Kb/s": "千比特每秒", "Mb/s": "兆比特每秒", "Gb/s": "吉比特每秒",
    "m/s2": "米每二次方秒", "rpm": "转每分钟", "fps": "帧每秒", "mph": "英里每小时",
}  # fmt: skip
_HAN = (
    "(?:分钟|小时|平方米|立方米|平方公里|公斤|千克|平米|公里|千米|"
    "[分秒天日周月年人片粒颗支包条个件斤吨次米度户股桶升克两箱盒瓶张间台辆套份位项本课节晚夜亩斗包袋])"
)
_COUNTED = (
    "[万亿]?(?:元|块|人|次|个|斤|吨|件|辆|台|米|公里|千米|千克|公斤|升|毫升|毫克|克|度|美元|港元|欧元|英镑|"
    "转|帧|字|词|页|步|亩)"
)
_UPPER = re.compile(r"(?<=\d)(?: ?)(?:KM/H|KG|KM|CM|MM|ML|KWH|HZ|DB|MAH)(?![A-Za-z])")
_AS_WRITTEN = {
    "KM/H": "km/h", "KG": "kg", "KM": "km", "CM": "cm", "MM": "mm", "ML": "ml", "KWH": "kWh", "HZ": "Hz", "DB": "dB",
    "MAH": "mAh",
}  # fmt: skip

_LONGEST_FIRST = "|".join(sorted(_LATIN, key=len, reverse=True))
_MORE_LETTERS = "|".join(sorted((unit for unit in _LATIN if len(unit) > 1), key=len, reverse=True))
_SEVERAL = rf"{START}((?:-?{NUMBER}到)?-?{NUMBER})"
# 5元/斤, 120次/分钟, 3.5元/平方米, 100元/kg, 5人/km2
_HAN_RATE = re.compile(rf"{_SEVERAL}({_COUNTED})/({_HAN}|{_LONGEST_FIRST})(?![A-Za-z\d])")
# 100km/h, 80mg/L, 1.5g/cm3, 10MB/s
_LATIN_RATE = re.compile(rf"{_SEVERAL} ?({_LONGEST_FIRST}|[KMGT]B)/({_LONGEST_FIRST}|d|{_HAN})(?![A-Za-z\d])")
# not A6L, a name with a digit in it
_UNIT = re.compile(rf"(?<![A-Za-z\d.])(\d+(?:\.\d+)?)(?: ?({_MORE_LETTERS})|([mghstLVJNΩ]))(?![A-Za-z\d])")
# 65W快充 is power, 100W粉丝 are ten thousands; else W is a letter
_WATT = re.compile(
    r"(?<=\d)W(?=功率|的功率|快充|充电|闪充|超级|无线|灯|节能|电源|音[响箱]|太阳能|LED)|(?<=功率)(\d+)W|(?<=功率[为是达])(\d+)W"
)
_TEN_THOUSAND = re.compile(
    r"(?<=\d)[Ww](?=粉丝|人|用户|元|块|播放|阅读|点击|次|个|多|年薪|条)|(?<=\d)[Ww](\+)(?![A-Za-z\d])"
)
_POWER = re.compile(r"(?<=m)\^(?=[23])")


def say_units(text: str) -> str:
    """Return `text` with units behind numbers in Han characters, rates in Mandarin order: 每小时100公里."""
    text = _UPPER.sub(lambda match: _AS_WRITTEN[match[0].strip()], _POWER.sub("", text))
    text = _TEN_THOUSAND.sub(
        lambda match: "万加" if match[1] else "万", _WATT.sub(lambda match: f"{match[1] or match[2] or ''}瓦", text)
    )
    text = _HAN_RATE.sub(lambda match: f"每{_han(match[3])}{match[1]}{match[2]}", text)
    text = _LATIN_RATE.sub(lambda match: f"每{_han(match[3])}{match[1]}{_han(match[2])}", text)
    return _UNIT.sub(lambda match: match[1] + _LATIN[match[2] or match[3]], text)


def _han(unit: str) -> str:
    return "天" if unit == "d" else _LATIN.get(unit, unit)
