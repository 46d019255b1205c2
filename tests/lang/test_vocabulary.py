from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asr.errors import InputError
from asr.lang.lexicon import by_word
from asr.lang.settings import Settings
from asr.lang.units import WordUnits
from asr.lang.vocabulary import Vocabulary
from asr.lang.vocabulary import choose as choose_by_settings


def choose(units: str, sentences: list[str], more_words: Sequence[str] = (), **options: Any) -> Vocabulary:
    return choose_by_settings(Settings(Path("lang"), units=units, **options), sentences, more_words)


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text("我们 w o3 m en5\n知 zh i1\n知 zh i4\n道 d ao5\nG j i4\nloft l ou2\n", encoding="utf-8")
    return path


def test_characters_letters_and_a_language_models_words():
    chosen = choose("chars", ["我去KTV"], more_words=["<s>", "银行", "去"])
    assert [word for word, _ in chosen.lexicon[2:]] == ["K", "T", "V", "去", "我", "银行"]
    assert chosen.spelling == [] and chosen.model == b"" and chosen.unread == []


def test_own_words_and_the_characters_that_spell_them():
    chosen = choose("own", ["我们 去 KTV"])
    assert [word for word, _ in chosen.lexicon[2:]] == ["K", "KTV", "T", "V", "们", "去", "我", "我们"]
    assert chosen.spelling == ["K", "T", "V", "们", "去", "我"]
    assert by_word(chosen.lexicon)["我们"] == [("w", "o3", "m", "en5")]  # 们 is neutral in the word
    assert chosen.unread == []


def test_a_users_lexicon_is_completed_by_words_and_characters(mine):
    chosen = choose("own", ["我们 知道 LOFT G"], lexicon=mine, more_words=["银行"])
    table = by_word(chosen.lexicon)
    assert list(table)[:7] == ["<SIL>", "<SPN>", "我们", "知", "道", "G", "loft"]
    assert list(table)[7:] == ["F", "L", "O", "T", "们", "我", "知道"]  # without 银行, which is not in the text
    assert table["知道"] == [("zh", "i1", "d", "ao5")]  # the lexicon knows no ao4
    assert chosen.made["知道"] == "lexicon" and chosen.made["我"] == "pypinyin" and chosen.made["F"] == "letters"


def test_with_characters_only_those_that_longest_match_cannot_spell_are_added(mine):
    chosen = choose("chars", ["我们知道GOLOFT", "我们知道银行"], lexicon=mine)
    assert [word for word, _ in chosen.lexicon[8:]] == ["F", "L", "O", "T", "行", "行", "银"]
    words = WordUnits(by_word(chosen.lexicon))
    assert words.tokenise("我们知道GOLOFT银行") == ["我们", "知", "道", *"GOLOFT", "银", "行"]


def test_with_other_phones_a_word_is_spelled_by_the_lexicons_characters_or_is_noise(tmp_path):
    (tmp_path / "phones.txt").write_text("<eps> 0\nSIL 1\nSPN 2\njh 3\nii 4\nd 5\naw 6\nao1 7\n#0 8\n")
    (tmp_path / "my.txt").write_text("知 jh ii\n道 d aw\n", encoding="utf-8")
    chosen = choose("own", ["知道 国 知国 刀"], lexicon=tmp_path / "my.txt", phones=tmp_path / "phones.txt")
    table = by_word(chosen.lexicon)
    assert table["知道"] == [("jh", "ii", "d", "aw")] and chosen.made["知道"] == "lexicon"
    assert table["国"] == table["知国"] == [("SPN",)] and chosen.unread == ["国", "知国"]
    assert table["刀"] == [("d", "ao1")]


def test_pieces_and_all_characters_are_words():
    text = ["打开北京地图", "北京天气", "打开音乐", "北京地图KTV"] * 3
    chosen = choose("spm", text, vocab=15)
    words = {word for word, _ in chosen.lexicon[2:]}
    assert len(words) == 15 and set("打开北京地图天气音乐KTV") <= words
    assert chosen.spelling == sorted(words)
    units = chosen.units({word: number for number, word in enumerate(words)}, "<SPN>")
    assert "".join(units.tokenise(text[0])) == text[0]


def test_an_alignment_with_other_phones_is_refused(tmp_path):
    (tmp_path / "phones.txt").write_text("<eps> 0\nSIL 1\nSPN 2\nHH 3\n")
    with pytest.raises(InputError, match="lacks phones"):
        choose("own", ["我们"], phones=tmp_path / "phones.txt")
