"""Foreign alignments into Kaldi's directory: real ones exactly, by hand, and what a user may get wrong."""

import gzip

import numpy as np
import pytest

from asr.alignment.formats import imported
from asr.alignment.formats.imported import import_intervals
from asr.alignment.formats.imported_pdfs import import_pdfs
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_pdf, to_phones
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree
from asr.tables import read_symbols

PHONES = {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "b": 4, "#0": 5, "#1": 6}
LABELS = [("u1", [("sil", 0, 0.1), ("b", 0.1, 0.16), ("a1", 0.16, 0.3)]), ("u2", [("B", 0, 0.1), ("spn", 0.1, 0.2)])]
MLF = '#!MLF!#\n"*/u1.lab"\n0 1000000 sp\n1000000 1600000 b\n1600000 3000000 a1\n.\n"*/u2.lab"\n0 2000000 spn\n.\n'


def ctm(tmp_path, *lines):
    path = tmp_path / "x.ctm"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def take(source, out, num_frames, kind="ctm", phones=PHONES, **options):
    return import_intervals(source, kind, out, phones=phones, num_frames=num_frames, **options)


def phones_in(folder):
    """{utterance: [(phone, frames)]} of an alignment directory."""
    model = read_transition_model(folder / "final.mdl")
    names = {number: name for name, number in read_symbols(folder / "phones.txt").items()}
    return {
        key: [(names[phone], frames) for phone, _, frames in to_phones(tids, model)]
        for key, tids in read_alignments(folder, model)
    }


def test_kaldis_ctm_gives_its_phones_back(kaldi_ali, tmp_path):
    model = read_transition_model(kaldi_ali / "final.mdl")
    theirs = {key: to_phones(tids, model) for key, tids in read_alignments(kaldi_ali, model)}
    num_frames = {key: sum(frames for _, _, frames in row) for key, row in theirs.items()}
    phones = read_symbols(kaldi_ali / "phones.txt")
    result = take(kaldi_ali / "expected_phones.ctm.gz", tmp_path, num_frames, phones=phones)
    assert (result.faults, result.strangers, result.unlabelled) == ({}, [], [])
    assert (result.lengths, result.widened, result.closed) == (num_frames, 0, 0)
    ours = read_transition_model(tmp_path / "final.mdl")
    assert {key: to_phones(tids, ours) for key, tids in read_alignments(tmp_path, ours)} == theirs
    assert read_tree(tmp_path / "tree").num_pdfs == ours.num_pdfs == result.model.num_pdfs
    real = {name: number for name, number in phones.items() if not name.startswith("#")}
    assert read_symbols(tmp_path / "phones.txt") == real


@pytest.mark.parametrize("kind", ["ctm", "textgrid", "htk"])
def test_the_same_phones_of_every_kind(tmp_path, kind):
    if kind == "ctm":
        source = ctm(tmp_path, "u1 1 0 0.1 Sp", "u1 1 0.1 0.06 b", "u1 1 0.16 0.14 3", "u2 1 0 0.2 2")
    elif kind == "htk":
        source = tmp_path / "x.mlf"
        source.write_text(MLF)
    else:
        source = tmp_path / "grids"
        source.mkdir()
        head = '"ooTextFile" "TextGrid" 0 {0} <exists> 2 "IntervalTier" "words" 0 {0} 1 0 {0} "x" "IntervalTier" "p" '
        (source / "u1.TextGrid").write_text(head.format(0.3) + '0 0.3 3 0 0.1 "" 0.1 0.16 "b" 0.16 0.3 "a1"')
        (source / "u2.TextGrid").write_text(head.format(0.2) + '0 0.2 1 0 0.2 "SPN"')
    result = take(source, tmp_path / "ali", {"u1": 30, "u2": 20}, kind)
    assert phones_in(tmp_path / "ali") == {"u1": [("SIL", 10), ("b", 6), ("a1", 14)], "u2": [("SPN", 20)]}
    assert result.lines() == [
        "2 utterances, 50 frames, 4 phones; 0 phones widened to the fewest frames they can take, "
        "0 gaps or silences shorter than a silence phone closed"
    ]
    assert result.phones == ("SIL", "SPN", "a1", "b")


