"""Times of words and phones: of Kaldi's alignments, by hand, and unknown ones."""

import gzip
import itertools
import shutil
from collections import Counter

import numpy as np
import pytest

from asr.decoding.lattices.timing import Timing
from asr.errors import InputError
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_table


@pytest.fixture(scope="module")
def kaldi_timing(kaldi_sample, tmp_path_factory) -> Timing:
    folder = tmp_path_factory.mktemp("timed_graph")
    for name in ("phones.txt", "lexicon.txt"):
        shutil.copy(kaldi_sample / "lang" / name, folder / name)
    (folder / "phones").mkdir()
    shutil.copy(kaldi_sample / "lang/phones/optional_silence.txt", folder / "phones/optional_silence.txt")
    return Timing.read(folder, kaldi_sample / "tri1_ali" / "final.mdl")


def test_words_of_real_paths_cover_all_frames_but_silence(kaldi_sample, kaldi_timing):
    """Ten utterances decoded by Kaldi: each frame belongs to one word or to silence, and each word has its phones."""
    words, tids = (read_table(kaldi_sample / "search" / name) for name in ("words.txt", "tids.txt"))
    assert len(words) == 10
    for utterance, text in words.items():
        row = np.array(tids[utterance].split(), int)
        phone_of_frame = [kaldi_timing.phones[number] for number in kaldi_timing.model.tid_to_phone[row]]
        found = kaldi_timing.words(row, text.split())
        assert [word for word, _, _ in found] == text.split()
        taken = Counter(frame for _, first, frames in found for frame in range(first, first + frames))
        assert set(taken.values()) == {1}
        silent = {frame for frame, phone in enumerate(phone_of_frame) if phone == "SIL"}
        assert set(taken) | silent == set(range(len(row))) and not set(taken) & silent
        for word, first, frames in found:
            here = phone_of_frame[first : first + frames]
            runs = tuple(phone for place, phone in enumerate(here) if place == 0 or here[place - 1] != phone)
            assert runs in kaldi_timing.lexicon[word]


def test_phones_of_real_alignments_are_kaldis(kaldi_sample, kaldi_timing):
    """Compares with ali-to-phones --ctm-output, frame shift 0.01 s, for the first twenty alignments."""
    path = kaldi_sample / "tri1_ali" / "expected_phones.ctm.gz"
    expected: dict[str, list[tuple[str, int, int]]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        utterance, _, start, duration, phone = line.split()
        row = kaldi_timing.phones[int(phone)], round(float(start) * 100), round(float(duration) * 100)
        expected.setdefault(utterance, []).append(row)
    alignments = itertools.islice(read_int_vectors(kaldi_sample / "tri1_ali" / "ali.1.gz"), 20)
    compared = [kaldi_timing.phones_of(tids) == expected[utterance] for utterance, tids in alignments]
    assert compared == [True] * 20


# ---------------------------------------------------------------- by hand


@pytest.fixture
def toy(toy_model, tmp_path):
    """Return a function that writes phones.txt and a lexicon, and returns (timing, function from phones to tids)."""
    model = read_transition_model(toy_model / "final.mdl")

    def make(lexicon: str | None, phones: str = "<eps> 0\nSIL 1\na 2\nb 3\n"):
        (tmp_path / "phones.txt").write_text(phones)
        if lexicon is not None:
            (tmp_path / "lexicon.txt").write_text(lexicon, "utf-8")

        def row(*parts):
            return np.concatenate([model.phone_path(phone, frames) for phone, frames in parts])

        return Timing.read(tmp_path, toy_model / "final.mdl"), row

    return make


SIL, A, B = 1, 2, 3
LEXICON = "甲 a\n乙 b\n丙 a b\n丁 SIL a\n"


def test_times_by_hand(toy):
    timing, row = toy(LEXICON)
    tids = row((SIL, 6), (A, 3), (B, 5), (SIL, 7), (B, 4))
    assert timing.phones_of(tids) == [("SIL", 0, 6), ("a", 6, 3), ("b", 9, 5), ("SIL", 14, 7), ("b", 21, 4)]
    assert timing.words(tids, ["丙", "乙"]) == [("丙", 6, 8), ("乙", 21, 4)]
    assert timing.words(tids, ["甲", "乙", "乙"]) == [("甲", 6, 3), ("乙", 9, 5), ("乙", 21, 4)]
    assert timing.words(tids, ["丁", "乙", "乙"]) == [("丁", 0, 9), ("乙", 9, 5), ("乙", 21, 4)]


def test_silence_as_a_word_has_times_too(toy):
    timing, row = toy(LEXICON)
    assert timing.words(row((SIL, 6), (A, 3)), ["<SIL>", "甲"]) == [("<SIL>", 0, 6), ("甲", 6, 3)]


def test_a_path_without_words(toy):
    timing, row = toy(LEXICON)
    assert timing.words(row((SIL, 6)), []) == []
    assert timing.words(np.zeros(0, int), []) == []
    assert timing.words(np.zeros(0, int), ["甲"]) is None


def test_phones_may_be_marked_with_their_place_in_the_word(toy):
    marked = "<eps> 0\nSIL 1\na_B 2\nb_E 3\n"
    timing, row = toy(LEXICON, marked)
    assert timing.phones_of(row((A, 3), (B, 3))) == [("a_B", 0, 3), ("b_E", 3, 3)]
    assert timing.words(row((A, 3), (B, 3)), ["丙"]) == [("丙", 0, 6)]
    timing, row = toy("丙 a_B b_E\n", marked)
    assert timing.words(row((A, 3), (B, 3)), ["丙"]) == [("丙", 0, 6)]


def test_no_times_without_a_lexicon_or_for_words_that_do_not_fit(toy):
    timing, row = toy(None)
    tids = row((A, 3), (B, 3))
    assert timing.words(tids, ["丙"]) is None
    assert timing.phones_of(tids) == [("a", 0, 3), ("b", 3, 3)]
    timing, row = toy(LEXICON)
    for words in (["戊"], ["丙", "丙"], ["甲"], ["乙", "甲"], []):
        assert timing.words(tids, words) is None


def test_no_times_for_a_path_that_was_cut_within_a_phone(toy):
    timing, row = toy(LEXICON)
    whole = row((A, 3), (B, 3))
    for length in (1, 2, 4, 5):
        assert timing.phones_of(whole[:length]) == []
        assert timing.words(whole[:length], ["丙"]) is None
    assert timing.words(whole[:3], ["甲"]) == [("甲", 0, 3)]


def test_phones_without_names_are_numbers(toy_model, tmp_path, toy):
    _, row = toy(None)
    (tmp_path / "phones.txt").unlink()
    timing = Timing.read(tmp_path, toy_model / "final.mdl")
    assert timing.phones_of(row((A, 3))) == [("2", 0, 3)]


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"final\.mdl: no such file"):
        Timing.read(tmp_path, tmp_path / "final.mdl")
