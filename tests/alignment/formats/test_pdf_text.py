"""Text pdf-ids: exactly Kaldi's, and strict."""

import gzip

import numpy as np
import pytest
from damaged_files import damaged, fuzzing
from hypothesis import given

from asr.alignment.formats.pdf_text import read_pdfs, write_pdfs
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_pdf
from asr.kaldi.transition_model import read_transition_model

TEXT = b"u1 0 3 3 12 \nu2\t7\n"


def test_read_and_written_exactly_as_kaldi_does(kaldi_ali, tmp_path):
    model = read_transition_model(kaldi_ali / "final.mdl")
    found = dict(read_pdfs(kaldi_ali / "expected_pdf.txt.gz"))
    rows = {utterance: to_pdf(tids, model) for utterance, tids in read_alignments(kaldi_ali, model)}
    assert list(found) == list(rows)
    for utterance, pdfs in found.items():
        assert pdfs.dtype == np.int32
        np.testing.assert_array_equal(pdfs, rows[utterance])
    write_pdfs(tmp_path / "pdf.txt.gz", rows.items())
    with gzip.open(kaldi_ali / "expected_pdf.txt.gz") as theirs, gzip.open(tmp_path / "pdf.txt.gz") as ours:
        assert ours.read() == theirs.read()


def test_tabs_and_one_frame(tmp_path):
    (tmp_path / "pdf.txt").write_bytes(TEXT)
    found = {utterance: pdfs.tolist() for utterance, pdfs in read_pdfs(tmp_path / "pdf.txt")}
    assert found == {"u1": [0, 3, 3, 12], "u2": [7]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty"),
        ("u1 1\n\n", ":2: empty line"),
        ("u1\n", ":1: u1: no pdf-ids after the utterance"),
        ("u1 1\nu1 2\n", ":2: u1: this utterance has occurred before"),
        ("u1 1 x 2\n", ":1: u1: 'x' is no pdf-id"),
        ("u1 1 -2\n", ":1: u1: '-2' is no pdf-id"),
        ("u1 1.0\n", ":1: u1: '1.0' is no pdf-id"),
        ("u1 1_0\n", ":1: u1: '1_0' is no pdf-id"),
        ("u1 ３\n", ":1: u1: '３' is no pdf-id"),
        ("u1 999999999\n", ":1: u1: '999999999' is no pdf-id"),
        ("u1 [ 1 2 ]\n", ":1: u1: '[' is no pdf-id"),
    ],
)
def test_what_is_no_pdf_file(tmp_path, text, message):
    (tmp_path / "pdf.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_pdfs(tmp_path / "pdf.txt"))
    assert str(caught.value) == f"{tmp_path / 'pdf.txt'}{message}"


@given(damaged(TEXT))
@fuzzing
def test_damage_is_named(tmp_path, data):
    (tmp_path / "pdf.txt").write_bytes(data)
    try:
        assert all(pdfs.min() >= 0 for _, pdfs in read_pdfs(tmp_path / "pdf.txt"))
    except InputError as error:
        assert "\n" not in str(error)
