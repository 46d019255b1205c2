"""`asr align` with what other aligners leave: phone times and pdf-ids, as far as training on them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asr.acoustic.model import AcousticModel
from asr.alignment.formats.pdf_text import write_pdfs
from asr.cli import main
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.transition_model import read_transition_model
from asr.tables import read_table

CTM = """\
s1-a 1 0.00 0.10 SIL
s1-a 1 0.10 0.05 b
s1-a 1 0.15 0.12 a1
s1-b 1 0.00 0.06 zh
s1-b 1 0.06 0.09 a1
s1-x 1 0.00 0.09 zh
"""


@pytest.fixture
def sets(tmp_path):
    """train (27 and 15 frames), and a lang directory with nothing but phones."""
    for name, text in (
        ("train/utt2num_frames", "s1-a 27\ns1-b 15\n"),
        ("lang/phones.txt", "<eps> 0\nSIL 1\nSPN 2\na1 3\nb 4\nzh 5\n#0 6\n"),
        ("lang/phones/silence.txt", "SIL\nSPN\n"),
        ("lang/phones/optional_silence.txt", "SIL\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def align(folder, source, *more):
    options = ["--ali-dir", source, "--train-data", folder / "train", "--out", folder / "ali"]
    return main(["align", *map(str, options), *map(str, more)])


def phones(folder):
    model = read_transition_model(folder / "final.mdl")
    return {key: to_phones(row, model) for key, row in read_alignments(folder, model)}


def test_a_ctm_becomes_a_monophone_system(sets, capsys):
    (sets / "phones.ctm").write_text(CTM)
    assert align(sets, sets / "phones.ctm", "--lang", sets / "lang") == 0
    assert phones(sets / "ali") == {"s1-a": [(1, 0, 10), (4, 10, 5), (3, 15, 12)], "s1-b": [(5, 0, 6), (3, 6, 9)]}
    assert {key: len(row) for key, row in read_int_vectors(sets / "ali/pdf.ark")} == {"s1-a": 27, "s1-b": 15}
    assert json.loads((sets / "ali/coverage.json").read_text())["train"]["accepted"] == 2
    said = capsys.readouterr().out
    assert (
        "2 utterances, 42 frames, 5 phones" in said and "1 utterances are not in the data set, such as s1-x" in said
    )
    assert align(sets, sets / "phones.ctm", "--lang", sets / "lang") == 0
    assert capsys.readouterr().out == "align: up to date\n"


def test_what_does_not_fit_is_bounded_with_its_reasons(sets, refused):
    (sets / "phones.ctm").write_text(CTM.replace("0.06 0.09 a1", "0.06 0.90 a1"))
    line = refused(["align", "--ali-dir", sets / "phones.ctm", "--train-data", sets / "train", "--out", sets / "ali"])
    assert "1 of 2 utterances (50.0 %) have no usable alignment" in line
    assert line.endswith(f"why: {sets / 'ali/imported/unaligned.txt'}")
    assert "s1-b" in read_table(sets / "ali/imported/unaligned.txt")


def test_a_phone_of_another_lang_is_named(sets, refused):
    (sets / "phones.ctm").write_text(CTM.replace("zh", "zhh"))
    options = ["--train-data", sets / "train", "--lang", sets / "lang", "--out", sets / "ali"]
    line = refused(["align", "--ali-dir", sets / "phones.ctm", *options])
    assert line.startswith(f"{sets / 'phones.ctm'}:4: s1-b: ") and "zhh" in line


def test_export_and_back(sets):
    (sets / "phones.ctm").write_text(CTM)
    assert align(sets, sets / "phones.ctm", "--lang", sets / "lang") == 0
    before = phones(sets / "ali")
    options = ["--ali-dir", sets / "ali", "--format", "textgrid", "--out", sets / "grids"]
    assert main(["export", *map(str, options)]) == 0
    assert align(sets, sets / "grids", "--lang", sets / "lang") == 0
    assert phones(sets / "ali") == before


def test_pdf_ids_without_a_model_can_be_trained_on(problem, capsys, refused):
    folder, argv = problem
    source = dict(read_int_vectors(folder / "ali/pdf.ark"))
    write_pdfs(folder / "pdf.txt", source.items())
    sets = ["--train-data", str(folder / "train"), "--dev-data", str(folder / "dev")]
    assert main(["align", "--ali-dir", str(folder / "pdf.txt"), *sets, "--out", str(folder / "new")]) == 0
    assert "no graph made and nothing decoded" in capsys.readouterr().err
    again = dict(read_int_vectors(folder / "new/pdf.ark"))
    assert again.keys() == source.keys() and all(np.array_equal(again[key], source[key]) for key in source)
    assert (folder / "new/ali_train_pdf.counts").read_text() == (folder / "ali/ali_train_pdf.counts").read_text()
    argv[argv.index("--ali") + 1] = str(folder / "new")
    assert main([*argv, "--workers", "1"]) == 0
    assert AcousticModel.load(folder / "model").num_pdfs == 4 and not (folder / "model/final.mdl").exists()


def test_pdf_ids_with_their_model(sets, small, refused):
    folder, model = small
    write_pdfs(sets / "pdf.txt", [("s1-a", np.full(27, 3)), ("s1-b", np.full(15, model.num_pdfs - 1))])
    assert align(sets, sets / "pdf.txt", "--ali-model", folder) == 0
    assert (sets / "ali/final.mdl").read_bytes() == (folder / "final.mdl").read_bytes()
    assert dict(read_int_vectors(sets / "ali/pdf.ark"))["s1-a"].tolist() == [3] * 27
    write_pdfs(sets / "pdf.txt", [("s1-a", np.full(27, model.num_pdfs))])
    options = ["--ali-model", folder, "--train-data", sets / "train", "--out", sets / "ali"]
    line = refused(["align", "--ali-dir", sets / "pdf.txt", *options])
    assert "s1-a: pdf-id" in line and "not this system's" in line


def test_an_unknown_kind_is_said(sets, refused):
    (sets / "x.txt").write_text("once upon a time\n")
    line = refused(["align", "--ali-dir", sets / "x.txt", "--train-data", sets / "train", "--out", sets / "ali"])
    assert line.startswith(f"{sets / 'x.txt'}: ")
