"""A speaker's transform: with little speech near the identity and never worse than it on other utterances."""

from dataclasses import replace

import numpy as np
import pytest

from asr.errors import InputError
from asr.features.adaptation.affine import transformed
from asr.features.adaptation.fmllr import accumulate, identity, objective
from asr.features.adaptation.speaker import SpeakerModel


@pytest.fixture(scope="module")
def model(kaldi_speakers):
    pdfs, weights = kaldi_speakers.aligned("tri2_ali")
    return SpeakerModel.read(kaldi_speakers.folder / "tri2_ali", np.bincount(pdfs, weights=weights, minlength=1176))


def parts_of(kaldi_speakers):
    """Return {utterance: (features, pdfs, weights)}."""
    pdfs, weights = kaldi_speakers.aligned("tri2_ali")
    ends = np.cumsum([len(matrix) for matrix in kaldi_speakers.static.values()])[:-1]
    pieces = (np.split(array, ends) for array in (kaldi_speakers.projected, pdfs, weights))
    return dict(zip(kaldi_speakers.static, zip(*pieces, strict=True), strict=True))


def test_one_utterance_helps_the_others_of_its_speaker(kaldi_speakers, model):
    parts, gains = parts_of(kaldi_speakers), []
    for speaker in ("CV0006", "CV0168", "CV0231", "CV0238"):
        names = [name for name in parts if kaldi_speakers.speaker_of[name] == speaker]
        matrix = model.estimate(*parts[names[0]]).matrix
        rest = [accumulate(model.target, *parts[name]) for name in names[1:]]
        frames = sum(sums.beta for sums in rest)
        gains.append(sum(objective(sums, matrix) - objective(sums, identity(40)) for sums in rest) / frames)
    assert min(gains) > 0 and np.mean(gains) > 0.3, gains


def test_three_seconds_stay_near_the_identity(kaldi_speakers, model):
    features, pdfs, weights = parts_of(kaldi_speakers)["CV0231-" + first_of(kaldi_speakers, "CV0231")]
    short = model.estimate(features[:300], pdfs[:300], weights[:300])
    assert np.abs(short.matrix[:, :40] - np.eye(40)).max() < 0.5
    assert short.improvement > 0 and short.frames <= 300
    nothing = model.estimate(features[:0], pdfs[:0], weights[:0])
    assert nothing.matrix == pytest.approx(identity(40), abs=1e-5) and nothing.frames == 0


def first_of(kaldi_speakers, speaker):
    return next(name for name in kaldi_speakers.static if name.startswith(speaker)).removeprefix(f"{speaker}-")


def test_much_speech_is_fitted_at_least_as_well_as_by_kaldis_one_round(kaldi_speakers, model):
    pdfs, weights = kaldi_speakers.aligned("tri2_ali")
    mine = kaldi_speakers.speakers == "CV0231"
    found = model.estimate(kaldi_speakers.projected[mine], pdfs[mine], weights[mine])
    assert found.improvement / found.frames > 4.377  # Kaldi's, in one round and without a prior


def test_other_pdfs_and_other_gaussians_are_refused(kaldi_speakers, tmp_path):
    with pytest.raises(InputError, match=r"final.mdl: has \d+ pdfs, not 3"):
        SpeakerModel.read(kaldi_speakers.folder / "tri2_ali", [1, 2, 3])
    (tmp_path / "final.mdl").write_bytes((kaldi_speakers.folder / "tri2_ali" / "final.mdl").read_bytes())
    (tmp_path / "final.alimdl").write_bytes((kaldi_speakers.folder / "tri3" / "final.mdl").read_bytes())
    with pytest.raises(InputError, match=r"final.alimdl: does not have the Gaussians of the final.mdl beside it"):
        SpeakerModel.read(tmp_path, np.ones(1176))


def test_gaussians_are_chosen_before_adaptation_by_alimdl_and_after_it_by_the_final_model(kaldi_speakers, model):
    other = replace(model, unadapted=replace(model.target, means=model.target.means + 1))
    features, pdfs, weights = parts_of(kaldi_speakers)["CV0231-" + first_of(kaldi_speakers, "CV0231")]
    before = other.sums(features, pdfs, weights)
    wanted = accumulate(
        model.target, features, pdfs, weights, posteriors=other.unadapted, posterior_features=features
    )
    assert before.beta == wanted.beta and np.array_equal(before.G, wanted.G)
    assert not np.array_equal(before.K, model.sums(features, pdfs, weights).K)
    matrix = other.transform(before).matrix
    after = other.sums(features, pdfs, weights, matrix)
    seen = transformed(features, matrix)
    wanted = accumulate(model.target, features, pdfs, weights, posterior_features=seen)
    assert np.array_equal(after.K, wanted.K)
    assert np.array_equal(other.estimate(features, pdfs, weights).matrix, other.transform(after).matrix)
