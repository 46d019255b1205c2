"""Convert numbers that name things (telephones, identity cards, plates, flights) digit by digit.

    say_digits("电话13812345678", yao="telephone")      # "电话幺三八幺二三四五六七八"
    say_digits("13812345678元", yao="telephone")        # unchanged: a quantity
    say_digits("京A12345", yao="always")                # "京A幺二三四五"

The rules run in their order. Each has examples.
"""

from __future__ import annotations

import functools
import re

from asr.corpus.spoken.numerals import QUANTITY, by_digit

_BEGIN = r"(?<![\dA-Za-z.])"
_CODE_BEGIN = r"(?<![\dA-Za-z])"
_END = r"(?![\dA-Za-z]|\.\d)"
_NAMES_ONE = rf"(?!{QUANTITY})"  # a quantity has a measure word behind it
_NAMES_TRIP = rf"(?!(?!次){QUANTITY})"  # G101次 is a train
# 13812345678张三 and 13812345678万先生 are called, 13812345678万元 are counted
_NAMES_CALLER = rf"(?!(?![张项](?!元|人|次)|万(?:先生|女士|小姐|总|经理|老师|师傅)){QUANTITY})"
_HUNDREDS = r"\d?\d00(?!\d)"
_IS = r"(?:号码|[号码是为:、. “”\"【「\[(]|就是){0,4}"

_AREA = r"10|2\d|[3-9]\d\d"
_HOT_LINES = r"1(?:10|12|14|17|19|20|22)|911|999|1\d{4}|9[56]\d{3}"
_CALLED = "电话|手机|热线|传真|座机|来电|致电|拨打|微信同号|联系方式|联系人"
_NAMED = (
    "身份证|证件|护照|通行证|驾驶证|卡号|银行卡|信用卡|储蓄卡|[账帐户]号|账户|尾号|尾数|[前后末][三四六八3468]位|验证码|校验码|"
    "动态码|取件码|提货码|激活码|邀请码|密码|口令|邮编|邮政编码|学号|工号|编号|代码|单号|订单|流水号|条码|条形码|二维码|车牌|"
    "发动机|车架号|端口|状态码|HTTP|错误码|区号|取餐号|取件|QQ群|QQ|qq|微信|[Vv]信|加[Vv]|群号|航班|车次|房号|房间号|门牌|批号|"
    "型号|证号|编码|序列号|ISBN|学籍号|社保号|准考证|会员号|警号|番号|股票"
)
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_AIRLINES = (
    "CA|MU|CZ|HU|3U|MF|ZH|SC|FM|HO|KN|9C|GS|JD|8L|PN|TV|EU|G5|KY|NS|DZ|GJ|DR|QW|BK|UQ|OQ|CN|Y8|GX|A6|AQ|RY|LT|FU|GY|CX|KA|"
    "HX|UO|BR|CI|NH|JL|KE|OZ|SQ|TG|MH|VN|UA|AA|DL|BA|AF|LH|EK|QR|EY|QF|NZ|AC|SU|TK"
)

# letters and at least three digits, in groups of two or more
_MIXED = r"(?=(?:[A-Za-z]*\d[- ]?){3})[A-Za-z\d]+(?:-\d+| \d{2,})*(?![A-Za-z\d]|[-.]\d)"

