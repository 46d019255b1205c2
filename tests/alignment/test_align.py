"""`asr align` with phone times and pdf-ids of other aligners, up to training on them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from asr.acoustic.model import AcousticModel
from asr.cli import main
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.archives import read_int_vectors
from asr.kaldi.counts import read_counts
from asr.kaldi.system import SYSTEM_FILES
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
    """train (27 and 15 frames), and a lang directory that has only phones."""
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


def write_pdfs(path, rows):
    path.write_text("".join(f"{key} {' '.join(map(str, pdfs))} \n" for key, pdfs in rows.items()))


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


def test_utterances_that_do_not_fit_are_bounded(sets, refused):
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
    write_pdfs(folder / "pdf.txt", source)
    sets = ["--train-data", str(folder / "train"), "--dev-data", str(folder / "dev")]
    assert main(["align", "--ali-dir", str(folder / "pdf.txt"), *sets, "--out", str(folder / "new")]) == 0
    assert "no graph can be made and nothing decoded" in capsys.readouterr().err
    again = dict(read_int_vectors(folder / "new/pdf.ark"))
    assert again.keys() == source.keys() and all(np.array_equal(again[key], source[key]) for key in source)
    assert (folder / "new/ali_train_pdf.counts").read_text() == (folder / "ali/ali_train_pdf.counts").read_text()
    argv[argv.index("--ali") + 1] = str(folder / "new")
    assert main([*argv, "--workers", "1"]) == 0
    assert AcousticModel.load(folder / "model").num_pdfs == 4 and not (folder / "model/final.mdl").exists()


def test_pdf_ids_with_their_model(sets, small, refused):
    folder, model = small
    write_pdfs(sets / "pdf.txt", {"s1-a": [3] * 27, "s1-b": [model.num_pdfs - 1] * 15})
    assert align(sets, sets / "pdf.txt", "--ali-model", folder) == 0
    for name in SYSTEM_FILES:
        assert (sets / "ali" / name).read_bytes() == (folder / name).read_bytes()
    assert dict(read_int_vectors(sets / "ali/pdf.ark"))["s1-a"].tolist() == [3] * 27
    options = ["--train-data", sets / "train", "--out", sets / "ali"]
    write_pdfs(sets / "pdf.txt", {"s1-a": [model.num_pdfs] * 27})
    line = refused(["align", "--ali-dir", sets / "pdf.txt", "--ali-model", folder, *options])
    assert line == f"{sets / 'pdf.txt'}: s1-a: pdf-id 19, but final.mdl has 0 to 18: not this system's"
    (folder / "phones.txt").unlink()
    line = refused(["align", "--ali-dir", sets / "pdf.txt", "--ali-model", folder, *options])
    assert line == f"{folder / 'phones.txt'}: no such file"


def test_pdf_ids_of_other_lengths_and_utterances(sets, capsys):
    """As for every kind of alignment, the coverage counts them."""
    write_pdfs(sets / "pdf.txt", {"s1-a": [0] * 20, "s1-b": [2] * 15, "s1-x": [11]})
    assert align(sets, sets / "pdf.txt", "--max-missing", 0.5) == 0
    coverage = json.loads((sets / "ali/coverage.json").read_text())
    assert coverage["train"]["dropped_for_length"] == {"s1-a": {"alignment": 20, "features": 27}}
    assert coverage["not_in_any_set"] == ["s1-x"]
    assert len(read_counts(sets / "ali/ali_train_pdf.counts")) == 12
    write_pdfs(sets / "pdf.txt", {"s1-a": [0] * 9, "s1-b": [2] * 5})
    assert align(sets, sets / "pdf.txt") == 2
    assert "one frame for 3 of the features (those of a chain model" in capsys.readouterr().err


def test_an_unknown_kind_is_refused(sets, refused):
    (sets / "x.txt").write_text("once upon a time\n")
    line = refused(["align", "--ali-dir", sets / "x.txt", "--train-data", sets / "train", "--out", sets / "ali"])
    assert line.startswith(f"{sets / 'x.txt'}: ")
