"""HTK labels: single files and master files, states, models in context, labels without times."""

import pytest

from asr.alignment.formats.htk import read_htk
from asr.alignment.formats.intervals import Interval
from asr.errors import InputError

PHONES = "0 1000000 sil -512.5\n1000000 2500000 sil-b+a1 -400.0 ba\n2500000 4000000 b-a1+sil\n"
STATES = (
    "0 300000 sil[2] -10.0\n300000 600000 sil[3]\n600000 900000 sil[4]\n900000 1200000 a1[2]\n"
    "1200000 1500000 a1[4]\n1500000 1800000 a1[2]\n1800000 2000000 a1[3]\n"
)
HVITE = "0 300000 s2 -1.5 sil -4.0 <s>\n300000 600000 s3 -2.5\n600000 900000 s2 -3 b -9 ba\n900000 1200000 s3 -3\n"
MASTER = f'#!MLF!#\n"*/u1.lab"\n{PHONES}.\n"/data/u2.rec"\n0 300000 a1\n.\n'


def read(tmp_path, text, name="u1.lab", known=()):
    (tmp_path / name).write_text(text)
    return {item.utterance: item.intervals for item in read_htk(tmp_path / name, known)}


def test_a_label_file(tmp_path):
    found = read(tmp_path, PHONES)
    assert found == {"u1": (Interval("sil", 0, 0.1), Interval("b", 0.1, 0.25), Interval("a1", 0.25, 0.4))}
    assert [item.line for item in found["u1"]] == [1, 2, 3]


def test_a_folder(tmp_path):
    for name in ("u2", "u1"):
        (tmp_path / f"{name}.lab").write_text(PHONES)
    assert [item.utterance for item in read_htk(tmp_path)] == ["u1", "u2"]


def test_a_master_file(tmp_path):
    found = read(tmp_path, MASTER, "all.mlf")
    assert list(found) == ["u1", "u2"]
    assert found["u1"][1] == Interval("b", 0.1, 0.25)
    assert found["u1"][1].line == 4
    assert found["u2"] == (Interval("a1", 0, 0.03),)


def test_states_are_joined(tmp_path):
    assert read(tmp_path, STATES)["u1"] == (
        Interval("sil", 0, 0.09),
        Interval("a1", 0.09, 0.15),  # state 3 skipped
        Interval("a1", 0.15, 0.2),  # and the same phone again
    )


def test_states_as_hvite_writes_them(tmp_path):
    assert read(tmp_path, HVITE)["u1"] == (Interval("sil", 0, 0.06), Interval("b", 0.06, 0.12))


def test_full_context_labels(tmp_path):
    text = "0 300000 x^sil-b+a1=n@1_2/A:0-0+1[2]\n300000 600000 x^sil-b+a1=n@1_2/A:0-0+1[3]\n600000 900000 a1+n\n"
    assert [item.label for item in read(tmp_path, text)["u1"]] == ["b", "a1"]


def test_known_phones_are_kept(tmp_path):
    text = "0 300000 a-b\n300000 600000 s2\n600000 900000 n[1]\n900000 1200000 x-y+z\n"
    found = read(tmp_path, text, known=["a-b", "s2", "n[1]"])
    assert [item.label for item in found["u1"]] == ["a-b", "s2", "n[1]", "y"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "u1.lab",
            "sil\nb\n",
            "u1.lab:1: u1: 'sil' has no times: these labels are not aligned; a line is `start end label`",
        ),
        ("u1.lab", "0 a\n", "u1.lab:1: u1: '0 a' is not `start end label` with times in units of 100 ns"),
        ("u1.lab", "0 -1 a\n", "u1.lab:1: u1: '0 -1 a' is not `start end label` with times in units of 100 ns"),
        ("u1.lab", "0 100000 a\n///\n", "u1.lab:2: u1: holds alternatives (///); keep one of them"),
        ("u1.lab", "0 100000 s2 -4.5\n", "u1.lab:1: u1: state 's2' without the name of its model"),
        (
            "x.mlf",
            '#!MLF!#\n"*/u1.lab"\n0 100000 a\n',
            "x.mlf: u1: the file ends before the full stop of this utterance",
        ),
        ("x.mlf", "#!MLF!#\n", "x.mlf: holds no utterance"),
        ("x.mlf", '#!MLF!#\n"*.lab"\n.\n', 'x.mlf:2: "*.lab" does not name one utterance'),
        ("x.mlf", '#!MLF!#\n"u1.lab" -> "d"\n', 'x.mlf:2: "u1.lab" -> "d" does not name one utterance'),
        ("x.mlf", "#!MLF!#\n0 100000 a\n", "x.mlf:2: '0 100000 a' is not the \"*/name.lab\" of an utterance"),
        ("x.mlf", '#!MLF!#\n"u1.lab"\n.\n"b/u1.lab"\n.\n', "x.mlf:4: u1: this utterance has occurred before"),
    ],
)
def test_what_is_refused(tmp_path, name, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, name)
    assert str(caught.value) == f"{tmp_path}/{message}"
