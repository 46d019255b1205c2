"""Adapted columns against Kaldi's features, as a mapping of utterances; what cannot be used is refused."""

import json

import numpy as np
import pytest

from asr.errors import InputError
from asr.features import normalise
from asr.features.adaptation.affine import read_matrix, transformed, write_matrix
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.reader import AdaptedReader, Forgetting
from asr.features.reader import FeatureReader, describe
from asr.kaldi.archives import read_matrices


@pytest.fixture
def opened(kaldi_speakers, tmp_path):
    """Return (reader of the data directory, columns of tri2)."""
    features = FeatureReader(kaldi_speakers.write_data(tmp_path / "data"))
    return features, AdaptedColumns.read(kaldi_speakers.folder / "tri2_ali", features.description)


def test_columns_are_kaldis_features_after_its_own(kaldi_speakers, opened):
    features, columns = opened
    [(utterance, theirs)] = read_matrices(kaldi_speakers.folder / "expected" / "tri2_feats_CV0001-18658374.txt.gz")
    unknown = AdaptedReader(features, columns)
    assert unknown[utterance][:, :13] == pytest.approx(features[utterance])
    assert unknown[utterance][:, 13:] == pytest.approx(theirs, abs=2e-5)
    assert unknown.projected(utterance) == pytest.approx(theirs, abs=2e-5)
    adapted = AdaptedReader(features, columns, kaldi_speakers.transforms)
    wanted = transformed(theirs.astype(np.float32), kaldi_speakers.transforms["CV0001"])
    assert adapted[utterance].dtype == np.float32
    assert adapted[utterance][:, 13:] == pytest.approx(wanted, abs=5e-5)


def test_it_is_a_mapping_like_that_of_the_features(opened):
    features, columns = opened
    reader = AdaptedReader(features, columns)
    assert list(reader) == list(features) and len(reader) == 49
    assert "CV0001-18658374" in reader and "other" not in reader
    assert reader.data == features.data and reader.description == features.description


def test_columns_are_normalised_by_the_sums_of_training_frames(kaldi_speakers, opened, tmp_path):
    features, columns = opened
    plain = AdaptedReader(features, columns, kaldi_speakers.transforms)
    sums = sum(normalise.statistics(plain.adapted(utterance)) for utterance in features)
    for name in ("final.mat", "splice_opts"):
        (tmp_path / name).write_bytes((kaldi_speakers.folder / "tri2_ali" / name).read_bytes())
    columns.with_statistics(sums).write_statistics(tmp_path)
    again = AdaptedReader(features, AdaptedColumns.read(tmp_path, features.description), kaldi_speakers.transforms)
    every = np.concatenate([again.adapted(utterance) for utterance in features])
    assert every.mean(axis=0) == pytest.approx(0, abs=1e-4) and every.std(axis=0) == pytest.approx(1, abs=1e-3)


def test_a_share_of_the_utterances_is_read_as_of_unknown_speakers(kaldi_speakers, opened):
    features, columns = opened
    known = AdaptedReader(features, columns, kaldi_speakers.transforms)
    some = AdaptedReader(features, columns, kaldi_speakers.transforms, Forgetting(0.5, seed=1))
    unknown = AdaptedReader(features, columns)
    kinds = []
    for utterance in features:
        mine = some.adapted(utterance)
        kinds.append(np.array_equal(mine, unknown.adapted(utterance)))
        assert kinds[-1] or np.array_equal(mine, known.adapted(utterance))
    assert 10 < sum(kinds) < 40


def test_forgetting_depends_on_name_and_seed_alone():
    names = [f"u{number}" for number in range(2000)]
    drawn = [name in Forgetting(0.2, seed=3) for name in names]
    assert drawn == [name in Forgetting(0.2, seed=3) for name in names]
    assert 300 < sum(drawn) < 500
    assert drawn != [name in Forgetting(0.2, seed=4) for name in names]
    assert not any(name in Forgetting() for name in names) and all(name in Forgetting(1.0) for name in names)


def test_features_of_another_kind_are_refused(kaldi_speakers, opened, tmp_path):
    features, columns = opened
    with pytest.raises(InputError, match=r"final.mat: projects 91 columns, these features have 112 when"):
        AdaptedColumns.read(kaldi_speakers.folder / "tri2_ali", {**features.description, "dim": 16})
    path = features.data / "features.json"
    path.write_text(json.dumps({**describe(features.data), "norm": "none"}))
    with pytest.raises(InputError, match="norm is none, but speaker adaptation needs features with --norm speaker"):
        AdaptedReader(FeatureReader(features.data), columns)


def test_statistics_of_another_projection_are_refused(kaldi_speakers, opened, tmp_path):
    write_matrix(tmp_path / "final.mat", read_matrix(kaldi_speakers.folder / "tri2_ali" / "final.mat"))
    (tmp_path / "splice_opts").write_text("--left-context=3 --right-context=3\n")
    write_matrix(tmp_path / "columns.mat", np.ones((2, 40), dtype=np.float32))
    with pytest.raises(InputError, match=r"columns.mat: does not match the projection"):
        AdaptedColumns.read(tmp_path, opened[0].description)
