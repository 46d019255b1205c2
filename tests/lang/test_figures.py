import math

import pytest

from asr.lang.figures import characters_scored, dev_figures, write_oov_counts
from asr.lang.kneser_ney import estimate
from asr.lang.ngram import perplexity
from asr.lang.units import WordUnits

WORDS = WordUnits(["银行", "我", "去", "KTV", "K"])


def test_unknown_and_added_words_are_counted_by_frequency(tmp_path, capsys):
    write_oov_counts(
        tmp_path / "oov", WORDS, ["我 去 KTV", "淮海", "去 银行"], ["淮", "KTV", "GB"], {"KTV": "letters"}
    )
    assert (tmp_path / "oov").read_text(encoding="utf-8") == "KTV 2 letters\n淮 2 noise\nGB 1 noise\n海 1 noise\n"
    assert capsys.readouterr().out == "lang: 2 words of the training text are not in words.txt; see oov\n"


def test_perplexity_per_word_and_per_character(capsys):
    tokens = [["我", "去", "银行"], ["我", "去", "KTV"]]
    model = estimate(tokens, 2)
    assert characters_scored(tokens, model) == 4 + 5 + 2
    figures = dev_figures(["我去银行", "我去KTV"], WORDS, model)
    logp = perplexity(model, tokens).log_probability
    assert figures["perplexity"] == pytest.approx(math.exp(-logp / 8), abs=1e-3)
    assert figures["perplexity_a_character"] == pytest.approx(math.exp(-logp / 11), abs=1e-3)
    said = capsys.readouterr().out
    assert " over 8 words and sentence ends, " in said and said.endswith(" over 11 characters and sentence ends\n")


def test_unknown_words_are_not_scored():
    model = estimate([["我", "<SPN>"]], 1)
    assert characters_scored([["我", "银行", "<SPN>"]], model) == 1 + 1 + 1
    assert dev_figures([], WORDS, model) == {}
    assert dev_figures(["我海"], WORDS, None) == {"sentences": 1, "words": 2, "unknown": 1}
