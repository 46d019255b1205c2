"""Words that a language model lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.cli import main
from asr.errors import InputError
from asr.lang.units import WordUnits
from asr.lang.unreachable import UnreachableWords, words_in_grammar

WORDS = WordUnits(["今", "天", "好", "股", "票"])
ARPA = """\\data\\
ngram 1=6

\\1-grams:
-99\t<s>
-0.9\t</s>
-0.8\t今
-0.8\t天
-0.9\t气
-1.0\t犀

\\end\\
"""


def lang(options: str) -> int:
    return main(["lang", *options.split()])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("u1 今天天气好\nu2 股票投资大涨\n", encoding="utf-8")
    Path("dev").write_text("d1 股票投资\nd2 今天好\n", encoding="utf-8")
    Path("x.arpa").write_text(ARPA, encoding="utf-8")
    return tmp_path


def test_words_of_a_text_are_counted_by_occurrence_and_named(capsys):
    unreachable = UnreachableWords("x.arpa", ["今", "天", "<s>"])
    unreachable.check_text("dev", ["今天好股票股海"], WORDS)
    assert capsys.readouterr().err == (
        "warning: lang: 4 of 7 words of dev are not in x.arpa, so they can never be recognised: 股, 好, 票\n"
    )
    assert unreachable.facts == [
        {"what": "words of dev that the language model lacks", "count": 4, "of": 7, "first": ["股", "好", "票"]}
    ]
    unreachable.check_text("dev", ["今天"], WORDS)
    assert len(unreachable.facts) == 1 and capsys.readouterr().err == ""


def test_too_many_missing_words_are_refused():
    unreachable = UnreachableWords(Path("x.arpa"), ["今"])
    unreachable.check_text("dev", ["今今好"], WORDS, max_missing=0.34)
    with pytest.raises(InputError, match=r"^x\.arpa: 1 of 3 words of dev cannot be recognised: 1 are not in this"):
        unreachable.check_text("dev", ["今今好"], WORDS, max_missing=0.3)
    with pytest.raises(InputError, match=r"2 of 2 words of dev cannot be recognised: 1 .* \(好\), 1 not in words"):
        unreachable.check_text("dev", ["好海"], WORDS)


def test_at_most_five_words_are_named(capsys):
    unreachable = UnreachableWords("the language model", ["a"])
    unreachable.check_table(["<eps>", *"abcdefg", "<SPN>", "#0", "<s>"])
    said = capsys.readouterr().out
    assert said.startswith("lang: 6 of 7 words of words.txt are not in the language model")
    assert said.endswith(": b, c, d, e, f, ...\n")


def test_a_given_model_that_lacks_words_of_dev_and_train(here, capsys):
    assert lang("--text text --dev-text dev --arpa x.arpa --out lang") == 0
    error = capsys.readouterr().err
    assert "warning: lang: 7 of 11 words of the training text are not in x.arpa" in error
    assert "warning: lang: 5 of 7 words of dev are not in x.arpa, so they can never be recognised: 好, " in error
    facts = json.loads(Path("lang/lang.json").read_text(encoding="utf-8"))
    counts = {item["what"]: (item["count"], item["of"]) for item in facts["left_out"]}
    assert counts["words of dev that the language model lacks"] == (5, 7)
    assert counts["words of words.txt that the language model lacks"] == (7, 11)


def test_the_bound_is_a_setting(here, capsys):
    options = "--text text --dev-text dev --out lang --max-missing"
    assert lang(f"{options} 0.5 --arpa x.arpa") == 2
    assert "x.arpa: 5 of 7 words of dev cannot be recognised" in capsys.readouterr().err
    assert not Path("lang").exists()
    assert lang(f"{options} 2") == 2
    assert "--max-missing: '2' is more than 1" in capsys.readouterr().err


def test_words_of_the_model_that_the_lexicon_lacks(here, capsys):
    Path("lex").write_text("今 j in1\n天 t ian1\n气 q i4\n好 h ao3\n", encoding="utf-8")
    assert lang("--text text --lexicon lex --arpa x.arpa --out lang") == 0
    assert "1 of 4 words of x.arpa are not in the lexicon, so G has none of their n-grams: 犀" in (
        capsys.readouterr().err
    )


def test_a_given_directory_is_checked_too(here, capsys):
    assert lang("--text text --arpa x.arpa --out theirs") == 0
    capsys.readouterr()
    symbols = {"<eps>": 0, "#0": 99}
    assert words_in_grammar(Path("theirs/G.fst"), symbols) in ([], ["<eps>"])
    assert lang("--lang-dir theirs --dev-text dev --out lang") == 0
    assert "warning: lang: 5 of 7 words of dev are not in theirs/G.fst" in capsys.readouterr().err
    facts = json.loads(Path("lang/lang.json").read_text(encoding="utf-8"))
    assert facts["left_out"][0]["count"] == 5
