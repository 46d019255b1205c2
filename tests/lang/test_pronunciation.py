from collections import Counter

import pytest

from asr.errors import InputError
from asr.lang.lexicon import by_word, read_lexicon
from asr.lang.pronunciation import ALL_PHONES, is_han, pronunciations, readings, sentence_syllables, syllable_phones


@pytest.fixture(scope="module")
def kaldi_lexicon(kaldi_sample):
    return by_word(read_lexicon(kaldi_sample / "lang/lexicon.txt"))


@pytest.mark.parametrize(
    ("syllable", "phones"),
    [
        ("zhong1", ["zh", "ong1"]),
        ("shi4", ["sh", "i4"]),
        ("yuan2", ["y", "uan2"]),
        ("wu3", ["w", "u3"]),
        ("er2", ["er2"]),
        ("a5", ["a5"]),
        ("ma", ["m", "a5"]),
        ("nv3", ["n", "v3"]),
        ("nü3", ["n", "v3"]),
        ("lu:4", ["l", "v4"]),
        ("lve4", ["l", "ve4"]),
        ("xue2", ["x", "ue2"]),
        ("jiong3", ["j", "iong3"]),
        ("n2", ["n", "n2"]),
        ("ng4", ["n", "n4"]),
        ("hm5", ["n", "n5"]),
        ("ê1", ["ei1"]),
    ],
)
def test_a_syllable_is_cut_after_its_initial(syllable, phones):
    assert syllable_phones(syllable) == phones


@pytest.mark.parametrize("wrong", ["", "1", "b1", "zhong6", "xx1", "中", "zhong11", "er1 "])
def test_a_wrong_syllable_is_refused(wrong):
    with pytest.raises(InputError, match="not a Mandarin syllable"):
        syllable_phones(wrong)


def test_the_phones_equal_those_of_pypinyins_dictionaries():
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_tone3
    from pypinyin.phrases_dict import phrases_dict

    syllables = {syllable for entry in PINYIN_DICT.values() for syllable in entry.split(",")}
    syllables |= {syllable for phrase in phrases_dict.values() for options in phrase for syllable in options}
    numbered = [to_tone3(syllable, neutral_tone_with_five=True) for syllable in syllables]
    assert {phone for syllable in numbered for phone in syllable_phones(syllable)} == set(ALL_PHONES)
    assert list(ALL_PHONES) == sorted(set(ALL_PHONES))


def test_every_phone_of_kaldis_lexicon_is_known(kaldi_lexicon):
    phones = {phone for entries in kaldi_lexicon.values() for entry in entries for phone in entry}
    assert phones - set(ALL_PHONES) == {"SIL", "SPN"}


def test_our_pronunciations_include_kaldis(kaldi_lexicon):
    characters = [word for word in kaldi_lexicon if len(word) == 1 and is_han(word)]
    assert len(characters) == 2921
    differ = [c for c in characters if any(list(phones) not in pronunciations(c, 3) for phones in kaldi_lexicon[c])]
    assert len(differ) <= 3, differ  # 番 pan1 and two neutral tones, which no phrase of the dictionary has
    first = sum(tuple(pronunciations(c)[0]) in kaldi_lexicon[c] for c in characters)
    assert first / len(characters) > 0.99


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("银行行长", "yin2 hang2 hang2 zhang3"),
        ("长大了", "zhang3 da4 le5"),
        ("重要的重庆", "zhong4 yao4 de5 chong2 qing4"),
        ("音乐快乐", "yin1 yue4 kuai4 le4"),
        ("听 LET IT GO，3遍", "ting1 bian4"),
        ("绿女略", "lv4 nv3 lve4"),
        ("", ""),
        ("ABC 123", ""),
    ],
)
def test_a_sentence_is_read_in_context(text, syllables):
    assert sentence_syllables(text) == syllables.split()


def test_a_character_without_a_reading_keeps_its_place():
    unread = chr(0x2CEA0)  # in an extension block that pypinyin has no entry for
    assert is_han(unread)
    assert readings(f"中{unread}A国") == [("中", "zhong1"), (unread, None), ("国", "guo2")]
    assert sentence_syllables(f"中{unread}国") == ["zhong1", "guo2"]
    assert pronunciations(unread) == []


def test_pronunciations_are_ordered_by_frequency_and_limited():
    assert pronunciations("中", 1) == [["zh", "ong1"]]
    assert pronunciations("重") == [["zh", "ong4"], ["ch", "ong2"]]
    assert pronunciations("不")[0] == ["b", "u4"]
    assert ["f", "ou3"] not in pronunciations("不", 9)
    assert pronunciations("A") == pronunciations("中国") == pronunciations("") == []
    assert Counter(map(tuple, pronunciations("和", 9))).most_common(1)[0][1] == 1


def test_han_characters():
    assert all(is_han(c) for c in "一龥㐀〇𠀀豈")
    assert not any(is_han(c) for c in "A1。ａー가あ ")
