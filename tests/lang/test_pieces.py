import itertools
import math

import pytest

from asr.errors import InputError
from asr.lang.pieces import MOST_CHARACTERS, PieceUnits, pieces_of, train, units_of
from asr.lang.units import WordUnits

WORDS = ["打开", "北京", "地图", "天气", "音乐", "我们", "听", "去", "人民代表大会", "银行"]
TEXT = ["".join(words) for words in itertools.permutations(WORDS, 3)] + ["北京KTV", "打开 LET IT GO"] * 3
HAN = set("".join(WORDS))
LETTERS = set("KTVLEIGO")


@pytest.fixture(scope="module")
def model():
    return train(TEXT, 38)


def test_the_vocabulary_has_the_requested_size_and_every_character(model):
    pieces = pieces_of(model)
    assert len(pieces) + len(LETTERS) == 38
    assert set(pieces) >= HAN and len(set(pieces)) == len(pieces)


def test_a_piece_is_up_to_four_characters_without_letters_and_spaces(model):
    every = pieces_of(train(TEXT, 1000))
    assert MOST_CHARACTERS == 4 == max(map(len, every))
    assert all(set(piece) <= HAN for piece in every)


def test_characters_that_always_occur_together_are_a_piece(model):
    assert {"北京", "打开", "地图", "代表大会"} <= set(pieces_of(model))


def test_a_vocabulary_larger_than_the_text_yields_is_reported(capsys):
    model = train(TEXT, 5000)
    got = len(pieces_of(model)) + len(LETTERS)
    assert 38 < got < 200
    assert capsys.readouterr().out == f"lang: the text yields {got} words, fewer than --vocab 5000\n"


def test_the_same_text_makes_the_same_bytes(model):
    assert train(list(TEXT), 38) == model


def test_without_a_number_there_are_a_tenth_more_words_than_characters():
    assert len(pieces_of(train(TEXT, 0))) + len(LETTERS) == (len(HAN) + len(LETTERS)) * 11 // 10


def test_a_long_line_is_not_dropped():
    assert "江" in pieces_of(train([*TEXT, "打开北京地图" * 2000 + "江"], 0))


@pytest.mark.parametrize(
    ("text", "vocabulary", "complaint"),
    [
        (TEXT, 5, r"--vocab 5 is too small: the text's 30 different characters and letters are all words"),
        (["KTV"], 0, "the text has no Han characters"),
    ],
)
def test_impossible_requests_are_refused(text, vocabulary, complaint):
    with pytest.raises(InputError, match=complaint):
        train(text, vocabulary)


def best_split(run, score):
    """Return the most probable of all splits of `run`, as (log probability, pieces)."""
    ways = []
    for cuts in itertools.product([False, True], repeat=len(run) - 1):
        places = [0, *(at for at, cut in enumerate(cuts, 1) if cut), len(run)]
        pieces = [run[a:b] for a, b in itertools.pairwise(places)]
        if all(piece in score for piece in pieces):
            ways.append((sum(score[piece] for piece in pieces), pieces))
    return max(ways)


def test_a_sentence_is_cut_by_the_most_probable_split(model):
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_proto=model)
    score = {processor.id_to_piece(n): processor.get_score(n) for n in range(1, len(processor))}
    units = PieceUnits([*score, *LETTERS], model=model)
    for run in ("打开北京天气地图", "人民北京代表大会", "听音乐去开会"):
        probability, pieces = best_split(run, score)
        words = units.tokenise(run)
        assert math.isclose(sum(score[word] for word in words), probability, abs_tol=1e-4)
        assert "".join(words) == "".join(pieces)


def test_unknown_runs_are_spelled_or_unknown(model):
    units = PieceUnits([*pieces_of(model), *LETTERS, "江"], "<UNK>", model=model)
    assert units.tokenise("淮江北京GO") == ["<UNK>", "江", "北京", "G", "O"]
    assert units.tokenise("打开GB 北 京") == ["打开", "<UNK>", "北", "京"]  # B is unknown; a space ends a word
    assert units.surfaces("淮江北京GB") == ["淮", "江", "北京", "GB"]
    assert units.tokenise("") == []


def test_a_lang_directory_splits_text_by_its_model_or_by_longest_match(model, tmp_path):
    symbols = {word: number for number, word in enumerate(["<SPN>", *pieces_of(model), "北京地图"])}
    assert type(units_of(tmp_path, symbols, "<SPN>")) is WordUnits
    assert units_of(tmp_path, symbols, "<SPN>").tokenise("北京地图") == ["北京地图"]
    (tmp_path / "pieces.model").write_bytes(model)
    assert "北京地图" not in pieces_of(model)
    assert units_of(tmp_path, symbols, "<SPN>").tokenise("北京地图")[0] == "北京"
    (tmp_path / "pieces.model").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"pieces\.model: is not a sentencepiece model"):
        units_of(tmp_path, symbols, "<SPN>")
