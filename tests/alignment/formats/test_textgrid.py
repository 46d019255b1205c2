"""TextGrids: long and short, UTF-8 and UTF-16, the choice of the tier, round trips, damage."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.alignment.formats.intervals import Interval
from asr.alignment.formats.textgrid import Tier, read_textgrid, read_textgrids, write_textgrid
from asr.errors import InputError

#: as Praat writes it; ~ is a space at the end of a line
LONG = '''\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0~
xmax = 0.5~
tiers? <exists>~
size = 2~
item []:~
    item [1]:
        class = "IntervalTier"~
        name = "phones"~
        xmin = 0~
        xmax = 0.5~
        intervals: size = 3~
        intervals [1]:
            xmin = 0~
            xmax = 0.12~
            text = ""~
        intervals [2]:
            xmin = 0.12~
            xmax = 0.25~
            text = "b"~
        intervals [3]:
            xmin = 0.25~
            xmax = 0.5~
            text = "a1"~
    item [2]:
        class = "IntervalTier"~
        name = "words"~
        xmin = 0~
        xmax = 0.5~
        intervals: size = 2~
        intervals [1]:
            xmin = 0~
            xmax = 0.12~
            text = ""~
        intervals [2]:
            xmin = 0.12~
            xmax = 0.5~
            text = "八""8"""~
'''.replace("~", " ")
SHORT = '''\
File type = "ooTextFile"
Object class = "TextGrid"

