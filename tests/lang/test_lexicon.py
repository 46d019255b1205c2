from pathlib import Path

import pytest

from asr.errors import InputError
from asr.lang.lexicon import (
    LETTER_NAMES,
    build,
    check_phones,
    disambiguated,
    fit_phones,
    read_lexicon,
    with_specials,
    words_of,
    write_lexicon,
)
from asr.lang.pronunciation import syllable_phones

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def sounds(lexicon, word):
    return [" ".join(phones) for entry, phones in lexicon if entry == word]


def test_a_polyphone_is_said_as_in_the_text_first():
    lexicon, unknown = build(["银行行长", "行走", "中国"], "银行长走中国")
    assert unknown == []
    assert sounds(lexicon, "行") == ["h ang2", "x ing2"]  # twice bank, once to walk
    assert sounds(lexicon, "长") == ["zh ang3", "ch ang2"]  # the other reading is common elsewhere
    assert sounds(lexicon, "国") == ["g uo2"]


def test_the_number_of_pronunciations_is_bounded():
    lexicon, _ = build(["银行行长", "行走"], "行", most=1)
    assert sounds(lexicon, "行") == ["h ang2"]


def test_order_specials_letters_digits_and_the_unreadable():
    lexicon, unknown = build(["我爱KTV", "2Ł"], ["我", "爱", "K", "T", "V", "2", "Ł"])
    assert lexicon[:2] == [("<SIL>", ("SIL",)), ("<SPN>", ("SPN",))]
    assert [word for word, _ in lexicon[2:]] == ["2", "K", "T", "V", "Ł", "我", "爱"]
    assert sounds(lexicon, "2") == ["er4"]
    assert sounds(lexicon, "K") == ["k ei4"]
    assert sounds(lexicon, "Ł") == ["SPN"] and unknown == ["Ł"]
    noisy, unknown = build([], ["K", "我"], letters="noise")
    assert sounds(noisy, "K") == ["SPN"] and unknown == []


def test_words_of_several_characters_are_read_as_a_whole():
    lexicon, unknown = build([], ["银行", "KTV", "OK绷"])
    assert sounds(lexicon, "银行") == ["y in2 h ang2"]
    assert sounds(lexicon, "KTV") == ["k ei4 t i4 w ei1"]
    assert unknown == ["OK绷"]


def test_every_letter_has_a_name_of_phones_that_a_small_corpus_has():
    path = SHARED / "kaldi_aishell_sample/lang/phones.txt"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    known = {line.split()[0] for line in path.read_text(encoding="utf-8").splitlines()}
    assert "".join(LETTER_NAMES) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for names in LETTER_NAMES.values():
        assert known.issuperset(phone for name in names.split() for phone in syllable_phones(name))


def test_a_lexicon_is_fitted_to_the_phones_of_an_alignment():
    lexicon = [("奶", ("n", "ai3")), ("奶", ("n", "ai5")), ("边", ("b", "ian5")), ("国", ("g", "uo2"))]
    kept, changed = fit_phones(lexicon, ["n", "ai3", "b", "ian1", "ian4", "g", "uo2"], "phones.txt")
    assert kept == [("奶", ("n", "ai3")), ("边", ("b", "ian4")), ("国", ("g", "uo2"))]
    assert changed == 2


def test_other_phones_are_refused_by_name():
    with pytest.raises(InputError, match=r"^ali/phones\.txt: lacks the phones b iy1, .*--lang-dir"):
        fit_phones([("x", ("b", "iy1")), ("y", ("k",))], ["B_S", "k"], "ali/phones.txt")


def test_disambiguation_as_kaldis():
    lexicon = [
        ("一", ("y", "i1")),
        ("衣", ("y", "i1")),
        ("a", ("a1",)),
        ("b", ("a1", "n")),
        ("c", ("a1", "n", "x")),
        ("d", ("d",)),
    ]
    with_symbols, highest = disambiguated(lexicon)
    assert [" ".join(phones) for _, phones in with_symbols] == [
        "y i1 #1",
        "y i1 #2",
        "a1 #1",
        "a1 n #1",
        "a1 n x",
        "d",
    ]
    assert highest == 2
    assert disambiguated([("d", ("d",))]) == ([("d", ("d",))], 0)


def test_reading_and_writing(tmp_path):
    lexicon = [("<SPN>", ("SPN",)), ("行", ("h", "ang2")), ("行", ("x", "ing2"))]
    write_lexicon(tmp_path / "lexicon.txt", lexicon)
    assert read_lexicon(tmp_path / "lexicon.txt") == lexicon
    assert words_of(lexicon) == ["<SPN>", "行"]
    assert with_specials(lexicon) == [("<SIL>", ("SIL",)), *lexicon]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("行 h ang2\n走\n", r"lexicon\.txt:2: '走' is not"),
        ("行 h ang2\n\n走 z ou3\n", r"lexicon\.txt:2: '' is not"),
        ("行 h ang2\n行 h ang2\n", r"lexicon\.txt:2: 行: this pronunciation has occurred"),
        ("", r"lexicon\.txt: is empty"),
    ],
)
def test_a_broken_lexicon_is_refused(tmp_path, text, complaint):
    (tmp_path / "lexicon.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_lexicon(tmp_path / "lexicon.txt")


def test_unknown_phones_are_refused_by_name():
    with pytest.raises(InputError, match=r"^my\.txt: 走: names phones that are not in phones\.txt: zz ou9"):
        check_phones([("行", ("h",)), ("走", ("zz", "ou9"))], "my.txt", ["h"])
