"""Foreign alignments become Kaldi directories: real ones exactly, by hand, and a user's mistakes."""

import pytest

from asr.alignment.formats import import_intervals as importing
from asr.alignment.formats.import_intervals import import_intervals
from asr.alignment.formats.phone_labels import PhoneLabels
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_phones
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


def imported(source, out, num_frames, kind="ctm", phones=PHONES, silence_phones=("SIL", "SPN"), **options):
    file = out.parent / "p.txt"
    labels = phones and PhoneLabels.given(phones, silence_phones, file=file, ids=kind == "ctm")
    return import_intervals(source, kind, out, labels=labels, num_frames=num_frames, **options)


def phones_in(folder):
    """{utterance: [(phone, frames)]} of an alignment directory."""
    model = read_transition_model(folder / "final.mdl")
    names = {number: name for name, number in read_symbols(folder / "phones.txt").items()}
    return {
        key: [(names[phone], frames) for phone, _, frames in to_phones(tids, model)]
        for key, tids in read_alignments(folder, model)
    }


def test_kaldis_ctm_restores_its_phones(kaldi_ali, tmp_path):
    model = read_transition_model(kaldi_ali / "final.mdl")
    theirs = {key: to_phones(tids, model) for key, tids in read_alignments(kaldi_ali, model)}
    num_frames = {key: sum(frames for _, _, frames in row) for key, row in theirs.items()}
    phones = read_symbols(kaldi_ali / "phones.txt")
    result = imported(kaldi_ali / "expected_phones.ctm.gz", tmp_path, num_frames, phones=phones)
    assert (result.faults, result.unknown) == ({}, [])
    assert (result.lengths, result.widened, result.closed) == (num_frames, 0, 0)
    ours = read_transition_model(tmp_path / "final.mdl")
    assert {key: to_phones(tids, ours) for key, tids in read_alignments(tmp_path, ours)} == theirs
    assert read_tree(tmp_path / "tree").num_pdfs == ours.num_pdfs
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
    result = imported(source, tmp_path / "ali", {"u1": 30, "u2": 20}, kind)
    assert phones_in(tmp_path / "ali") == {"u1": [("SIL", 10), ("b", 6), ("a1", 14)], "u2": [("SPN", 20)]}
    assert result.lines() == [
        "2 utterances, 50 frames, 4 phones; 0 phones widened to their fewest frames, "
        "0 gaps or silences shorter than a silence phone closed"
    ]
    assert result.phones == ("SIL", "SPN", "a1", "b")


def test_phones_that_are_derived(tmp_path):
    source = ctm(tmp_path, "u1 1 0 0.1 zh", "u1 1 0.1 0.1 SIL", "u1 1 0.2 0.1 a1", "u9 1 0 0.1 zz")
    result = imported(source, tmp_path / "ali", {"u1": 30}, phones=None)
    assert read_symbols(tmp_path / "ali" / "phones.txt") == {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "zh": 4}
    assert phones_in(tmp_path / "ali") == {"u1": [("zh", 10), ("SIL", 10), ("a1", 10)]}
    assert result.unknown == ["u9"]


def test_faults_are_collected_and_named(tmp_path):
    source = ctm(
        tmp_path,
        *("u1 1 0 0.3 b", "u2 1 0 0.1 sil", "u2 1 0.05 0.2 b", "u3 1 0 0.1 b", "u4 1 0 0.01 a1", "u4 1 0.01 0.03 b"),
        *("u5 1 0 0.02 b", "u5 1 0.02 0.18 a1", "v1 1 0 1 unheard"),
    )
    result = imported(source, tmp_path / "ali", {"u1": 30, "u2": 25, "u3": 30, "u4": 4, "u5": 20, "u6": 9})
    assert result.faults == {
        "u2": "x.ctm:3: 'b' begins at 0.05 s, before 'SIL' ends at 0.1 s",
        "u3": "x.ctm: the labels end at 0.1 s, the features at 0.3 s; are these times of one frame "
        "for 3 of the features (frame subsampling factor 3)?",
        "u4": "x.ctm: its 2 phones take at least 6 frames, the features have 4",
    }
    assert result.unknown == ["v1"]
    assert phones_in(tmp_path / "ali") == {"u1": [("b", 30)], "u5": [("b", 3), ("a1", 17)]}
    assert result.lines()[1:] == [
        "3 utterances cannot be used, such as u2: x.ctm:3: 'b' begins at 0.05 s, before 'SIL' ends at 0.1 s",
        "1 utterances are not in the data set, such as v1",
        "1 utterances have no labels, such as u6",
    ]
    assert (result.widened, result.num_phones) == (1, 3)