_TELEPHONE, _CODE = "telephone", "code"
#: (what it names, pattern); the rule converts the group `digits`, or the whole match if there is no such group
_RULES = (
    # +86 138 1234 5678, 86-10-12345678, +1 202 555 0123
    (_TELEPHONE, rf"(?<![\d+])\+\d{{1,3}}[- ]?(?=\(?\d(?:[- ()]*\d){{6,12}}{_END})\(?\d+\)?(?:[- ]?\d)*"),
    (_TELEPHONE, rf"{_BEGIN}(?:00)?86[- ]?(?:1[3-9]\d(?:[- ]?\d){{8}}|(?:{_AREA})[- ]?\d{{3,4}}[- ]?\d{{4}}){_END}"),
    # 13812345678, 138 1234 5678, 138-1234-5678, 138****5678
    (_TELEPHONE, rf"{_BEGIN}0?1[3-9]\d{{9}}{_END}{_NAMES_CALLER}"),
    (_TELEPHONE, rf"{_BEGIN}1[3-9]\d(?=\d{{0,7}}[- ])(?:[- ]?\d){{8}}{_END}"),
    (_TELEPHONE, rf"{_BEGIN}1[3-9]\d\.\d{{4}}\.\d{{4}}{_END}"),
    (_TELEPHONE, rf"{_BEGIN}1-\d{{3}}-\d{{3}}-\d{{4}}{_END}"),
    (_TELEPHONE, rf"{_BEGIN}1[3-9]\d\*{{3,}}\d{{3,4}}{_END}"),
    # 010-12345678, (0755)1234567, 021 6543 2100, 010-12345678-801
    (_TELEPHONE, rf"{_BEGIN}\(?0(?:{_AREA})\)?[- ]?\d{{3,4}}[- ]?\d{{4}}(?:-\d{{1,5}})?{_END}"),
    # 400-820-8820, 400 8208 820, 8008101234
    (
        _TELEPHONE,
        rf"{_BEGIN}[48]00(?:[- ]\d{{3}}[- ]?\d{{4}}|[- ]\d{{4}}[- ]?\d{{3}}|\d[- ]\d{{3}}[- ]\d{{3}}){_END}",
    ),
    (_TELEPHONE, rf"{_BEGIN}[48]00\d{{7}}{_END}{_NAMES_ONE}"),
    # 11010119900307123X, 6222021234567890123, 110101 19900307 1234, 6222 0212 3456 7890 123
    (_CODE, rf"{_BEGIN}\d{{17}}[xX]{_END}"),
    (_CODE, rf"{_BEGIN}\d{{15,}}{_END}{_NAMES_ONE}"),
    (_CODE, rf"{_BEGIN}\d{{6}}([- ])\d{{4}}[- ]?\d{{4}}\1\d{{3}}[\dxX]{_END}"),
    (_CODE, rf"{_BEGIN}\d{{4}}([- ])\d{{4}}\1\d{{4}}(?:\1\d{{1,4}}){{0,2}}{_END}"),
    (_CODE, rf"{_BEGIN}\d{{3,6}}\*{{2,}}\d{{3,4}}[xX]?{_END}"),
    # 尾号1234, 验证码是123456, QQ：12345678, 股票代码600519, 发票号码12345678; but 代码1000行
    (_CODE, rf"(?:{_NAMED}){_IS}(?P<digits>{_MIXED}){_NAMES_ONE}(?!年)"),
    # 电话是6234-5678, 转801, 拨打110, 110报警, 12315热线, 12306
    (_TELEPHONE, rf"(?:{_CALLED}){_IS}(?P<digits>\d{{3,}}(?:[- ]\d{{2,}})*){_END}{_NAMES_ONE}"),
    (_TELEPHONE, rf"(?:分机|转接|[打拨转]){_IS}(?P<digits>\d{{3,5}}){_END}{_NAMES_ONE}(?!分|多|余|折)"),
    (
        _TELEPHONE,
        rf"{_BEGIN}(?:{_HOT_LINES})(?= ?(?:电话|报警|急救|火警|匪警|热线|客服|指挥|接警|出警|平台|救护车|中心|官网))",
    ),
    # any other number of five digits: 发动机号LS123456, 税号：91310000
    (_CODE, rf"(?<![电话手机座])号{_IS}(?P<digits>{_MIXED})(?<=\d{{5}}){_NAMES_ONE}(?!年)"),
    # 京A12345, 沪B·12345, 粤B-6F789, 京AD12345, 川A8888挂
    (
        _CODE,
        rf"(?<=[{_PROVINCES}])[-·•]?[A-Za-z][-·.• ]?(?=[A-Z]{{0,5}}\d)[A-Za-z\d]{{4,6}}"
        rf"(?![A-Za-z\d]|\.\d){_NAMES_ONE}",
    ),
    # CA1234, 3U8888, 9C8515航班
    (_CODE, rf"{_CODE_BEGIN}(?:{_AIRLINES})[- ]?\d{{3,4}}{_END}{_NAMES_TRIP}"),
    (_CODE, rf"{_CODE_BEGIN}[A-Za-z\d]{{2}}\d{{3,4}}(?=(?:号|次)?(?:航班|班机|客机))"),
    (_CODE, rf"(?:[国南东海川厦深山]航|春秋) ?(?P<digits>\d{{3,4}}){_END}{_NAMES_TRIP}(?!余|多)"),
    # G101, D1234次列车; two digits are a number: T31次, G20峰会
    (_CODE, rf"{_CODE_BEGIN}[GDCZTK][1-9]\d{{2,3}}{_END}{_NAMES_TRIP}"),
    (_CODE, rf"{_CODE_BEGIN}(?:[YSLJ]\d{{3,4}}|\d{{4}})(?=次(?:列车|火车|动车|高铁|特快|直达))"),
    # ISO9001, GB 2312
    (_CODE, rf"{_CODE_BEGIN}(?:ISO|RFC|IEEE|GB/T|GB|DIN)[- ]?\d{{3,5}}(?:-(?:19|20)\d\d)?{_END}"),
    # A380, C919, i7-12700K, GTX1080, 波音737; but H100, TOP250
    (_CODE, rf"{_CODE_BEGIN}(?:CRH|[A-Z])-?(?!{_HUNDREDS})\d{{3}}{_END}{_NAMES_ONE}"),
    (_CODE, r"(?<=[A-Za-z]\d)-(?P<digits>\d{3,5})(?![\d.])"),
    (_CODE, rf"{_CODE_BEGIN}[GR]TX ?\d{{3,4}}(?![\d.])"),
    (_CODE, r"(?:波音|空客|Boeing|Airbus|宝马) ?(?P<digits>\d{3})(?![\d.])(?![万多辆架])"),
    (_CODE, rf"(?:骁龙|天玑|麒麟) ?(?!{_HUNDREDS})(?P<digits>\d{{3,4}})(?![\d.])"),
    (_CODE, rf"{_BEGIN}(?:7[0-8]7|3[1-8]0)(?=-?MAX|客机)|{_BEGIN}0[xX](?=[\dA-Fa-f]*\d)[\dA-Fa-f]+(?![A-Za-z])"),
    # 95式步枪, 99式坦克; 115师
    (_CODE, rf"{_BEGIN}\d\d(?=式[\u4e00-\u9fff]{{0,4}}(?:枪|坦克|炮|战车))"),
    (_CODE, rf"{_BEGIN}(?!{_HUNDREDS})\d{{3}}(?=师(?![傅生父资]))"),
    # 2单元301, 302室, 1203房间, 306路, 318国道, 301医院
    (_CODE, rf"(?:单元|房间|楼|[栋幢座])(?P<digits>\d{{3,4}}){_END}{_NAMES_ONE}(?![多余平层])"),
    (
        _CODE,
        rf"{_BEGIN}(?<!-)\d{{3,4}}(?=号?(?:室(?!内|外)|房间|房(?!子|产|价)|教室|宿舍|寝室|病房|包间|包厢|会议室|办公室))",
    ),
    (_CODE, rf"{_BEGIN}(?!{_HUNDREDS})\d{{3}}(?=路(?!程|人|径|段|费|口)|国道|省道|县道|医院|[中小]学)"),
    # 911事件, 211工程, 985高校, 315晚会
    (
        _CODE,
        rf"{_BEGIN}(?!{_HUNDREDS})\d{{3}}(?=事件|事变|惨案|恐怖袭击|恐袭|大?地震|运动|工程|计划|晚会|大促|高校|大学|院校|工作制)",
    ),
    # 2024级, 2020届, 2022世界杯; 1080p; 80后, 70、80后, 95后, 00后
    (_CODE, rf"{_BEGIN}(?:19|20)\d\d(?=[级届款版]|财年|春晚|世界杯|欧洲杯|亚洲杯|奥运会|冬奥会|亚运会|高考|考研)"),
    (_CODE, rf"{_BEGIN}\d[05](?=[-/、,~]\d[05]后)"),
    (_CODE, rf"{_BEGIN}(?:360|480|540|576|720|1080|1440|2160)(?=[pPi](?![A-Za-z]))"),
    (_CODE, rf"{_BEGIN}(?<![:点分-])(?:19|20)?[0-9][05](?=后(?!来|面|天|期|续|备|方|半|退))"),
    # 007, 0086
    (_CODE, rf"{_BEGIN}0\d{{2,}}(?![\d.])(?! ?[年月日])"),
    # 12306, 10086, 95588
    (_TELEPHONE, rf"{_BEGIN}(?<!:)(?:100(?:10|86)|12[13]\d\d|9[56]\d{{3}}){_END}{_NAMES_ONE}"),
    # seven digits or more that count nothing: 62345678
    (_TELEPHONE, rf"{_BEGIN}(?!\d*000{_END})\d{{7,14}}{_END}{_NAMES_ONE}(?! ?[-+*/=×÷]\d)"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _RULES)
_GAPS = re.compile(r"(?<=\d)[- ().]+(?=\d)|[()]|^[-·•](?=[A-Za-z])|(?<=[A-Za-z])[-·.• ](?=[A-Za-z\d])|\*+")


def say_digits(text: str, yao: str = "telephone") -> str:
    """Return `text` with naming numbers digit by digit. yao: one of asr.corpus.spoken.numerals.YAO."""
    for kind, pattern in _COMPILED:
        one = "幺" if yao == "always" or (yao == "telephone" and kind == _TELEPHONE) else "一"
        text = pattern.sub(functools.partial(_spoken, one), text)
    return text


def _spoken(one: str, match: re.Match[str]) -> str:
    named = match.groupdict().get("digits")
    start = match.start("digits") - match.start() if named else 0
    digits = _GAPS.sub("", named or match[0]).replace("+", "加")
    return match[0][:start] + by_digit(digits, one)
