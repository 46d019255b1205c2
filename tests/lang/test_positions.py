"""Position-dependent phones: marks, a lang directory by Kaldi's rules, and alignments."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kaldi_rules import lang_faults, rows

from asr.alignment.gmm.questions import parts
from asr.alignment.monophone import write_monophone_alignments
from asr.alignment.training_graph import GraphCompiler
from asr.cli import main
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree
from asr.lang.positions import has_positions, plain, positioned, pronounceable
from asr.lang.pronunciation import ALL_PHONES, SILENCE_PHONES
from asr.lang.word_alignment import align_lexicon, word_boundaries
from asr.tables import read_symbols, write_table

MARKED = [f"{phone}{mark}" for phone in SILENCE_PHONES for mark in ("", "_B", "_E", "_I", "_S")]
MARKED += [f"{phone}_{mark}" for phone in ALL_PHONES for mark in "BEIS"]
TEXTS = {"s-1": "好人", "s-2": "人好好", "t-1": "饿"}
SAID = {"s-1": "h_B ao3_E r_B en2_E", "s-2": "SIL r_B en2_E h_B ao3_E SIL h_B ao3_E", "t-1": "SIL e4_S SIL"}


def run(verb, **options):
    argv = [item for name, value in options.items() for item in ("--" + name.replace("_", "-"), str(value))]
    assert main([verb, *argv]) == 0


def test_marks():
    assert [plain(phone) for phone in ("ao3_E", "SIL", "a_b", "x_BB", "n_S")] == ["ao3", "SIL", "a_b", "x_BB", "n"]
    assert has_positions(MARKED) and has_positions({"<eps>", "#0", *MARKED})
    assert not has_positions(["<eps>", "SIL", "SPN", "a", "b_B", "#0"]) and not has_positions([])
    assert pronounceable(["<eps>", "SIL", "a"]) == {"<eps>", "SIL", "a"}
    table = ["SIL", "SIL_S", *(f"{phone}_{mark}" for phone in "ab" for mark in "BEIS"), "c_B"]
    assert pronounceable(table) == {"SIL", "a", "b"}
    lexicon = [("one", ("a",)), ("two", ("a", "b")), ("four", ("a", "b", "b", "a")), ("<SIL>", ("SIL",))]
    marked = [" ".join(phones) for _, phones in positioned(lexicon, table)]
    assert marked == ["a_S", "a_B b_E", "a_B b_I b_I a_E", "SIL_S"]
    assert positioned([("x", ("c",))], table) == [("x", ("c",))]
    assert parts("ang4_E") == ("ang", "4")


def test_files_by_which_kaldi_aligns_words():
    kinds = {"SIL": "nonword", "SIL_S": "singleton", "a_B": "begin", "a_I": "internal"}
    assert word_boundaries(kinds) == kinds
    table = align_lexicon([("好", ("h", "ao3")), ("A", ("ei1",)), ("好", ("h", "ao4"))], "SIL")
    assert [" ".join(row) for row in table] == ["<eps> <eps> SIL", "A A ei1", "好 好 h ao3", "好 好 h ao4"]


@pytest.fixture
def aligned(tmp_path):
    """An alignment directory over MARKED as Kaldi's phones, and its training set."""
    numbers = {phone: number for number, phone in enumerate(MARKED, 1)}
    spoken = {key: [(numbers[phone], 6) for phone in said.split()] for key, said in SAID.items()}
    silence = [phone for phone in MARKED if plain(phone) in SILENCE_PHONES]
    write_monophone_alignments(tmp_path / "theirs", MARKED, silence, spoken, 99)
    write_table(tmp_path / "train/text", TEXTS)
    write_table(tmp_path / "train/utt2spk", {key: key[0] for key in TEXTS})
    write_table(tmp_path / "train/utt2num_frames", {key: str(6 * len(row)) for key, row in spoken.items()})
    return tmp_path


def test_from_the_alignment_to_the_graph(aligned):
    """`--ali-dir` without `--lang-dir`: the lang directory is made from its phone table."""
    theirs, lang = aligned / "theirs", aligned / "lang"
    run("lang", text=aligned / "train/text", phones=theirs / "phones.txt", out=lang)
    assert lang_faults(lang) == []
    table = read_symbols(lang / "phones.txt")
    assert {name: table[name] for name in MARKED} == {name: number for number, name in enumerate(MARKED, 1)}
    assert ["好", "h", "ao3"] in rows(lang / "lexicon.txt")
    assert ["好", "好", "h_B", "ao3_E"] in rows(lang / "phones/align_lexicon.txt")
    assert ["e4_S", "singleton"] in rows(lang / "phones/word_boundary.txt")

    run("align", ali_dir=theirs, train_data=aligned / "train", lang=lang, out=aligned / "ali")
    assert json.loads((aligned / "ali/coverage.json").read_text())["train"]["accepted"] == 3
    model = read_transition_model(aligned / "ali/final.mdl")
    names = {number: name for name, number in table.items()}
    found = {key: [names[phone] for phone, _, _ in to_phones(row, model)] for key, row in read_alignments(theirs)}
    assert {key: " ".join(phones) for key, phones in found.items()} == SAID

    out = aligned / "words.ctm"
    run("export", ali_dir=aligned / "ali", text=aligned / "train/text", lang=lang, level="words", out=out)
    assert [row[4] for row in rows(out)] == ["好", "人", "人", "好", "好", "饿"]

    run("graph", lang=lang, model_dir=aligned / "ali", out=aligned / "graph")
    for name in ("word_boundary.int", "align_lexicon.int", "silence.csl", "disambig.int", "optional_silence.int"):
        assert (aligned / "graph/phones" / name).read_bytes() == (lang / "phones" / name).read_bytes()


def test_alignment_graphs_have_marked_phones(aligned):
    """L.fst has the phones of a word's length: a new alignment has begin, end and single phones."""
    theirs, lang = aligned / "theirs", aligned / "lang"
    run("lang", text=aligned / "train/text", phones=theirs / "phones.txt", out=lang)
    model, words = read_transition_model(theirs / "final.mdl"), read_symbols(lang / "words.txt")
    compiler = GraphCompiler(read_tree(theirs / "tree"), model, lang / "L.fst")
    graph = compiler.compile([words["好"], words["饿"]])
    names = {number: name for name, number in read_symbols(lang / "phones.txt").items()}
    heard = {names[number] for number in np.unique(model.tid_to_phone[graph.tids])}
    assert {"h_B", "ao3_E", "e4_S", "SIL"} <= heard and not {"h_S", "ao3_I", "e4_B"} & heard


def test_own_phones_pass_kaldis_rules_too(aligned):
    run("lang", text=aligned / "train/text", out=aligned / "plain")
    assert lang_faults(aligned / "plain") == []
    assert not (aligned / "plain/phones/word_boundary.txt").exists()


def test_kaldis_own_lang_passes_the_rules(kaldi_sample):
    assert lang_faults(kaldi_sample / "lang") == []