def test_phones_that_are_derived(tmp_path):
    source = ctm(tmp_path, "u1 1 0 0.1 zh", "u1 1 0.1 0.1 SIL", "u1 1 0.2 0.1 a1", "u9 1 0 0.1 zz")
    result = take(source, tmp_path / "ali", {"u1": 30}, phones=None)
    assert read_symbols(tmp_path / "ali" / "phones.txt") == {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "zh": 4}
    assert phones_in(tmp_path / "ali") == {"u1": [("zh", 10), ("SIL", 10), ("a1", 10)]}
    assert result.strangers == ["u9"]


def test_faults_are_collected_and_named(tmp_path):
    source = ctm(
        tmp_path,
        *("u1 1 0 0.3 b", "u2 1 0 0.1 sil", "u2 1 0.05 0.2 b", "u3 1 0 0.1 b", "u4 1 0 0.01 a1", "u4 1 0.01 0.03 b"),
        *("u5 1 0 0.02 b", "u5 1 0.02 0.18 a1", "v1 1 0 1 unheard"),
    )
    result = take(source, tmp_path / "ali", {"u1": 30, "u2": 25, "u3": 30, "u4": 4, "u5": 20, "u6": 9})
    assert result.faults == {
        "u2": "x.ctm:3: 'b' begins at 0.05 s, before 'SIL' ends at 0.1 s",
        "u3": "x.ctm: the labels end at 0.1 s, the features at 0.3 s; times of one frame for 3 of the features "
        "(frame subsampling factor 3)?",
        "u4": "x.ctm: its 2 phones take at least 6 frames, the features have 4",
    }
    assert (result.strangers, result.unlabelled) == (["v1"], ["u6"])
    assert phones_in(tmp_path / "ali") == {"u1": [("b", 30)], "u5": [("b", 3), ("a1", 17)]}
    assert result.lines()[1:] == [
        "3 utterances cannot be used, such as u2: x.ctm:3: 'b' begins at 0.05 s, before 'SIL' ends at 0.1 s",
        "1 utterances are not in the data set, such as v1",
        "1 utterances of the data set have no labels, such as u6",
    ]
    assert (result.widened, result.num_phones) == (1, 3)


def test_a_source_that_never_labels_silence_may_end_early(tmp_path):
    source = ctm(tmp_path, "u1 1 0.2 0.3 b", "u1 1 0.5 0.2 a1")
    take(source, tmp_path / "ali", {"u1": 100})
    assert phones_in(tmp_path / "ali") == {"u1": [("SIL", 20), ("b", 30), ("a1", 20), ("SIL", 30)]}


def test_another_silence_phone(tmp_path):
    phones = {"<eps>": 0, "a1": 1, "b": 2, "pause": 3, "noise": 4}
    source = ctm(tmp_path, "u1 1 0 0.1 sil", "u1 1 0.1 0.1 b", "u1 1 0.2 0.1 noise")
    take(source, tmp_path / "ali", {"u1": 30}, phones=phones, silence_phones=["pause", "noise"])
    assert phones_in(tmp_path / "ali") == {"u1": [("pause", 10), ("b", 10), ("noise", 10)]}
    model = read_transition_model(tmp_path / "ali" / "final.mdl")
    assert [model.topology.num_classes(phone) for phone in (1, 2, 3, 4)] == [3, 3, 5, 5]


