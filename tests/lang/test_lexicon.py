import pytest

from asr.errors import InputError
from asr.lang.lexicon import (
    check_phones,
    check_words,
    disambiguated,
    fit_phones,
    fitted,
    read_lexicon,
    with_specials,
    words_of,
    write_lexicon,
)


def test_a_lexicon_is_fitted_to_the_phones_of_an_alignment():
    lexicon = [("奶", ("n", "ai3")), ("奶", ("n", "ai5")), ("边", ("b", "ian5")), ("国", ("g", "uo2"))]
    kept, changed = fit_phones(lexicon, ["n", "ai3", "b", "ian1", "ian4", "g", "uo2"], "phones.txt")
    assert kept == [("奶", ("n", "ai3")), ("边", ("b", "ian4")), ("国", ("g", "uo2"))]
    assert changed == 2


def test_a_phone_without_a_replacement_stays():
    assert fitted(("b", "ian5", "x1"), ["b", "ian1", "ian4"]) == ("b", "ian4", "x1")


def test_other_phones_are_refused_by_name():
    with pytest.raises(InputError, match=r"^ali/phones\.txt: lacks phones that the lexicon needs: b, iy1; "):
        fit_phones([("x", ("b", "iy1")), ("y", ("k",))], ["B_S", "k"], "ali/phones.txt")


def test_disambiguation_equals_kaldis():
    sounds = ("y i1", "y i1", "a1", "a1 n", "a1 n x", "d")
    lexicon = [(word, tuple(phones.split())) for word, phones in zip("一衣abcd", sounds, strict=True)]
    with_symbols, highest = disambiguated(lexicon)
    assert [" ".join(phones) for _, phones in with_symbols] == ["y i1 #1", "y i1 #2", "a1 #1", "a1 n #1", *sounds[4:]]
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
        ("行 0.75 h ang2\n", r"lexicon\.txt:1: 行: '0\.75' is a probability"),
        ("", r"lexicon\.txt: is empty"),
    ],
)
def test_a_broken_lexicon_is_refused(tmp_path, text, complaint):
    (tmp_path / "lexicon.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_lexicon(tmp_path / "lexicon.txt")


@pytest.mark.parametrize("symbol", ["#0", "#1", "#12", "<eps>", "<s>", "</s>", "<EPS>", "#nonterm:call"])
def test_symbols_of_kaldis_own_are_refused_as_words_and_phones(tmp_path, symbol):
    path = tmp_path / "lexicon.txt"
    path.write_text(f"行 h ang2\n{symbol} SIL\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_lexicon(path)
    assert (caught.value.line, caught.value.key) == (2, symbol)
    assert caught.value.message.startswith("is a symbol of Kaldi's own, not a word")
    path.write_text(f"行 h {symbol}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"lexicon\.txt:1: 行: '.+' is a symbol of Kaldi's own, not a phone"):
        read_lexicon(path)
    with pytest.raises(InputError, match="is a symbol of Kaldi's own"):
        check_words([(symbol, ("h",))], None)


def test_words_that_resemble_such_symbols_are_read(tmp_path):
    (tmp_path / "lexicon.txt").write_text("<SPN> SPN\n# h\n#a h\n<unk> SPN\n[NOISE] SPN\ns S\n", encoding="utf-8")
    assert len(read_lexicon(tmp_path / "lexicon.txt")) == 6


def test_unknown_phones_are_refused_by_name():
    with pytest.raises(InputError, match=r"^my\.txt: 走: has phones that are not in phones\.txt: zz, ou9"):
        check_phones([("行", ("h",)), ("走", ("zz", "ou9"))], "my.txt", ["h"])
