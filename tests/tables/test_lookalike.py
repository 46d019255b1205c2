"""Messages about names that look alike, and about invisible characters."""

from __future__ import annotations

import pytest

from asr.errors import InputError, shown
from asr.tables.lookalike import LookAlikes

KNOWN = ("S00U000", "BAC-1", "张三_1", "Abc", "caf\u00e9", "op")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("S00U000\u200b", "; it differs from S00U000 in wav.scp only by U+200B at its end"),
        ("\ufeffS00U000", "; it differs from S00U000 in wav.scp only by U+FEFF at its beginning"),
        ("S00\u00adU000", "; it differs from S00U000 in wav.scp only by U+00AD after S00"),
        ("S00U000\u00a0", "; it differs from S00U000 in wav.scp only by U+00A0 at its end"),
        ("S00U00\uff10", "; it differs from S00U000 in wav.scp only by U+FF10 (\uff10) in place of U+0030 (0)"),
        ("\u0412AC-1", "; it differs from BAC-1 in wav.scp only by U+0412 (\u0412) in place of U+0042 (B)"),
        ("BAC\u20131", "; it differs from BAC-1 in wav.scp only by U+2013 (\u2013) in place of U+002D (-)"),
        ("\u03bfp", "; it differs from op in wav.scp only by U+03BF (\u03bf) in place of U+006F (o)"),
        ("abc", "; it differs from Abc in wav.scp only in upper and lower case"),
        ("cafe\u0301", "; it differs from caf\u00e9 in wav.scp only in its Unicode form (NFC, NFD)"),
        ("BAC1", ""),
        ("S00U001", ""),
    ],
)
def test_hints(name: str, hint: str) -> None:
    assert LookAlikes(KNOWN).hint(name, "wav.scp") == hint


def test_a_known_name_has_no_hint() -> None:
    assert LookAlikes(["a", "A"]).hint("a") == ""


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("S00U000\u200b", "S00U000<U+200B>"),
        ("a\u00a0b\u3000c", "a<U+00A0>b<U+3000>c"),
        ("\ufeffx\u00ad\u202e\u0007", "<U+FEFF>x<U+00AD><U+202E><U+0007>"),
        ("\u0301x e\u0301", "<U+0301>x e\u0301"),
        ("\u3164\u2800\ufe0f", "<U+3164><U+2800><U+FE0F>"),
        ("caf\udce9.wav", "caf\\xe9.wav"),
        ("a\r", "a<U+000D>"),
        ("今天，Ａ b\tc-é", "今天，Ａ b\tc-é"),
    ],
)
def test_invisible_characters_are_written_out(text: str, as_shown: str) -> None:
    assert shown(text) == as_shown
    assert str(InputError("is wrong", file="text", line=3, key=text)) == f"text:3: {as_shown}: is wrong"
