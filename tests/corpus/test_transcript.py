from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.corpus.transcript import characters, normalise

# (as found, as written everywhere in this project)
EXAMPLES = [
    # lines of aishell_sample/train.txt and test.txt, as published
    ("尚街Loft时尚生活园区", "尚街LOFT时尚生活园区"),
    ("百盛(天山店A楼)", "百盛天山店A楼"),
    ("I T(番愚路店)", "I T番愚路店"),
    ("O P A（淮海店）", "O P A淮海店"),
    ("想听歌曲Let It Go", "想听歌曲LET IT GO"),
    ("想听歌曲M A P S", "想听歌曲M A P S"),
    ("\ufeff一三一零八三七三幺四八", "一三一零八三七三幺四八"),
    ("苹果表配apple pay", "苹果表配APPLE PAY"),
    ("汽车与道路基础设施V二X之间的信息共享", "汽车与道路基础设施V二X之间的信息共享"),
    ("昆凌H A N N A H怀了小baby", "昆凌H A N N A H怀了小BABY"),
    ("美嘉森·奥特莱斯", "美嘉森奥特莱斯"),
    ("时代奥特莱斯1号门", "时代奥特莱斯一号门"),
    ("预计在三月份将会出现首套房贷款8.5折左右的折扣", "预计在三月份将会出现首套房贷款八点五折左右的折扣"),
    ("科幻星系 康斯坦丁文", "科幻星系 康斯坦丁文"),
    ("买apple watch的不在意续航 别J J Y Y", "买APPLE WATCH的不在意续航 别J J Y Y"),
    ("[n]一辆黑色小轿车在华威桥上发生自燃", "一辆黑色小轿车在华威桥上发生自燃"),
    ("相关公司股票走势万科Ａ保利地产", "相关公司股票走势万科A保利地产"),
    # numbers, dates, times, units, percentages, money
    ("2015年3月30日", "二零一五年三月三十日"),
    ("2015-03-30", "二零一五年三月三十日"),
    ("二〇一五年", "二零一五年"),
    ("下午3:30开会", "下午三点三十分开会"),
    ("涨了50%", "涨了百分之五十"),
    ("3%-5%", "百分之三到百分之五"),
    ("5‰", "千分之五"),
    ("占3/4的人", "占四分之三的人"),
    ("½", "二分之一"),
    ("37℃", "三十七摄氏度"),
    ("温度-5°C", "温度负五摄氏度"),
    ("100㎡", "一百平方米"),
    ("120KM/H", "每小时一百二十公里"),
    ("10公里", "十公里"),
    ("5mL", "五毫升"),
    ("￥5万", "五万元"),
    ("$1,234.5万", "一千二百三十四点五万美元"),
    ("HK$500", "五百港元"),
    ("1,234名学生", "一千二百三十四名学生"),
    ("1,234.5kg", "一千二百三十四点五千克"),
    ("5,6月", "五六月"),
    ("2比1", "二比一"),
    ("电话13812345678", "电话幺三八幺二三四五六七八"),
    ("1.5亿", "一点五亿"),
    ("第3-5名", "第三到五名"),
    ("③号线", "三号线"),
    ("٣个", "三个"),
    # Latin letters beside digits
    ("3D打印", "三D打印"),
    ("iPhone 6s", "IPHONE 六S"),
    ("AK-47", "AK四十七"),
    ("PM2.5", "PM二点五"),
    ("MP4和MP5", "MP四和MP五"),
    ("ＭＰ３", "MP三"),
    # punctuation, quotation marks, spaces, apostrophes, accents
    ("他说：“5个！”", "他说五个"),
    ('他说"5个"{2}\\', "他说五个二"),
    ("你好，OK！《红楼梦》……", "你好OK红楼梦"),
    ("你好 ， 世界\u3000啊", "你好 世界 啊"),
    ("  今天\t天气 \r\n", "今天 天气"),
    ("OK,GO", "OK GO"),
    ("U.S.A.", "U S A"),
    ("wi-fi", "WI FI"),
    ("Let's go, O’Neal", "LETS GO ONEAL"),
    ("Beyoncé的歌", "BEYONCE的歌"),
    ("我\u200b们\u00ad好\u0007", "我们好"),
    # annotation
    ("<SPK/>你好[NOISE]", "你好"),
    ("Hello<SPK/>World", "HELLO WORLD"),
    ("[Live版]", "LIVE版"),
    ("5[n]6", "五六"),
    ("＜noise＞好", "好"),
    # left as it is, left out
    ("臺灣電腦", "臺灣電腦"),
    ("哪儿有5个花儿", "哪儿有五个花儿"),
    ("アニメ好", "好"),
    ("，。", ""),
    ("", ""),
]


@pytest.mark.parametrize(("found", "written"), EXAMPLES, ids=[repr(found) for found, _ in EXAMPLES])
def test_normalise(found: str, written: str) -> None:
    assert normalise(found) == written


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ("时代奥特莱斯1号门", "时代奥特莱斯1号门"),
        ("8.5折", "8 5折"),
        ("二〇一五年", "二〇一五年"),
        ("ＭＰ３", "MP3"),
        ("100㎡", "100M2"),
    ],
)
def test_digits_stay_unspoken(found: str, written: str) -> None:
    assert normalise(found, spoken=False) == written


def test_characters() -> None:
    assert characters("想听LET IT GO") == ["想", "听", "LET", "IT", "GO"]
    assert characters("想听LET IT GO", latin="letter") == ["想", "听", *"LETITGO"]
    assert characters("MP3 2015年") == ["MP", "3", "2015", "年"]
    assert characters("MP3 2015年", latin="letter") == ["M", "P", "3", "2", "0", "1", "5", "年"]
    assert characters("𠮷〇") == ["𠮷", "〇"]
    assert characters(" ") == []


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=20)
    | st.text(alphabet="0123456789年月日 -–—～·,.:/%°C$¥#+×²○kgABsx人点个(<>[]{}\"'\\|=~号万　½\u200b", max_size=14)
)
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert not any(char.isdigit() for char in once)
    assert "".join(once.split()) == "".join(characters(once))
    unspoken = normalise(text, spoken=False)
    assert normalise(unspoken, spoken=False) == unspoken


def test_protocol_of_aishell_sample(aishell_sample: Path) -> None:
    """shared/data/README.md: 1,542 reference characters on test.txt; spoken digits happen not to change that."""
    lines = (aishell_sample / "test.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.split(None, 1)[1] for line in lines]
    for spoken in (False, True):
        assert sum(len(characters(normalise(text, spoken=spoken), latin="letter")) for text in texts) == 1542


def test_han_alone_needs_no_wetext() -> None:
    code = "import sys, asr.corpus.transcript as t; t.normalise('今天LET'); sys.exit('wetext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
