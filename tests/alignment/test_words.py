"""The words of a row of phones: pronunciations, silences, rows that do not fit; by hand and against brute force."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from asr.alignment.words import match_words

LEXICON = {
    "好": [("h", "ao3"), ("h", "ao4")],
    "啊": [("a1",), ("a5",)],
    "一": [("i1",)],
    "<SPN>": [("SPN",)],
    "<SIL>": [("SIL",)],
    "a": [("x",), ("x", "y")],
    "b": [("y", "z"), ("z",)],
}


def match(phones, words, oov=None):
    return match_words(phones.split(), words.split(), LEXICON, {"SIL"}, oov)


def test_pronunciations_and_silence():
    assert match("SIL h ao4 SIL SIL a1 i1 SIL", "好 啊 一") == [
        ("好", ("h", "ao4"), 1, 2),
        ("啊", ("a1",), 5, 1),
        ("一", ("i1",), 6, 1),
    ]
    assert match("h ao3", "好") == [("好", ("h", "ao3"), 0, 2)]


def test_no_words():
    assert match("SIL SIL", "") == []
    assert match("", "") == []
    assert match("a1", "") is None
    assert match("", "啊") is None


def test_phones_that_do_not_fit():
    for phones in ("h", "h ao3 a1", "a1 h ao3", "h SIL ao3", "h ao5", "SIL"):
        assert match(phones, "好") is None


def test_unknown_words():
    assert match("i1 SPN", "一 哟") is None
    assert match("i1 SPN", "一 哟", ("SPN",)) == [("一", ("i1",), 0, 1), ("哟", ("SPN",), 1, 1)]


def test_a_word_that_is_silence():
    assert match("SIL i1", "<SIL> 一") == [("<SIL>", ("SIL",), 0, 1), ("一", ("i1",), 1, 1)]
    assert match("i1", "<SIL> 一") is None


def test_of_two_fits_the_first_pronunciation_is_taken():
    assert match("x y z", "a b") == [("a", ("x",), 0, 1), ("b", ("y", "z"), 1, 2)]
    assert match("x y SIL z", "a b") == [("a", ("x", "y"), 0, 2), ("b", ("z",), 3, 1)]


def test_long_rows_take_no_recursion():
    words = "一 " * 1200
    found = match("i1 SIL " * 1200, words)
    assert found is not None and found[-1] == ("一", ("i1",), 2398, 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["x", "y", "z", "SIL"]), max_size=6), st.lists(st.sampled_from("ab"), max_size=3))
def test_words_are_found_if_they_fit(phones, words):
    found = match_words(phones, words, LEXICON, {"SIL"})
    spoken = [phone for phone in phones if phone != "SIL"]
    ways = [
        choice
        for choice in itertools.product(*(LEXICON[word] for word in words))
        if [phone for sounds in choice for phone in sounds] == spoken
    ]
    if found is None:
        # silence inside a word is the only reason left
        assert not ways or "SIL" in phones
        return
    assert [item[1] for item in found] in [list(way) for way in ways]
    covered = [place for _, _, first, count in found for place in range(first, first + count)]
    assert [phones[place] for place in covered] == spoken
    assert covered == [place for place, phone in enumerate(phones) if phone != "SIL"]
    assert all(tuple(phones[first : first + count]) == sounds for _, sounds, first, count in found)
