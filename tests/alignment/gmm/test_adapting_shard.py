"""The sums of a shard for LDA, MLLT and fMLLR: those of its frames at once; speakers whom two shards share."""

import numpy as np
import pytest

from asr.alignment.gmm import adapting_shard
from asr.alignment.gmm.adapting_shard import AdaptingShard
from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.lda import LdaSums
from asr.alignment.gmm.mllt import MlltSums
from asr.alignment.gmm.shard import GmmSystem
from asr.alignment.gmm.speaker_transforms import SpeakerTransforms, improvement
from asr.alignment.gmm.update import accumulate, update
from asr.features.adaptation.affine import read_matrix, transformed
from asr.features.adaptation.fmllr import expected
from asr.features.adaptation.speaker import SpeakerModel, speech
from asr.features.adaptation.splicing import SpliceContext
from asr.kaldi.alignments import read_alignments
from asr.kaldi.mixtures import Mixtures, read_mixtures
from asr.kaldi.system import read_system

SILENCE = frozenset({1, 2})


class Case:
    """The six speakers with Kaldi's tri2 system, whose features `space` makes."""

    def __init__(self, speakers, folder):
        self.cepstra = Cepstra.make([speakers.write_data(folder / "data")], folder / "c.f32")
        source = speakers.folder / "tri2_ali"
        known = read_system(source)
        self.system = GmmSystem(known.tree, known.model, read_mixtures(source / "final.mdl"))
        self.space = FeatureSpace(SpliceContext(3, 3), read_matrix(source / "final.mat"))
        self.alignments = dict(read_alignments(source))
        self.names = sorted(self.alignments)

    def shard(self, names, space=None, shared=frozenset()):
        made = AdaptingShard({name: [] for name in names}, self.cepstra, None, 1, shared)
        aligned = made.adopt(self.alignments)
        assert not aligned.faults and aligned.frames == sum(self.cepstra.frames(name) for name in names)
        made.enter(space or self.space)
        return made

    def flat(self, names):
        """Return (features, pdfs, weights) of all frames."""
        tids = np.concatenate([self.alignments[name] for name in names])
        model = self.system.model
        features = self.space.features(self.cepstra, names)
        return features, model.tid_to_pdf[tids], 1.0 * ~np.isin(model.tid_to_phone[tids], [1, 2])


@pytest.fixture(scope="module")
def case(kaldi_speakers, tmp_path_factory):
    return Case(kaldi_speakers, tmp_path_factory.mktemp("speakers"))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(adapting_shard, "BLOCK_FRAMES", 2000)


def test_sums_in_blocks_are_those_of_all_frames(case):
    names = case.names[:12]
    features, pdfs, weights = case.flat(names)
    shard = case.shard(names)
    model = case.system.model
    wide = FeatureSpace(SpliceContext(3, 3))
    lda = LdaSums.zero(model.num_pdfs, 91)
    lda.accumulate(wide.features(case.cepstra, names), pdfs, weights)
    found = shard.discriminants(model, SILENCE, wide)
    assert found.counts == pytest.approx(lda.counts) and found.second == pytest.approx(lda.second, rel=1e-9)
    mllt = MlltSums.zero(40)
    mllt.accumulate(case.system.mixtures, features, pdfs, weights)
    again = shard.semi_tied(case.system, SILENCE)
    assert again.beta == pytest.approx(mllt.beta) and pytest.approx(mllt.G, rel=1e-3, abs=1e-2) == again.G
    assert shard.spoken(model, SILENCE) == pytest.approx(np.bincount(pdfs, weights, minlength=model.num_pdfs))