def test_archives_of_an_earlier_import_go(tmp_path, monkeypatch):
    monkeypatch.setattr(imported, "JOB_UTTERANCES", 1)
    source = ctm(tmp_path, "u1 1 0 0.1 b", "u2 1 0 0.1 b", "u3 1 0 0.1 a1")
    take(source, tmp_path / "ali", {"u1": 10, "u2": 10, "u3": 10})
    assert (tmp_path / "ali" / "num_jobs").read_text() == "3\n"
    take(source, tmp_path / "ali", {"u1": 10, "u3": 10})
    assert sorted(path.name for path in (tmp_path / "ali").glob("ali.*")) == ["ali.1.gz", "ali.2.gz"]
    assert phones_in(tmp_path / "ali") == {"u1": [("b", 10)], "u3": [("a1", 10)]}


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        (
            "u1 1 0 0.1 q9",
            {},
            "x.ctm:2: u1: 'q9' is not in phones.txt; give the phones.txt of these labels",
        ),
        ("u1 1 0 0.1 5", {}, "x.ctm:2: u1: '5' is not in phones.txt; give the phones.txt of these labels"),
        (
            "u1 1 0.3 0.1 3",
            {"phones": None},
            "x.ctm:2: u1: '3' is a phone-id: give the phones.txt that it belongs to",
        ),
        (
            "u1 1 0.3 0.1 #1",
            {"phones": None},
            "x.ctm:2: u1: '#1' cannot be a phone: blanks, or a disambiguation symbol",
        ),
        ("u1 1 0.3 0.1 b", {"phones": {"SIL": 1, "b": 3}}, "p.txt: no phone has the id 2: ids must be 1, 2, ..."),
        ("u1 1 0.3 0.1 b", {"phones": {"b": 1}}, "p.txt: has no phone 'SIL', which is to be a silence phone"),
        (
            "u1 1 0.3 0.1 b",
            {"num_frames": {"v1": 10}},
            "x.ctm: has no utterance of the data set: it has such as u1, the data set such as v1",
        ),
        (
            "u1 1 0.3 0.1 b",
            {"num_frames": {"u1": 120}},
            "x.ctm: none of its 1 utterances can be used; the first: u1: x.ctm: the labels end at 0.4 s, the "
            "features at 1.2 s; times of one frame for 3 of the features (frame subsampling factor 3)?",
        ),
    ],
)
def test_what_is_refused(tmp_path, line, options, message):
    source = ctm(tmp_path, "u1 1 0 0.3 b", line)
    options = {"phones": PHONES, "num_frames": {"u1": 40}, "phones_file": tmp_path / "p.txt", **options}
    with pytest.raises(InputError) as caught:
        import_intervals(source, "ctm", tmp_path / "ali", **options)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert not (tmp_path / "ali").exists()


def test_a_label_with_a_blank_is_no_phone(tmp_path):
    (tmp_path / "u1.TextGrid").write_text('"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "p" 0 1 1 0 1 "a b"')
    with pytest.raises(InputError, match=r"u1\.TextGrid:1: u1: 'a b' cannot be a phone: blanks"):
        take(tmp_path, tmp_path / "ali", {"u1": 100}, "textgrid", None)


# ---------------------------------------------------------------- pdf-ids


def test_kaldis_pdfs_with_their_system(kaldi_ali, tmp_path):
    model = read_transition_model(kaldi_ali / "final.mdl")
    theirs = {key: to_pdf(tids, model) for key, tids in read_alignments(kaldi_ali, model)}
    num_frames = {key: len(row) for key, row in theirs.items()}
    result = import_pdfs(kaldi_ali / "expected_pdf.txt.gz", tmp_path, model_dir=kaldi_ali, num_frames=num_frames)
    assert result.num_pdfs == model.num_pdfs
    assert result.lengths == num_frames
    assert all(np.array_equal(result.pdfs[key], row) for key, row in theirs.items())
    assert [path.name for path in result.copied] == ["final.mdl", "tree", "phones.txt"]
    assert all(path.read_bytes() == (kaldi_ali / path.name).read_bytes() for path in result.copied)


def test_pdfs_alone(tmp_path):
    (tmp_path / "pdf.txt.gz").write_bytes(gzip.compress(b"u1 0 1 1 7\nu2 2 2 2 2 2 2 2 2 2 2\nu9 11\n"))
    source, frames = tmp_path / "pdf.txt.gz", {"u1": 6, "u2": 30, "u3": 4}
    result = import_pdfs(source, tmp_path / "ali", model_dir=None, num_frames=frames)
    assert {key: row.tolist() for key, row in result.pdfs.items()} == {"u1": [0, 1, 1, 7]}
    assert (result.num_pdfs, result.strangers, result.unlabelled) == (12, ["u9"], ["u3"])
    assert result.faults == {
        "u2": "10 pdf-ids for 30 frames; one for 3 of the features (frame subsampling factor 3)?"
    }
    assert not (tmp_path / "ali").exists()


def test_pdfs_of_another_system(small, tmp_path):
    (tmp_path / "pdf.txt").write_text("u1 0 19\n")
    with pytest.raises(InputError) as caught:
        import_pdfs(tmp_path / "pdf.txt", tmp_path / "ali", model_dir=small[0], num_frames={"u1": 2})
    expected = "u1: pdf-id 19, but final.mdl has 0 to 18: not this system's"
    assert str(caught.value) == f"{tmp_path / 'pdf.txt'}: {expected}"
    (small[0] / "phones.txt").unlink()
    with pytest.raises(InputError, match=r"phones\.txt: no such file"):
        import_pdfs(tmp_path / "pdf.txt", tmp_path / "ali", model_dir=small[0], num_frames={"u1": 2})
