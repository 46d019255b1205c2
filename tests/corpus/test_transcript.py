from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.corpus.transcript import characters, normalise

# what a line of spoken/spoken_pairs.tsv cannot hold: (as found, as written everywhere in this project)
EXAMPLES = [
    ("\ufeff一三一零八三七三幺四八", "一三一零八三七三幺四八"),
    ('他说"5个"{2}\\', "他说五个二"),
    ("你好 ， 世界\u3000啊", "你好 世界 啊"),
    ("  今天\t天气 \r\n", "今天 天气"),
    ("我\u200b们\xad好\x07", "我们好"),
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
    """test.txt has 1,542 reference characters (shared/data/README.md), with and without spoken digits."""
    lines = (aishell_sample / "test.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.split(None, 1)[1] for line in lines]
    for spoken in (False, True):
        assert sum(len(characters(normalise(text, spoken=spoken), latin="letter")) for text in texts) == 1542


def test_han_alone_needs_no_wetext() -> None:
    code = "import sys, asr.corpus.transcript as t; t.normalise('今天LET'); sys.exit('wetext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
