"""CTM: its lines are read and written, and faults are named. (test_export.py compares with Kaldi's own file.)"""

import gzip

import pytest

from asr.alignment.formats.ctm import read_ctm, write_ctm
from asr.alignment.formats.intervals import Interval
from asr.errors import InputError

TEXT = b";; by hand\nu1 1 0.000 0.440 1\nu1 1 0.440 0.160 120 0.98\n\nu2 A 0 .3 a1\n"


def test_a_ctm_is_read(tmp_path):
    (tmp_path / "x.ctm").write_bytes(TEXT)
    first, second = read_ctm(tmp_path / "x.ctm")
    assert (first.utterance, second.utterance, first.file) == ("u1", "u2", tmp_path / "x.ctm")
    assert first.intervals == (Interval("1", 0, 0.44), Interval("120", 0.44, 0.6))
    assert [item.line for item in first.intervals] == [2, 3]
    assert second.intervals == (Interval("a1", 0, 0.3),)


def test_compressed_and_finer_shifts(tmp_path):
    rows = [("句1", [("a1", 0, 1), ("SIL", 1, 4)])]
    write_ctm(tmp_path / "x.ctm.gz", rows, frame_shift_ms=12.5)
    text = gzip.decompress((tmp_path / "x.ctm.gz").read_bytes()).decode()
    assert text == "句1 1 0.0000 0.0125 a1\n句1 1 0.0125 0.0500 SIL\n"
    (row,) = read_ctm(tmp_path / "x.ctm.gz")
    assert row.intervals == (Interval("a1", 0, 0.0125), Interval("SIL", 0.0125, 0.0625))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (";; nothing\n", "is empty"),
        ("u1 1 0 1\n", ":1: u1: 4 fields; a line is `utterance channel start duration label [confidence]`"),
        ("u1 1 0 1 a b c\n", ":1: u1: 7 fields; a line is"),
        ("u1 1 x 1 a\n", ":1: u1: 'x' is not a start in seconds"),
        ("u1 1 0 1 a\nu1 1 1 nan b\n", ":2: u1: 'nan' is not a duration in seconds"),
        ("u1 1 -0.5 1 a\n", ":1: u1: '-0.5' is not a start in seconds"),
        ("u1 1 0 1 a\nu2 1 0 1 a\nu1 1 1 1 b\n", ":3: u1: the lines of this utterance are in two places"),
        ("u1 A 0 1 a\nu1 B 1 1 b\n", ":2: u1: channel B after A: one utterance is one channel"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    (tmp_path / "x.ctm").write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_ctm(tmp_path / "x.ctm"))
    assert str(caught.value).startswith(f"{tmp_path / 'x.ctm'}{message if message[0] == ':' else ': ' + message}")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_ctm(tmp_path / "absent"))
    (tmp_path / "gbk.ctm").write_bytes("u1 1 0 1 啊\n".encode("gbk"))
    with pytest.raises(InputError, match=r"gbk\.ctm:1: u1: is not UTF-8"):
        list(read_ctm(tmp_path / "gbk.ctm"))
