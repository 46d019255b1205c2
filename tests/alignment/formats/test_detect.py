"""The kind of an alignment is detected from its names and first lines."""

import gzip

import pytest

from asr.alignment.formats.detect import detect
from asr.errors import InputError

FILES = {
    "x.ctm": ("ctm", b"u1 1 0 44 120\n"),
    "x.txt": ("ctm", b";; by hand\nu1 1 0.00 0.44 a1\n"),
    "y": ("ctm", b"u1 1 0 44 a1 0.9\n"),
    "pdf.txt": ("pdf", b"u1 0 0 0 44 120 \nu2 3\n"),
    "pdf.txt.gz": ("pdf", gzip.compress(b"u1 0 0 0 44 120 \n" * 9000)),
    "all.mlf": ("htk", b'#!MLF!#\n"*/u1.lab"\n'),
    "u1.lab": ("htk", b"sil\n"),
    "labels": ("htk", b"0 100000 sil -4.5\n"),
    "u1.TextGrid": ("textgrid", 'File type = "ooTextFile"\nObject class = "TextGrid"\n'.encode("utf-16")),
    "bin": ("textgrid", b"ooBinaryFile\x08TextGrid\0\0"),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    kind, data = FILES[name]
    (tmp_path / name).write_bytes(data)
    assert detect(tmp_path / name) == kind


def test_real_files(kaldi_ali):
    assert detect(kaldi_ali) == "kaldi"
    assert detect(kaldi_ali / "expected_phones.ctm.gz") == "ctm"
    assert detect(kaldi_ali / "expected_pdf.txt.gz") == "pdf"


def test_folders(tmp_path):
    for name, kind in (("a/b/u1.TextGrid", "textgrid"), ("c/u1.lab", "htk"), ("d/num_jobs", "kaldi")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
        assert detect(tmp_path / name.partition("/")[0]) == kind
    with pytest.raises(InputError, match=r"holds TextGrids and \.lab files; pass --ali-format"):
        detect(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ": an empty file is not a known kind of alignment: a folder with Kaldi's final.mdl and ali.*.gz"),
        (b"u1 hello world\n", ": 'u1 hello world' is not a known kind of alignment"),
        (b"u1 \0B\x04\x01\0\0\0", ": a binary file is not a known kind of alignment"),
    ],
)
def test_unknown_kinds_are_refused(tmp_path, data, message):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError) as caught:
        detect(tmp_path / "x")
    assert str(caught.value).startswith(f"{tmp_path / 'x'}{message}")


def test_missing_and_damaged_sources(tmp_path):
    with pytest.raises(InputError, match="absent: no such file or folder"):
        detect(tmp_path / "absent")
    with pytest.raises(InputError, match=r"a folder without final\.mdl, \.TextGrid or \.lab files is not"):
        detect(tmp_path)
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"u1 1 2 3\n" * 99)[:-9])
    with pytest.raises(InputError, match=r"x\.gz: cannot be read"):
        detect(tmp_path / "x.gz")
