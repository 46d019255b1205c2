"""Text pdf-ids: Kaldi's files, and files that are refused."""

import numpy as np
import pytest
from damaged_files import damaged, fuzzing, read_or_none
from hypothesis import given

from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_pdf
from asr.kaldi.pdf_text import read_pdfs
from asr.kaldi.transition_model import read_transition_model

TEXT = b"u1 0 3 3 12 \nu2\t7\n"


def test_kaldis_pdf_ids_are_those_of_its_alignments(kaldi_ali):
    model = read_transition_model(kaldi_ali / "final.mdl")
    found = dict(read_pdfs(kaldi_ali / "expected_pdf.txt.gz"))
    rows = {utterance: to_pdf(tids, model) for utterance, tids in read_alignments(kaldi_ali, model)}
    assert list(found) == list(rows) and len(rows) == 780
    for utterance, pdfs in found.items():
        assert pdfs.dtype == np.int32
        np.testing.assert_array_equal(pdfs, rows[utterance])


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
        ("u1 1 x 2\n", ":1: u1: 'x' is not a pdf-id"),
        ("u1 1 -2\n", ":1: u1: '-2' is not a pdf-id"),
        ("u1 1.0\n", ":1: u1: '1.0' is not a pdf-id"),
        ("u1 1_0\n", ":1: u1: '1_0' is not a pdf-id"),
        ("u1 ３\n", ":1: u1: '３' is not a pdf-id"),
        ("u1 999999999\n", ":1: u1: '999999999' is not a pdf-id"),
        ("u1 [ 1 2 ]\n", ":1: u1: '[' is not a pdf-id"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    (tmp_path / "pdf.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_pdfs(tmp_path / "pdf.txt"))
    assert str(caught.value) == f"{tmp_path / 'pdf.txt'}{message}"


@given(damaged(TEXT))
@fuzzing()
def test_damage_is_named(tmp_path, data):
    (tmp_path / "pdf.txt").write_bytes(data)
    found = read_or_none(lambda path: dict(read_pdfs(path)), tmp_path / "pdf.txt")
    assert all(pdfs.min() >= 0 for pdfs in (found or {}).values())
