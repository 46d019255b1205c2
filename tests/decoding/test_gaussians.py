"""Systems of Gaussians as sources of the search: Kaldi's own LDA and MLLT system, with and without adaptation."""

import shutil

import numpy as np
import pytest

from asr.cli import main
from asr.decoding.acoustic import AcousticSource, TwoPassSource
from asr.decoding.gaussians import gaussian_files, gaussian_source, holds_gaussians
from asr.errors import InputError
from asr.features.adaptation.affine import read_matrix, transformed, write_matrix, write_transforms
from asr.features.adaptation.splicing import spliced
from asr.kaldi.mixtures import read_mixtures
from asr.kaldi.occupancy import read_occupancy, write_occupancy


@pytest.fixture(scope="module")
def data(kaldi_speakers, tmp_path_factory):
    return kaldi_speakers.write_data(tmp_path_factory.mktemp("gaussians") / "data")


@pytest.fixture
def tri2(kaldi_speakers, tmp_path):
    shutil.copytree(kaldi_speakers.folder / "tri2_ali", tmp_path / "tri2")
    return tmp_path / "tri2"


def hears(kaldi_speakers, folder, utterance):
    """Return what the system hears: cepstra minus the mean of the speaker's utterances here, spliced, projected."""
    speaker = kaldi_speakers.speaker_of[utterance]
    mine = [rows for name, rows in kaldi_speakers.static.items() if kaldi_speakers.speaker_of[name] == speaker]
    static = kaldi_speakers.static[utterance] - np.concatenate(mine).mean(axis=0)
    return transformed(spliced(static.astype("f"), [len(static)], 3, 3), read_matrix(folder / "final.mat"))


def test_kaldis_system_scores_its_features(kaldi_speakers, data, tri2):
    assert holds_gaussians(tri2) and tri2 / "final.mat" in gaussian_files(tri2)
    source = gaussian_source(tri2, data)
    assert isinstance(source, AcousticSource) and source.log_prior is None
    utterance = sorted(kaldi_speakers.static)[7]
    expected = read_mixtures(tri2 / "final.mdl").log_likelihoods(hears(kaldi_speakers, tri2, utterance))
    assert source.loglikes_of(utterance) == pytest.approx(expected, abs=0.02, rel=1e-3)
    with pytest.raises(InputError, match="nobody: has no features"):
        source.loglikes_of("nobody")


def test_a_system_with_adaptation_has_two_passes(kaldi_speakers, data, tri2):
    """The Gaussians for the first pass here have other means; the second one's features are transformed."""
    shutil.copy(kaldi_speakers.folder / "tri2_ali/final.mdl", tri2 / "final.alimdl")
    mixtures = read_mixtures(tri2 / "final.mdl")
    write_occupancy(tri2 / "final.occs", np.arange(mixtures.num_pdfs))
    assert {tri2 / "final.alimdl", tri2 / "final.occs"} <= set(gaussian_files(tri2))
    source = gaussian_source(tri2, data)
    assert isinstance(source, TwoPassSource)
    utterance = sorted(kaldi_speakers.static)[7]
    features = hears(kaldi_speakers, tri2, utterance)
    assert source.projected(utterance) == pytest.approx(features, abs=1e-3)
    assert source.speaker_of(utterance) == kaldi_speakers.speaker_of[utterance]
    assert source.first.loglikes_of(utterance) == pytest.approx(
        mixtures.log_likelihoods(features), abs=0.02, rel=1e-3
    )
    transform = np.eye(40, 41, dtype=np.float32) * np.float32(0.9)
    second = source.second({kaldi_speakers.speaker_of[utterance]: transform})
    adapted = mixtures.log_likelihoods(transformed(features, transform))
    assert second.loglikes_of(utterance) == pytest.approx(adapted, abs=0.02, rel=1e-3)
    assert source.second({}).loglikes_of(utterance) == pytest.approx(source.first.loglikes_of(utterance), abs=1e-4)


def test_transforms_without_gaussians_for_the_first_pass(kaldi_speakers, data, tri2, capsys):
    """Kaldi's decode_fmllr.sh uses final.mdl for both passes then. Without transforms there is one pass."""
    assert isinstance(gaussian_source(tri2, data), AcousticSource) and not capsys.readouterr().out
    write_transforms(tri2, [kaldi_speakers.transforms])
    assert tri2 / "trans.1" in gaussian_files(tri2)
    source = gaussian_source(tri2, data)
    assert isinstance(source, TwoPassSource) and source.model.unadapted is source.model.target
    said = f"decode: {tri2} has transforms of speakers and no final.alimdl: the first pass uses final.mdl too\n"
    assert capsys.readouterr().out == said
    shutil.copy(tri2 / "final.mdl", tri2 / "final.alimdl")
    assert isinstance(gaussian_source(tri2, data), TwoPassSource) and not capsys.readouterr().out
    assert tri2 / "trans.1" not in gaussian_files(tri2)


