"""Log-likelihoods against the formula and against Kaldi's; Kaldi's final.mdl is read and written."""

import gzip
import math
import re

import numpy as np
import pytest
from made_up_mixtures import some_mixtures

from asr.alignment.gmm.cepstra import Cepstra
from asr.cli import main
from asr.errors import InputError
from asr.kaldi.archives import read_matrices
from asr.kaldi.mixtures import read_mixtures


def slow_log_likelihood(system, pdf, frame):
    total = 0.0
    for row in range(system.first[pdf], system.first[pdf + 1]):
        density = 1.0
        for x, mean, variance in zip(frame, system.means[row], system.variances[row], strict=True):
            density *= math.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2 * math.pi * variance)
        total += system.weights[row] * density
    return math.log(total)


def test_log_likelihoods_are_the_formula():
    system = some_mixtures()
    frames = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    slow = [[slow_log_likelihood(system, pdf, frame) for pdf in range(3)] for frame in frames]
    assert system.log_likelihoods(frames) == pytest.approx(np.array(slow), abs=1e-4)
    assert np.array_equal(system.log_likelihoods(frames, [2, 0]), system.log_likelihoods(frames)[:, [2, 0]])


def test_long_utterances_are_computed_in_blocks():
    system = some_mixtures()
    frames = np.random.default_rng(2).normal(size=(1100, 4)).astype(np.float32)
    assert system.log_likelihoods(frames)[1000:] == pytest.approx(system.log_likelihoods(frames[1000:]), abs=1e-5)


def test_kaldis_model_is_written_again_except_for_rounding(kaldi_sample):
    path = kaldi_sample / "tri1_ali" / "final.mdl"
    system, raw = read_mixtures(path), path.read_bytes()
    theirs = raw[raw.index(b"<DIMENSION>") :]
    ours = system.to_bytes()
    assert (system.num_pdfs, system.dim) == (496, 48) and len(ours) == len(theirs)
    same = np.frombuffer(ours, np.uint8) == np.frombuffer(theirs, np.uint8)
    assert same.mean() > 0.99  # the last bits of what was inverted twice
    for tag in (b"<DiagGMM>", b"<GCONSTS>", b"<WEIGHTS>", b"<MEANS_INVVARS>", b"<INV_VARS>", b"</DiagGMM>"):
        assert [m.start() for m in re.finditer(tag, ours)] == [m.start() for m in re.finditer(tag, theirs)]


def test_likelihoods_are_kaldis(kaldi_sample, shared, tmp_path):
    """From sound to log-likelihoods, ten utterances. Kaldi dithered the sound and added noise to the pitch."""
    data = tmp_path / "test"
    data.mkdir()
    for name in ("wav.scp", "utt2spk", "spk2utt", "text"):
        lines = (shared / "aishell_sample/data/test" / name).read_text(encoding="utf-8-sig").splitlines()
        lines = [line for line in lines if line.startswith("BAC009S0150")]
        (data / name).write_text("".join(line.replace("../shared/data", str(shared)) + "\n" for line in lines))
    assert main(["features", "--data", str(data), "--out", str(tmp_path / "f"), "--kind", "mfcc", "--nj", "1"]) == 0
    system = read_mixtures(kaldi_sample / "tri1_ali" / "final.mdl")
    cepstra = Cepstra.make([data], tmp_path / "c.f32")
    compared = 0
    for utterance, theirs in read_matrices(kaldi_sample / "search" / "loglikes.ark.gz"):
        if utterance not in cepstra.places:
            continue
        ours = system.log_likelihoods(cepstra.full([utterance]))
        assert ours.shape == theirs.shape
        assert np.median(np.abs(ours - theirs)) < 1.0  # of about 140
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99
        compared += 1
    assert compared == 10


def test_text_models_are_read(tmp_path, kaldi_sample):
    head = gzip.decompress((kaldi_sample / "mono_ali" / "final.mdl.text.gz").read_bytes()).decode()
    mixture = (
        "<DiagGMM> <GCONSTS> [ -2 ] <WEIGHTS> [ 0.25 0.75 ] <MEANS_INVVARS> [\n 1 2\n 3 4 ] "
        "<INV_VARS> [\n 0.5 0.5\n 2 2 ] </DiagGMM>\n"
    )
    path = tmp_path / "final.mdl"
    path.write_text(head + "<DIMENSION> 2 <NUMPDFS> 181\n" + 181 * mixture)
    system = read_mixtures(path)
    assert system.num_gaussians == 362 and system.weights[:2].tolist() == [0.25, 0.75]
    assert system.means[:2].tolist() == [[2, 4], [1.5, 2]] and system.variances[1].tolist() == [0.5, 0.5]
    path.write_text(head + "<Nnet> ")
    with pytest.raises(InputError, match="holds <Nnet> after its transition model"):
        read_mixtures(path)
    path.write_text(head + "<DIMENSION> 2 <NUMPDFS> 7\n")
    with pytest.raises(InputError, match="do not fit the 181 pdfs"):
        read_mixtures(path)
    path.write_text(head + "<DIMENSION> 3 <NUMPDFS> 181\n" + 181 * mixture)
    with pytest.raises(InputError, match="does not have 2 Gaussians in 3 dimensions"):
        read_mixtures(path)
    path.write_text(head + "<DIMENSION> 2 <NUMPDFS> 181\n" + 181 * mixture.replace("2 2", "2 0"))
    with pytest.raises(InputError, match="negative weight or variance"):
        read_mixtures(path)


def test_every_cut_of_a_model_is_refused(tmp_path, kaldi_sample):
    raw = (kaldi_sample / "mono_ali" / "final.mdl").read_bytes()
    start = raw.index(b"<DIMENSION>")
    for size in range(start, len(raw) - 1, 4999):
        (tmp_path / "final.mdl").write_bytes(raw[:size])
        with pytest.raises(InputError):
            read_mixtures(tmp_path / "final.mdl")
