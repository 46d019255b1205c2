"""The sentences of recipes/mini: numbers as spoken, words and syllables covered, seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from repository import ROOT

from asr.corpus.transcript import normalise
from asr.lang.pronunciation import sentence_syllables

MINI = ROOT / "recipes" / "mini"
sys.path.insert(0, str(MINI))

import grammar  # noqa: E402
import phones  # noqa: E402
import plan  # noqa: E402
import spoken_numbers  # noqa: E402


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    source = grammar.SentenceGrammar("1 test of the grammar")
    return [source.sentence() for _ in range(3000)]


@pytest.mark.parametrize(
    ("number", "han"),
    [
        (0, "零"), (2, "二"), (10, "十"), (12, "十二"), (20, "二十"), (105, "一百零五"), (110, "一百一十"),
        (1005, "一千零五"), (1010, "一千零一十"), (2000, "两千"), (2222, "两千二百二十二"), (10000, "一万"),
        (12030, "一万二千零三十"), (20005, "两万零五"), (100000, "十万"), (10010000, "一千零一万"),
        (30200, "三万零二百"),
    ],
)  # fmt: skip
def test_numbers_are_spoken(number, han):
    assert spoken_numbers.spoken(number) == han


def test_every_name_in_the_phrases_is_defined():
    words, phrases = grammar.read_words(), grammar.read_phrases()
    known = set(words) | set(phrases) | set(spoken_numbers.MAKERS) | {"name"}
    used = {item[1:-1] for rule in phrases.values() for way in rule for item in way if item.startswith("{")}
    assert used <= known
    assert set(words) | set(phrases) <= used | {"sentence", "given"}, "a list that no phrase uses"
    for name, items in words.items():
        assert [word for word, count in Counter(items).items() if count > 1] == [], f"twice in {name}"


def test_words_and_characters_are_many(sentences):
    listed = {word for name, items in grammar.read_words().items() if name != "given" for word in items}
    printed = {word for sentence in sentences for word in sentence}
    assert len(listed & printed) >= 2000  # what 3 hours say, without names and numbers
    assert len(set("".join(grammar.written(sentence) for sentence in sentences))) >= 1500


def test_common_syllables_occur_in_all_their_tones(sentences):
    """Common syllables are the first readings of the 3,755 characters of GB 2312's first level."""
    common = set()
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            code = bytes([row, cell])
            if row == 0xD7 and cell > 0xF9:
                continue  # the last five places are empty
            common.update(sentence_syllables(code.decode("gb2312")))
    assert len(common) > 1100
    listed = {word for items in grammar.read_words().values() for word in items}
    listed |= {item for rule in grammar.read_phrases().values() for way in rule for item in way if item[0] != "{"}
    have = {syllable for word in listed for syllable in sentence_syllables(word)}
    assert common - have <= {"le1", "li1", "liao1"}  # no word reads 肋, 哩, 撩 like this in context
    printed = {syllable for sentence in sentences for syllable in sentence_syllables(grammar.written(sentence))}
    assert len(common & printed) >= 0.98 * len(common)


def test_sentences_are_transcripts(sentences):
    for words in sentences[:500]:
        text = grammar.written(words)
        assert normalise(text) == text
        assert grammar.SHORTEST <= len(text) <= grammar.LONGEST
        assert grammar.PAUSE not in (words[0], words[-1])
        sentence = plan.read_aloud(words)
        assert sentence is not None
        assert [s for word in sentence.words for s in word] == sentence_syllables(text)
        assert all(map(phones.can_say, sentence_syllables(text)))


def test_sentences_do_not_run_out(sentences):
    assert len({grammar.written(words) for words in sentences}) > 0.98 * len(sentences)


def test_seed_decides_whatever_the_hash_seed():
    code = "import grammar; g = grammar.SentenceGrammar('7'); print([g.sentence() for _ in range(20)])"
    outputs = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(MINI)}
        outputs.append(subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True))
    assert outputs[0].stdout == outputs[1].stdout
    assert outputs[0].stdout != str([grammar.SentenceGrammar("8").sentence() for _ in range(20)]).encode()
