"""Counts of classes as a Kaldi text vector."""

import numpy as np
import pytest

from asr.errors import InputError
from asr.kaldi.counts import read_counts, write_counts


def test_written_and_read(tmp_path):
    write_counts(tmp_path / "counts", np.array([3, 0, 12]))
    assert (tmp_path / "counts").read_text() == " [ 3 0 12 ]\n"
    counts = read_counts(tmp_path / "counts")
    assert counts.dtype == np.float64
    assert counts.tolist() == [3.0, 0.0, 12.0]


def test_kaldis_own_notation(tmp_path):
    (tmp_path / "counts").write_text(" [ 3.5 1e+06 ]\n")
    assert read_counts(tmp_path / "counts").tolist() == [3.5, 1e6]


@pytest.mark.parametrize(
    "text", ["", "[ ]", "3 4", "[ 3 4", "[ 3 x ]", "[ -1 4 ]", "[ nan 4 ]", "[ 1_0 ]", "[ 0 0 ]"]
)
def test_what_is_refused(tmp_path, text):
    (tmp_path / "counts").write_text(text)
    with pytest.raises(InputError, match="counts: "):
        read_counts(tmp_path / "counts")