0
0.5
<exists>
3
"TextTier"
"clicks"
0
0.5
1
0.2
"!"
"IntervalTier"
"phones"
0
0.5
3
0
0.12
""
0.12
0.25
"b"
0.25
0.5
"a1"
"IntervalTier"
"words"
0 0.5 2 ! a comment with "quotes" and 7 numbers
0 0.12 "" 0.12 0.5 "八""8"""
'''
PHONES = (Interval("", 0, 0.12), Interval("b", 0.12, 0.25), Interval("a1", 0.25, 0.5))
WORDS = (Interval("", 0, 0.12), Interval('八"8"', 0.12, 0.5))


@pytest.mark.parametrize("text", [LONG, SHORT])
@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
)
def test_long_and_short_in_every_encoding(tmp_path, text, encode):
    (tmp_path / "u1.TextGrid").write_bytes(encode(text))
    assert read_textgrid(tmp_path / "u1.TextGrid") == [Tier("phones", PHONES), Tier("words", WORDS)]


def test_lines_are_known(tmp_path):
    (tmp_path / "u1.TextGrid").write_text(LONG)
    assert [item.line for item in read_textgrid(tmp_path / "u1.TextGrid")[0].intervals] == [18, 22, 26]


def test_written_as_praat_does(tmp_path):
    write_textgrid(tmp_path / "u1.TextGrid", {"phones": PHONES[1:], "words": WORDS[1:]}, 0.5)
    assert (tmp_path / "u1.TextGrid").read_text() == LONG


def test_times_count_from_the_files_beginning(tmp_path):
    text = '"ooTextFile" "TextGrid" 3.2 3.5 <exists> 1 "IntervalTier" "x" 3.2 3.5 1 3.2 3.5 "b"'
    (tmp_path / "u1.TextGrid").write_text(text)
    assert read_textgrid(tmp_path / "u1.TextGrid") == [Tier("x", (Interval("b", 0, 0.3),))]


def test_a_grid_without_tiers(tmp_path):
    (tmp_path / "u1.TextGrid").write_text('"ooTextFile" "TextGrid" 0 1 <absent>')
    assert read_textgrid(tmp_path / "u1.TextGrid") == []
    with pytest.raises(InputError, match="no interval tiers that must be the phones', of none; pass --ali-tier"):
        list(read_textgrids(tmp_path))


def chosen(tmp_path, names, tier=None, known=None):
    """Return the label of the tier that is chosen; each tier has one label, the last word of its name."""
    tiers = {name: [Interval(name.split()[-1], 0, 1)] for name in names}
    write_textgrid(tmp_path / "u1.TextGrid", tiers, 1)
    (row,) = read_textgrids(tmp_path, tier, known)
    assert (row.utterance, row.file) == ("u1", tmp_path / "u1.TextGrid")
    return row.intervals[0].label


@pytest.mark.parametrize(
    ("names", "tier", "known", "label"),
    [
        (["words", "phones"], None, (), "phones"),
        (["Phone", "words"], None, (), "Phone"),
        (["S01 - words", "S01 - phones"], None, (), "phones"),
        (["anything"], None, (), "anything"),
        (["words", "b", "a1", "notes"], None, ("b", "a1"), "a1"),
        (["words", "phones"], "words", (), "words"),
    ],
)
def test_which_tier(tmp_path, names, tier, known, label):
    assert chosen(tmp_path, names, tier, known.__contains__) == label


@pytest.mark.parametrize(
    ("names", "tier", "message"),
    [
        (["a", "b"], None, "no interval tiers that must be the phones', of 'a', 'b'; pass --ali-tier"),
        (["A - phones", "B - phones"], None, "2 interval tiers that must be the phones', of 'A - phones', 'B - ph"),
        (["a", "b"], "c", "no interval tiers called 'c', of 'a', 'b'; pass --ali-tier"),
    ],
)
def test_no_such_tier(tmp_path, names, tier, message):
    with pytest.raises(InputError) as caught:
        chosen(tmp_path, names, tier, lambda label: False)
    assert str(caught.value).startswith(f"{tmp_path / 'u1.TextGrid'}: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ooTextFile"', "ooTextFile", ':2: does not begin with "ooTextFile": not a TextGrid'),
        ('"TextGrid"', '"Pitch 1"', ":2: holds a Pitch 1, not a TextGrid"),
        ('"IntervalTier"', '"Tier"', ":10: a tier of kind 'Tier'"),
        ("size = 2", "size = x", ':10: a number was expected, found "IntervalTier"'),
        ("size = 2", "size = 2.5", ":7: 2.5 is not a number of items"),
        ("size = 3", "size = 4", ':28: a number was expected, found "IntervalTier"'),
        ("xmax = 0.25", "xmax = 0.05", ":21: an interval ends at 0.05 s, before it begins at 0.12 s"),
        ("xmax = 0.5", "xmax = -1", ":5: the file ends at -1 s, before it begins at 0 s"),
        ("xmax = 0.5", "xmax = 1e300", ":5: 1e300 is not a time in seconds"),
        ('8"""', '8""', ":40: a text without its closing quotation mark"),
        ("tiers? <exists>", "tiers?", ":7: <exists> was expected, found 2"),
    ],
)  # fmt: skip
def test_damage_by_hand(tmp_path, old, new, message):
    assert old in LONG
    (tmp_path / "u1.TextGrid").write_text(LONG.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_textgrid(tmp_path / "u1.TextGrid")
    assert str(caught.value).startswith(f"{tmp_path / 'u1.TextGrid'}{message}")


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "u1.TextGrid"
    for data, message in (
        (b"ooBinaryFile\x08TextGrid\0\0", "is a binary TextGrid; save it from Praat as a text file"),
        (LONG.encode("gbk"), "is not UTF-8; save it from Praat as UTF-8"),
        (b"", "1: the file ends in the middle"),
        (b'"Praat chronological TextGrid text file" 0 1', 'does not begin with "ooTextFile"'),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_textgrid(path)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(1, 500)), max_size=6),
    st.integers(0, 3),
)
def test_what_is_written_is_read(tmp_path_factory, pieces, rest):
    intervals, time = [], 0
    for label, frames in pieces:
        intervals.append(Interval(label.strip(), time / 100, (time + frames) / 100))
        time += frames
    path = tmp_path_factory.mktemp("grids") / "u1.TextGrid"
    write_textgrid(path, {'a "tier"': intervals}, (time + rest) / 100)
    (tier,) = read_textgrid(path)
    assert tier.name == 'a "tier"'
    expected = [*intervals, *([Interval("", time / 100, (time + rest) / 100)] if rest else [])]
    assert list(tier.intervals) == expected


def test_overlaps_are_not_written(tmp_path):
    for intervals in ([Interval("a", 0, 1), Interval("b", 0.5, 2)], [Interval("a", 0, 3)]):
        with pytest.raises(ValueError, match="overlaps"):
            write_textgrid(tmp_path / "u1.TextGrid", {"x": intervals}, 2)
    assert not (tmp_path / "u1.TextGrid").exists()


def test_every_cut_is_named(tmp_path):
    path = tmp_path / "u1.TextGrid"
    for length in range(LONG.index('"八')):  # whatever begins there may be a shorter label
        path.write_text(LONG[:length])
        with pytest.raises(InputError):
            read_textgrid(path)
