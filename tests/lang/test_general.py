import json
import sys
from pathlib import Path

import pytest

from asr.cli import main
from asr.lang import word_frequencies
from asr.lang.arpa import read_arpa
from asr.lang.general import FittingText
from asr.lang.lexicon import by_word, read_lexicon
from asr.lang.word_frequencies import chinese_words, common_characters

WORDS = {"我们": 0.3, "去": 0.2, "长江": 0.1, "犀牛": 0.2, "看": 0.2, "银行": 0.1, "蘅": 1e-9, "㗎": 0.1}
SENTENCES = ["我们去银行", "去银行看长江", "我们看长江", "我去银行看我们", "长江行"] * 12


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("".join(f"u{n} {line}\n" for n, line in enumerate(SENTENCES)), encoding="utf-8")
    dev = ["我们去看犀牛", "犀牛去长江", "犀牛看银行", "看犀牛", "我们去犀牛"] * 9
    Path("dev").write_text("".join(f"v{n} {line}\n" for n, line in enumerate(dev)), encoding="utf-8")
    monkeypatch.setattr(word_frequencies, "chinese_words", lambda: WORDS)
    return tmp_path


@pytest.fixture
def no_wordfreq(here, monkeypatch):
    monkeypatch.setattr(word_frequencies, "chinese_words", chinese_words)
    monkeypatch.setitem(sys.modules, "wordfreq", None)


def lang(options):
    return main(["lang", "--out", "lang", *options.split()])


def facts():
    return json.loads(Path("lang/lang.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("units", ["chars", "spm", "own"])
def test_words_that_the_transcripts_lack_can_be_recognised(here, capsys, units):
    assert lang(f"--text text --dev-text dev --units {units} --general-prune 0") == 0
    said = capsys.readouterr().out
    assert (
        f"lang: general: 6 words of {word_frequencies.version()}: weight 0." in said and "(mean; best on dev)" in said
    )
    lexicon = by_word(read_lexicon("lang/lexicon.txt"))
    assert lexicon["犀"] == [("x", "i1")] and lexicon["牛"] == [("n", "iu2")]
    assert "蘅" not in lexicon and "㗎" not in lexicon  # too rare; no reading
    model = read_arpa("lang/lm.arpa")
    grams = {" ".join(model.words[unit] for unit in gram) for gram in model.tokens(2).tolist()}
    assert {"犀 牛", "<s> 犀"} <= grams
    found = facts()
    assert found["dev"]["unknown"] == 0 and found["general"]["fitted_to"] == "dev" and found["general"]["words"] == 6
    perplexity = found["general"]["perplexity_of_known_words"]
    assert perplexity["mixed"] < perplexity["alone"] and 0 < found["general"]["weight_of_the_transcripts"] < 1


def test_the_lexicon_of_the_user_decides_which_characters_are_words(here):
    Path("my.txt").write_text("我 w o3\n们 m en5\n看 k an4\n", encoding="utf-8")
    assert lang("--text text --dev-text dev --lexicon my.txt") == 0
    assert not {"犀", "牛"} & set(by_word(read_lexicon("lang/lexicon.txt")))
    assert facts()["general"]["words"] == 5 and not {"犀", "牛"} & set(read_arpa("lang/lm.arpa").words)


def test_words_that_do_not_help_are_left_out(here, capsys):
    assert lang("--text text --dev-text text") == 0
    said = capsys.readouterr().out
    assert "lang: general word frequencies are left out: the perplexity per character of dev is" in said
    assert facts()["general"] == {} and "犀" not in read_arpa("lang/lm.arpa").words
    made = Path("lang/G.fst").read_bytes()
    assert lang("--text text --dev-text text --general none") == 0
    assert Path("lang/G.fst").read_bytes() == made
    assert lang("--text text --dev-text text --general wordfreq") == 0
    assert facts()["general"]["weight_of_the_transcripts"] > 0.9 and "犀" in read_arpa("lang/lm.arpa").words


def test_without_dev_the_weight_is_that_of_held_out_transcripts(here, capsys):
    assert lang("--text text --general wordfreq") == 0
    assert "best on a tenth of the transcripts" in capsys.readouterr().out
    assert "perplexity_of_known_words" not in facts()["general"]


def test_a_dev_text_that_is_too_small_is_said(here, capsys):
    """Nine characters of dev; the tenth of the sixty sentences is 我们去银行 six times."""
    Path("small").write_text("v1 我们去银行\nv2 看犀牛去\n", encoding="utf-8")
    assert lang("--text text --dev-text small --general wordfreq") == 0
    line = "lang: general: dev has 9 words, too few to fit weights to (at least 200): fitted to a tenth of the "
    assert f"{line}transcripts, 30 words\n" in capsys.readouterr().out
    assert facts()["general"]["fitted_to"] == "a tenth of the transcripts"
    assert lang("--text text --dev-text dev --general wordfreq") == 0
    assert "too few to fit" not in capsys.readouterr().out


def test_a_fitting_text_has_enough_words():
    text, short, long = [["a"] * 30] * 100, [["b"]], [["b"] * 200]
    assert FittingText.of(text, long) == FittingText("dev", long, text)
    held = FittingText.of(text, short)
    assert (len(held.sentences), len(held.rest)) == (10, 90) and held.large_enough
    assert not FittingText.of(text[:60], short).large_enough


def test_a_small_text_or_the_setting_needs_no_package(no_wordfreq, capsys):
    assert lang("--text text --dev-text dev --general none") == 0
    Path("small").write_text("u 我们去银行\n", encoding="utf-8")
    assert lang("--text small") == 0
    Path("my.arpa").write_text(
        "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<s>\n-0.5\t</s>\n-0.4\t去\n\n\\end\\\n", "utf-8"
    )
    assert lang("--text text --dev-text dev --arpa my.arpa") == 0
    capsys.readouterr()
    assert lang("--text text --dev-text dev") == 2
    error = capsys.readouterr().err
    assert "needs the package wordfreq" in error and "pass --general none" in error and error.count("\n") == 1


@pytest.mark.parametrize("other", ["--text text --arpa my.arpa", "--lang-dir theirs"])
def test_a_given_model_is_not_mixed(here, capsys, other):
    assert lang(f"{other} --general wordfreq") == 2
    assert "it excludes --lang-dir and --arpa" in capsys.readouterr().err


def test_the_words_of_the_package():
    words = chinese_words()
    assert len(words) > 290_000 and words["的"] == pytest.approx(0.06166, rel=1e-3) and words["我们"] > words["犀牛"]
    frequent = common_characters(words)
    assert {"犀", "牛", "的"} <= set(frequent) and 5_000 < len(frequent) < 8_000 and frequent == sorted(frequent)
