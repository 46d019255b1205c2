"""The Gaussians' features: differences, spliced and projected frames, transforms of speakers."""

import pickle

import numpy as np
import pytest

from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.features.adaptation.splicing import SpliceContext

FRAMES = {"a1": 4, "a2": 3, "b1": 5}
SPEAKERS = {"a1": "a", "a2": "a", "b1": "b"}


@pytest.fixture
def cepstra(tmp_path):
    """Three utterances by two speakers, two columns each."""
    rows = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    (tmp_path / "c.f32").write_bytes(rows.tobytes())
    starts = np.cumsum([0, *FRAMES.values()]).tolist()
    places = {name: (start, frames) for start, (name, frames) in zip(starts, FRAMES.items(), strict=False)}
    return Cepstra(tmp_path / "c.f32", 2, places, {}, SPEAKERS)


def test_the_first_space_has_differences(cepstra):
    space = FeatureSpace()
    assert space.dim(2) == 6 and np.array_equal(space.features(cepstra, ["b1", "a1"]), cepstra.full(["b1", "a1"]))
    assert space.features(cepstra, []).shape == (0, 6)


def test_spliced_frames_are_projected_and_transformed_by_speaker(cepstra):
    rng = np.random.default_rng(2)
    projection = rng.normal(size=(3, 6)).astype(np.float32)
    transform = rng.normal(size=(3, 4)).astype(np.float32)
    space = FeatureSpace(SpliceContext(1, 1), projection, {"a": transform})
    assert space.dim(2) == 3 and FeatureSpace(SpliceContext(1, 1)).dim(2) == 6
    found = space.features(cepstra, ["b1", "a2"])
    static = {name: cepstra.static([name])[0] for name in FRAMES}
    rows = []
    for name in ("b1", "a2"):
        for t in range(FRAMES[name]):
            places = np.clip([t - 1, t, t + 1], 0, FRAMES[name] - 1)
            row = projection @ static[name][places].ravel()
            rows.append(transform @ [*row, 1] if name == "a2" else row)
    assert found == pytest.approx(np.array(rows), abs=1e-5)
    plain = space.unadapted().features(cepstra, ["b1", "a2"])
    assert np.array_equal(plain[:5], found[:5]) and not np.array_equal(plain[5:], found[5:])
    assert space.features(cepstra, []).shape == (0, 3)


def test_the_cepstra_travel_to_other_processes(cepstra):
    cepstra.full(["a1"])  # maps the file
    copy = pickle.loads(pickle.dumps(cepstra))
    assert np.array_equal(copy.full(["a1", "b1"]), cepstra.full(["a1", "b1"]))
    assert copy.speaker("a2") == "a" and copy.speaker("c1") == "c1"
