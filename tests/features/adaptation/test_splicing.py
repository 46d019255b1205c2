"""Splicing by hand and against Kaldi; splice_opts is read, written and refused."""

import numpy as np
import pytest

from asr.errors import InputError
from asr.features.adaptation.affine import read_matrix, transformed
from asr.features.adaptation.splicing import SpliceContext, read_splice_opts, spliced, write_splice_opts
from asr.kaldi.archives import read_matrices


def test_edges_repeat_and_utterances_do_not_mix():
    static = np.arange(10, dtype=np.float32).reshape(5, 2)
    wide = spliced(static, [3, 2], left=1, right=2)
    assert wide.dtype == np.float32
    assert wide.tolist() == [
        [0, 1, 0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5, 4, 5],
        [2, 3, 4, 5, 4, 5, 4, 5],
        [6, 7, 6, 7, 8, 9, 8, 9],
        [6, 7, 8, 9, 8, 9, 8, 9],
    ]
    assert spliced(static[:0], []).shape == (0, 14)


def test_projected_features_are_kaldis(kaldi_speakers):
    """Kaldi: apply-cmvn, splice-feats, transform-feats final.mat."""
    expected = kaldi_speakers.folder / "expected"
    [(utterance, theirs)] = read_matrices(expected / "tri2_feats_CV0001-18658374.txt.gz")
    static = kaldi_speakers.static[utterance]
    matrix = read_matrix(kaldi_speakers.folder / "tri2_ali" / "final.mat")
    assert transformed(spliced(static, [len(static)]), matrix) == pytest.approx(theirs, abs=1e-5)


def test_splice_opts(tmp_path, kaldi_speakers):
    assert read_splice_opts(kaldi_speakers.folder / "tri3") == SpliceContext(3, 3)
    write_splice_opts(tmp_path, SpliceContext(2, 5))
    assert (tmp_path / "splice_opts").read_text() == "--left-context=2 --right-context=5\n"
    assert read_splice_opts(tmp_path) == SpliceContext(2, 5) and SpliceContext(2, 5).frames == 8


def test_kaldis_own_default_is_four_frames_each_side(tmp_path):
    assert read_splice_opts(tmp_path) == SpliceContext(4, 4)
    (tmp_path / "splice_opts").write_text("--left-context=3\n")
    assert read_splice_opts(tmp_path) == SpliceContext(3, 4)


@pytest.mark.parametrize("text", ["--left-context=-1", "--left-context=3 right=3", "--left-context=101"])
def test_other_options_are_refused(tmp_path, text):
    (tmp_path / "splice_opts").write_text(text)
    with pytest.raises(InputError, match=r"splice_opts: '.*' is not --left-context=N or --right-context=N"):
        read_splice_opts(tmp_path)