def test_speakers_whom_two_shards_share_get_one_transform(case):
    mixtures = case.system.mixtures
    gaussians = SpeakerModel(mixtures, mixtures, expected(mixtures, np.ones(mixtures.num_pdfs)))
    whole = case.shard(case.names).transforms(case.system.model, SILENCE, gaussians)
    assert len(whole.found) == 6 and not whole.shared
    middle = case.names[len(case.names) // 2]
    speaker = case.cepstra.speaker(middle)
    cut = case.names.index(middle) + 1
    assert case.cepstra.speaker(case.names[cut]) == speaker
    parts = [
        case.shard(names, shared=frozenset({speaker})).transforms(case.system.model, SILENCE, gaussians)
        for names in (case.names[:cut], case.names[cut:])
    ]
    assert [list(part.shared) for part in parts] == [[speaker]] * 2
    joined = SpeakerTransforms.joined(parts, gaussians)
    assert joined.keys() == whole.found.keys()
    for name, item in whole.found.items():
        assert joined[name].matrix == pytest.approx(item.matrix, abs=2e-3)
        assert joined[name].frames == pytest.approx(item.frames)
    gain, frames = improvement(joined)
    assert gain > 1.5 and frames == pytest.approx(case.flat(case.names)[2].sum())


def test_a_second_estimate_uses_the_posteriors_of_adapted_features(case):
    """It is that of all frames of the speaker at once."""
    names = [name for name in case.names if case.cepstra.speaker(name) == case.cepstra.speaker(case.names[0])]
    features, pdfs, weights = case.flat(names)
    mixtures = case.system.mixtures
    gaussians = SpeakerModel(mixtures, mixtures, expected(mixtures, np.ones(mixtures.num_pdfs)))
    speaker = case.cepstra.speaker(names[0])
    present = gaussians.transform(gaussians.sums(features, pdfs, weights)).matrix
    wanted = gaussians.transform(gaussians.sums(features, pdfs, weights, present)).matrix
    adapted = FeatureSpace(case.space.context, case.space.projection, {speaker: present})
    found = case.shard(names, adapted).transforms(case.system.model, SILENCE, gaussians).found[speaker].matrix
    assert found == pytest.approx(wanted, abs=1e-3) and np.abs(found - present).max() > 0.01


def test_gaussians_of_unadapted_features_have_the_posteriors_of_adapted_ones(case):
    names = case.names[:6]
    transform = np.eye(40, 41, dtype=np.float32) * np.float32(1.1)
    transform[:, -1] = 0.3
    transforms = {case.cepstra.speaker(name): transform for name in names}
    shard = case.shard(names, FeatureSpace(case.space.context, case.space.projection, transforms))
    sums = shard.accumulate_unadapted(case.system)
    features, pdfs, _ = case.flat(names)
    mixtures, adapted = case.system.mixtures, transformed(case.flat(names)[0], transform)
    occupancy, x = np.zeros(mixtures.num_gaussians), np.zeros((mixtures.num_gaussians, 80))
    for plain, seen, pdf in zip(features.astype(float), adapted.astype(float), pdfs, strict=True):
        rows = mixtures.rows_of(pdf)
        distance = np.square(seen - mixtures.means[rows]) / mixtures.variances[rows] + np.log(
            mixtures.variances[rows]
        )
        each = np.log(mixtures.weights[rows]) - 0.5 * distance.sum(axis=1)
        share = np.exp(each - np.logaddexp.reduce(each))
        occupancy[rows] += share
        x[rows] += np.outer(share, [*plain, *np.square(plain)])
    assert sums.occupancy == pytest.approx(occupancy, abs=1e-2)
    assert sums.x == pytest.approx(x, abs=0.2, rel=1e-3)
    # means of frequent Gaussians follow the unadapted features; none of the Gaussians is removed
    model = update(mixtures, sums, keep_all=True)
    assert np.array_equal(model.first, mixtures.first)
    often = sums.occupancy > 20
    means = x[often, :40] / occupancy[often, None]
    assert often.any() and model.means[often] == pytest.approx(means, abs=0.01)
    rare = sums.occupancy < 1e-3
    assert rare.any() and np.array_equal(model.means[rare], mixtures.means[rare])


def test_counted_features_may_be_others(case):
    """Without `counted`, the sums are those of the features themselves."""
    features, pdfs, _ = case.flat(case.names[:2])
    mixtures = case.system.mixtures
    one, two = accumulate(mixtures, features, pdfs), accumulate(mixtures, features, pdfs, counted=features)
    assert np.array_equal(one.x, two.x) and np.array_equal(one.occupancy, two.occupancy)


def test_silence_has_no_weight(case):
    tids = case.alignments[case.names[0]]
    weights = speech(tids, case.system.model, SILENCE)
    assert set(np.unique(weights)) == {0.0, 1.0} and weights.dtype == np.float32
    assert weights.tolist() == [float(case.system.model.tid_to_phone[tid] > 2) for tid in tids]


def test_a_shard_without_alignments_has_empty_sums(case):
    shard = AdaptingShard({}, case.cepstra, None, 1, frozenset())
    shard.enter(case.space)
    mixtures = case.system.mixtures
    gaussians = SpeakerModel(mixtures, mixtures, expected(mixtures, np.ones(mixtures.num_pdfs)))
    assert shard.discriminants(case.system.model, SILENCE, FeatureSpace(SpliceContext(3, 3))).counts.sum() == 0
    assert shard.semi_tied(case.system, SILENCE).beta == 0
    assert shard.transforms(case.system.model, SILENCE, gaussians).found == {}
    assert shard.accumulate_unadapted(case.system).occupancy.sum() == 0
    assert shard.spoken(case.system.model, SILENCE).sum() == 0 and isinstance(mixtures, Mixtures)
