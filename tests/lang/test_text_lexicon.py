from asr.lang.lexicon import Lexicon
from asr.lang.pronunciation import syllable_phones
from asr.lang.text_lexicon import LETTER_NAMES, text_lexicon
from asr.tables import read_symbols


def sounds(lexicon: Lexicon, word: str) -> list[str]:
    return [" ".join(phones) for entry, phones in lexicon if entry == word]


def test_the_reading_in_the_text_comes_first():
    lexicon, how = text_lexicon(["银行行长", "行走", "中国"], "银行长走中国")
    assert set(how.values()) == {"pypinyin"}
    assert sounds(lexicon, "行") == ["h ang2", "x ing2"]  # twice bank, once to walk
    assert sounds(lexicon, "长") == ["zh ang3", "ch ang2"]  # the other reading is common elsewhere
    assert sounds(lexicon, "国") == ["g uo2"]


def test_the_number_of_pronunciations_is_bounded():
    lexicon, _ = text_lexicon(["银行行长", "行走"], "行", most=1)
    assert sounds(lexicon, "行") == ["h ang2"]


def test_order_specials_letters_digits_and_unreadable_characters():
    lexicon, how = text_lexicon(["我爱KTV", "2Ł"], ["我", "爱", "K", "T", "V", "2", "Ł"])
    assert lexicon[:2] == [("<SIL>", ("SIL",)), ("<SPN>", ("SPN",))]
    assert [word for word, _ in lexicon[2:]] == ["2", "K", "T", "V", "Ł", "我", "爱"]
    assert sounds(lexicon, "2") == ["er4"]
    assert sounds(lexicon, "K") == ["k ei4"]
    assert sounds(lexicon, "Ł") == ["SPN"] and [word for word in how if how[word] == "noise"] == ["Ł"]
    noisy, how = text_lexicon([], ["K", "我", "KTV"], letters="noise")
    assert sounds(noisy, "K") == sounds(noisy, "KTV") == ["SPN"] and how["K"] == "letters"


def test_words_of_several_characters_are_read_as_a_whole():
    lexicon, how = text_lexicon([], ["银行", "KTV", "OK绷", "12", "\U0002cea0\U0002cea0国"])
    assert sounds(lexicon, "银行") == ["y in2 h ang2"]
    assert sounds(lexicon, "KTV") == ["k ei4 t i4 w ei1"]
    assert sounds(lexicon, "OK绷") == ["ou1 k ei4 b eng1"]
    assert sounds(lexicon, "12") == ["y i1 er4"]
    assert sounds(lexicon, "\U0002cea0\U0002cea0国") == ["SPN g uo2"]  # one noise for adjacent unreadable characters
    assert list(how.values()) == ["pypinyin", "letters", "pypinyin", "pypinyin", "noise"]


def test_a_word_has_the_readings_of_its_sentences_and_its_own():
    def split(sentence):
        return sentence.split("|")

    lexicon, _ = text_lexicon(["去|银行|存款", "银行|长"], ["银行", "存款"], split=split)
    assert sounds(lexicon, "银行") == ["y in2 h ang2"] and sounds(lexicon, "存款") == ["c un2 k uan3"]
    # no word of the dictionary: as in its sentences first, then by itself
    lexicon, _ = text_lexicon([], ["行大"], split=split)
    assert sounds(lexicon, "行大") == ["x ing2 d a4"]
    lexicon, _ = text_lexicon(["银|行大"] * 2, ["行大"], split=split)
    assert sounds(lexicon, "行大") == ["h ang2 d a4", "x ing2 d a4"]
    # a word of the dictionary, of which pypinyin makes 进 行业 务: by itself first
    lexicon, _ = text_lexicon(["进行|业务"], ["进行"], split=split)
    assert sounds(lexicon, "进行") == ["j in4 x ing2", "j in4 h ang2"]
    lexicon, _ = text_lexicon(["进行|业务", *["进行|了"] * 10], ["进行"], split=split)
    assert sounds(lexicon, "进行") == ["j in4 x ing2"]  # once in eleven is an error


def test_characters_of_a_users_lexicon_keep_their_pronunciations():
    given = {"知": [("zh", "ix1")], "道": [("d", "ao4"), ("d", "ao5")], "K": [("k", "ey")]}
    lexicon, how = text_lexicon([], ["知道", "道路", "知己", "K歌"], given=given)
    assert sounds(lexicon, "知道") == ["zh ix1 d ao4"] and how["知道"] == "lexicon"
    assert sounds(lexicon, "道路") == ["d ao4 l u4"] and how["道路"] == "pypinyin"
    assert sounds(lexicon, "K歌") == ["k ey g e1"] and how["K歌"] == "lexicon"
    several, _ = text_lexicon([], ["行"], given={"行": [("h", "ng2"), ("x", "ng2")]})
    assert sounds(several, "行") == [
        "x ing2",
        "h ang2",
    ]  # single characters ignore `given`
    several, _ = text_lexicon([], ["行行"], given={"行": [("h", "ng2"), ("x", "ng2")]}, most=3)
    assert sounds(several, "行行") == ["h ng2 h ng2", "h ng2 x ng2", "x ng2 h ng2"]


def test_letter_names_have_only_phones_that_a_small_corpus_has(kaldi_sample):
    known = set(read_symbols(kaldi_sample / "lang/phones.txt"))
    assert "".join(LETTER_NAMES) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for names in LETTER_NAMES.values():
        assert known.issuperset(phone for name in names.split() for phone in syllable_phones(name))