def test_a_source_that_never_labels_silence_may_end_early(tmp_path):
    source = ctm(tmp_path, "u1 1 0.2 0.3 b", "u1 1 0.5 0.2 a1")
    imported(source, tmp_path / "ali", {"u1": 100})
    assert phones_in(tmp_path / "ali") == {"u1": [("SIL", 20), ("b", 30), ("a1", 20), ("SIL", 30)]}


def test_another_silence_phone(tmp_path):
    phones = {"<eps>": 0, "a1": 1, "b": 2, "pause": 3, "noise": 4}
    source = ctm(tmp_path, "u1 1 0 0.1 sil", "u1 1 0.1 0.1 b", "u1 1 0.2 0.1 noise")
    imported(source, tmp_path / "ali", {"u1": 30}, phones=phones, silence_phones=["pause", "noise"])
    assert phones_in(tmp_path / "ali") == {"u1": [("pause", 10), ("b", 10), ("noise", 10)]}
    model = read_transition_model(tmp_path / "ali" / "final.mdl")
    assert [model.topology.num_classes(phone) for phone in (1, 2, 3, 4)] == [3, 3, 5, 5]


def test_archives_of_an_earlier_import_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "JOB_UTTERANCES", 1)
    source = ctm(tmp_path, "u1 1 0 0.1 b", "u2 1 0 0.1 b", "u3 1 0 0.1 a1")
    imported(source, tmp_path / "ali", {"u1": 10, "u2": 10, "u3": 10})
    assert (tmp_path / "ali" / "num_jobs").read_text() == "3\n"
    imported(source, tmp_path / "ali", {"u1": 10, "u3": 10})
    assert sorted(path.name for path in (tmp_path / "ali").glob("ali.*")) == ["ali.1.gz", "ali.2.gz"]
    assert phones_in(tmp_path / "ali") == {"u1": [("b", 10)], "u3": [("a1", 10)]}


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        (
            "u1 1 0 0.1 q9",
            {},
            "x.ctm:2: u1: 'q9' is not in phones.txt; pass the phones.txt of these labels",
        ),
        ("u1 1 0 0.1 5", {}, "x.ctm:2: u1: '5' is not in phones.txt; pass the phones.txt of these labels"),
        (
            "u1 1 0.3 0.1 3",
            {"phones": None},
            "x.ctm:2: u1: '3' is a phone-id: pass the phones.txt of these labels",
        ),
        (
            "u1 1 0.3 0.1 #1",
            {"phones": None},
            "x.ctm:2: u1: '#1' cannot be a phone: it has blanks or is a disambiguation symbol",
        ),
        ("u1 1 0.3 0.1 b", {"phones": {"SIL": 1, "b": 3}}, "p.txt: no phone has the id 2: ids must be 1, 2, ..."),
        ("u1 1 0.3 0.1 b", {"phones": {"b": 1}}, "p.txt: has no phone 'SIL', which should be a silence phone"),
        (
            "u1 1 0.3 0.1 b",
            {"num_frames": {"v1": 10}},
            "x.ctm: has no utterance of the data set: its first one is u1, the data set's is v1",
        ),
        (
            "u1 1 0.3 0.1 b",
            {"num_frames": {"u1": 120}},
            "x.ctm: none of its 1 utterances can be used; the first: u1: x.ctm: the labels end at 0.4 s, the "
            "features at 1.2 s; are these times of one frame for 3 of the features (frame subsampling factor 3)?",
        ),
    ],
)
def test_what_is_refused(tmp_path, line, options, message):
    source = ctm(tmp_path, "u1 1 0 0.3 b", line)
    with pytest.raises(InputError) as caught:
        imported(source, tmp_path / "ali", **{"num_frames": {"u1": 40}, **options})
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert not (tmp_path / "ali").exists()


def test_a_label_with_a_blank_is_no_phone(tmp_path):
    (tmp_path / "u1.TextGrid").write_text('"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "p" 0 1 1 0 1 "a b"')
    with pytest.raises(InputError, match=r"u1\.TextGrid:1: u1: 'a b' cannot be a phone: it has blanks"):
        imported(tmp_path, tmp_path / "ali", {"u1": 100}, "textgrid", None)
