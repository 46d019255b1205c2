"""Spoken forms, by hand-written pairs in spoken_pairs.tsv (`written<TAB>spoken`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asr.corpus.spoken.numerals import cardinal, quantity
from asr.corpus.transcript import normalise

PAIRS = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("spoken_pairs.tsv").read_text(encoding="utf-8").splitlines()
]


def test_every_pair() -> None:
    assert len(PAIRS) >= 150
    got = {written: normalise(written) for written, _ in PAIRS}
    wrong = [f"{written}: {got[written]}, not {spoken}" for written, spoken in PAIRS if got[written] != spoken]
    assert not wrong, "\n".join(wrong)


def test_every_pair_again_and_with_other_ones() -> None:
    for written, _ in PAIRS:
        for yao in ("telephone", "always", "never"):
            once = normalise(written, yao=yao)
            assert normalise(once, yao=yao) == once
            assert not re.search("[0-9]", once)
        unspoken = normalise(written, spoken=False)
        assert normalise(unspoken, spoken=False) == unspoken


@pytest.mark.parametrize("dash", "–—‒―−‑~～〜－")
def test_every_dash_makes_the_same_range(dash: str) -> None:
    for text in ("3-5天", "1949-1976年", "10:00-12:00", "3%-5%", "第3-5名", "1.5-2倍", "2024年1-3月"):
        assert normalise(text.replace("-", dash)) == normalise(text)
        assert "到" in normalise(text)


@pytest.mark.parametrize(
    ("written", "telephone", "always", "never"),
    [
        ("电话13812345678", "电话幺三八幺二三四五六七八", "电话幺三八幺二三四五六七八", "电话一三八一二三四五六七八"),
        ("京A12345", "京A一二三四五", "京A幺二三四五", "京A一二三四五"),
        ("尾号1234", "尾号一二三四", "尾号幺二三四", "尾号一二三四"),
        ("打110报警", "打幺幺零报警", "打幺幺零报警", "打一一零报警"),
        ("12345", "幺二三四五", "幺二三四五", "一二三四五"),
        ("G101次", "G一零一次", "G幺零幺次", "G一零一次"),
        # what the text says itself stays; years, fractions and quantities know no 幺
        ("幺妹有1100元", "幺妹有一千一百元", "幺妹有一千一百元", "幺妹有一千一百元"),
        ("2011年1月", "二零一一年一月", "二零一一年一月", "二零一一年一月"),
        ("3.11", "三点一一", "三点一一", "三点一一"),
    ],
)
def test_where_one_is_yao(written: str, telephone: str, always: str, never: str) -> None:
    assert normalise(written) == telephone
    assert normalise(written, yao="always") == always
    assert normalise(written, yao="never") == never


def test_numbers_with_a_measure_word_are_quantities() -> None:
    for measure in ("元", "人", "个", "万", "吨", "公里", "次", "美元", "股"):
        assert "亿" in normalise(f"13812345678{measure}")
    for follows in ("号", "", "对吗", "联系我", "，谢谢"):
        assert "亿" not in normalise(f"13812345678{follows}")


def test_marks_of_prosody_stay_out_of_unspoken_text_too() -> None:
    assert normalise("小猫#2陪老师#1看书#4。", spoken=False) == "小猫陪老师看书"
    assert normalise("小猫 #2 陪老师 #1 看书 #4") == "小猫 陪老师 看书"
    assert normalise("住在#3楼") == "住在三号楼"


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        ("0", "零"),
        ("10", "十"),
        ("111", "一百一十一"),
        ("1001", "一千零一"),
        ("1010", "一千零一十"),
        ("10010", "一万零一十"),
        ("100000001", "一亿零一"),
        ("100010001", "一亿零一万零一"),
        ("1200300400500", "一万二千零三亿零四十万零五百"),
        ("10.10", "十点一零"),
        ("12345678901234567", "一二三四五六七八九零一二三四五六七"),
    ],
)
def test_cardinal(number: str, spoken: str) -> None:
    assert cardinal(number) == spoken


def test_quantity() -> None:
    assert [quantity(number) for number in ("2", "20", "200", "2200", "20002")] == [
        "二",
        "二十",
        "两百",
        "两千二百",
        "两万零二",
    ]