def test_a_loaded_folder_is_as_good_as_kaldis(kaldi_speakers, data, tri2, tmp_path):
    """`asr align --ali-dir` copies what the features need, with transforms of the speakers by archive."""
    shutil.copy(tri2 / "final.mdl", tri2 / "final.alimdl")
    write_transforms(tri2, [kaldi_speakers.transforms])
    of_ours = ("features.json", "phones/silence.csl")  # of a system of `asr align`: its networks adapt to speakers
    (tri2 / "phones").mkdir()
    (tri2 / "phones/silence.csl").write_text("1\n")
    shutil.copy(data / "features.json", tri2)
    options = ["--ali-dir", tri2, "--train-data", data, "--out", tmp_path / "ali"]
    assert main(["align", *map(str, options)]) == 0
    ours, theirs = gaussian_source(tmp_path / "ali", data), gaussian_source(tri2, data)
    utterance = sorted(kaldi_speakers.static)[3]
    assert np.array_equal(ours.first.loglikes_of(utterance), theirs.first.loglikes_of(utterance))
    assert all((tmp_path / "ali" / name).is_file() for name in of_ours)
    for name in of_ours:
        (tri2 / name).unlink()
    (tri2 / "trans.1").unlink()
    (tri2 / "final.alimdl").unlink()
    assert main(["align", *map(str, options)]) == 0  # those of the run before are removed
    assert not list((tmp_path / "ali").glob("trans.*"))
    assert not any((tmp_path / "ali" / name).exists() for name in ("final.alimdl", *of_ours))


def test_systems_that_do_not_fit_are_refused(data, tri2):
    shutil.copy(tri2 / "final.mdl", tri2 / "final.alimdl")
    write_occupancy(tri2 / "final.occs", np.ones(7))
    with pytest.raises(InputError, match=r"final\.occs: counts 7 pdfs, the final\.mdl beside it has [0-9]+"):
        gaussian_source(tri2, data)
    (tri2 / "final.occs").unlink()
    for switch in (
        "--norm-vars=true",
        "--norm-vars",
        "--norm-means=false",
        "--norm-means=perhaps",
        "--cmn-window=300",
    ):
        (tri2 / "cmvn_opts").write_text(f"--norm-vars=false {switch}\n")
        with pytest.raises(InputError, match=f"cmvn_opts: {switch}: only mean normalisation by speaker is supported"):
            gaussian_source(tri2, data)
    (tri2 / "cmvn_opts").write_text("--norm-means --norm-vars=false\n")
    gaussian_source(tri2, data)
    (tri2 / "cmvn_opts").unlink()
    (tri2 / "splice_opts").unlink()  # Kaldi then splices four frames each side
    with pytest.raises(InputError, match=r"final\.mat: projects 91 columns, the spliced cepstra of .* have 117"):
        gaussian_source(tri2, data)
    write_matrix(tri2 / "final.mat", np.ones((39, 117), dtype=np.float32))
    with pytest.raises(InputError, match=r"final\.mdl: has 40 dimensions, the features of .* have 39"):
        gaussian_source(tri2, data)
    (tri2 / "final.mat").unlink()
    with pytest.raises(InputError, match=r"; there is no final\.mat beside it, which a system of LDA needs"):
        gaussian_source(tri2, data)


def test_a_network_is_no_system_of_gaussians(tri2):
    (tri2 / "config.json").write_text("{}")
    assert not holds_gaussians(tri2)
    assert not holds_gaussians(tri2.parent / "empty")


def test_occupancies(tmp_path):
    path = tmp_path / "final.occs"
    write_occupancy(path, [1, 2.5, 0])
    assert path.read_bytes()[:9] == b"\0BFV \4\3\0\0" and read_occupancy(path).tolist() == [1, 2.5, 0]
    path.write_text(" [ 3 4 ]\n")
    assert read_occupancy(path).tolist() == [3, 4]
    path.write_bytes(b"\0BFV \4\3\0\0\0\0\0")
    with pytest.raises(InputError, match=r"final\.occs: "):
        read_occupancy(path)
    write_occupancy(path, [-1.0])
    with pytest.raises(InputError, match="does not hold one vector of frames of pdfs"):
        read_occupancy(path)
