import pytest

from asr.lang.units import WordUnits, is_special

CHARACTERS = ["<eps>", "<SIL>", "<SPN>", *"我们去唱歌三", *"KTV", "#0", "<s>", "</s>"]
WORDS = ["<eps>", "<UNK>", "我", "我们", "们", "唱", "唱歌", "歌曲", "loft", "K歌", "G", "O", "A", "1", "2", "#0"]


@pytest.mark.parametrize(
    ("symbols", "text", "words"),
    [
        (CHARACTERS, "我们去唱歌", "我 们 去 唱 歌"),
        (CHARACTERS, "我们 去 KTV唱歌", "我 们 去 K T V 唱 歌"),
        (CHARACTERS, "去KTB", "去 <SPN>"),  # one unknown Latin word, not K T and an unknown B
        (CHARACTERS, "去淮海", "去 <SPN> <SPN>"),
        (CHARACTERS, "", ""),
        (CHARACTERS, "我<s>", "我 <SPN> <SPN> <SPN>"),  # <s> is in words.txt, but is not a spoken word
        (WORDS, "我们唱歌曲", "我们 唱歌 <SPN>"),  # the longest from the left, not the best split
        (WORDS, "唱 歌曲", "唱 歌曲"),  # a space ends a word
        (WORDS, "我LOFT", "我 loft"),  # the list's own spelling
        (WORDS, "K歌", "K歌"),
        (WORDS, "OK歌", "<SPN> <SPN>"),  # a word does not begin inside a Latin one
        (WORDS, "GOOGLE", "<SPN>"),
        (WORDS, "GO", "G O"),
        (WORDS, "12", "1 2"),
        (WORDS, "13A", "<SPN> A"),
    ],
)
def test_a_text_becomes_words_of_the_list(symbols, text, words):
    assert WordUnits(symbols).tokenise(text) == words.split()


def test_upper_and_lower_case_differ_if_they_differ_in_the_list():
    assert WordUnits(["A", "a", "b"]).tokenise("A a b B") == ["A", "a", "b", "b"]


def test_unknown_words_keep_their_form_in_the_text():
    units = WordUnits(CHARACTERS, oov="<UNK>")
    assert units.tokenise("我GO淮") == ["我", "<UNK>", "<UNK>"]
    assert units.unknown("我GO淮") == ["GO", "淮"]
    assert units.surfaces("我 GO淮") == ["我", "GO", "淮"]
    assert "我" in units and "淮" not in units and "<SPN>" not in units


def test_symbols_that_are_not_words():
    assert all(map(is_special, ["<eps>", "<s>", "</s>", "#0", "#12", "[NOISE]", "!SIL", "<SPOKEN_NOISE>"]))
    assert not any(map(is_special, ["我", "#", "A", "<", "10"]))
