"""Differences by hand, means by speaker."""

import json

import numpy as np
import pytest

from asr.alignment.gmm.cepstra import Cepstra, check_same, with_differences
from asr.errors import InputError
from asr.kaldi.archives import write_matrices


def write_data(folder, matrices, speakers, **about):
    """Write a data directory with features, as the feature stage does."""
    folder.mkdir()
    write_matrices(folder / "feats.ark", sorted(matrices.items()), scp=folder / "feats.scp")
    description = {"kind": "mfcc", "mel_bins": 23, "num_ceps": 2, "dim": 3, "pitch": False, "norm": "none", **about}
    (folder / "features.json").write_text(json.dumps(description))
    (folder / "utt2spk").write_text("".join(f"{name} {speakers[name]}\n" for name in sorted(matrices)))
    return folder


def test_differences_of_a_ramp_by_hand():
    ramp = np.arange(10, dtype=np.float32)[:, None]
    full = with_differences(ramp, [10])
    assert full[:, 0].tolist() == list(range(10))
    assert full[2:8, 1] == pytest.approx(1)  # a slope of one a frame
    # the first frame: (-2 * 0 - 1 * 0 + 0 + 1 * 1 + 2 * 2) / 10
    assert full[0, 1] == pytest.approx(0.5) and full[1, 1] == pytest.approx(0.8)
    assert full[4:6, 2] == pytest.approx(0, abs=1e-6)
    # weights of the second difference: the first one's, convolved with itself
    assert full[0, 2] == pytest.approx(sum(w * max(0, o) for o, w in zip(range(-4, 5), SECOND, strict=True)))


SECOND = [0.04, 0.04, 0.01, -0.04, -0.10, -0.04, 0.01, 0.04, 0.04]


def test_differences_stop_at_the_utterance():
    rows = np.random.default_rng(2).normal(size=(12, 3)).astype(np.float32)
    together = with_differences(rows, [5, 7])
    apart = [with_differences(rows[:5], [5]), with_differences(rows[5:], [7])]
    assert np.array_equal(together, np.concatenate(apart))


def test_means_are_by_speaker_and_set(tmp_path):
    rng = np.random.default_rng(3)
    matrices = {name: rng.normal(5, 1, (frames, 3)).astype(np.float32) for name, frames in (("a", 4), ("b", 6))}
    other = {"c": rng.normal(9, 1, (5, 3)).astype(np.float32)}
    train = write_data(tmp_path / "train", matrices, {"a": "s", "b": "s"})
    dev = write_data(tmp_path / "dev", other, {"c": "s"})
    cepstra = Cepstra.make([train, dev], tmp_path / "work" / "c.f32")
    assert cepstra.dim == 3 and [cepstra.frames(name) for name in "abc"] == [4, 6, 5]
    mean = np.concatenate([matrices["a"], matrices["b"]]).mean(axis=0)
    assert cepstra.full(["b"])[:, :3] == pytest.approx(matrices["b"] - mean, abs=1e-5)
    assert cepstra.full(["c"])[:, :3] == pytest.approx(other["c"] - other["c"].mean(axis=0), abs=1e-5)


def test_sets_of_different_kinds_are_refused(tmp_path):
    rows = np.ones((3, 3), dtype=np.float32)
    one = write_data(tmp_path / "one", {"a": rows}, {"a": "s"})
    two = write_data(tmp_path / "two", {"b": rows[:, :2]}, {"b": "s"}, dim=2)
    with pytest.raises(InputError, match="features of 2 kinds"):
        Cepstra.make([one, two], tmp_path / "c.f32")
    with pytest.raises(InputError, match=r"one/feats\.scp: a: is in another set as well"):
        Cepstra.make([one, one], tmp_path / "c.f32")
    three = write_data(tmp_path / "three", {"c": rows}, {"c": "s"}, mel_bins=40)
    with pytest.raises(InputError, match=r"three/features\.json: mel_bins is 40, but the system was trained with 23"):
        check_same(one, three)


def test_unusable_features_are_left_out_and_named(tmp_path):
    """Means are of the remaining utterances; a speaker may have none, but not a whole data directory."""
    good = np.arange(12, dtype=np.float32).reshape(4, 3)
    bad = good.copy()
    bad[1, 2] = np.nan
    matrices = {"a": good, "b": bad, "c": good[:, :2], "d": good[:0], "e": good + 1, "f": good * 1e30, "g": good}
    train = write_data(tmp_path / "train", matrices, dict.fromkeys("abcdefg", "s"))
    (train / "utt2spk").write_text("a s\nb s\nc t\nd t\ne s\nf t\n")  # without g
    cepstra = Cepstra.make([train], tmp_path / "c.f32")
    assert cepstra.places.keys() == {"a", "e"}
    assert cepstra.full(["a"])[:, :3] == pytest.approx(good - (2 * good + 1).mean(axis=0) / 2, abs=1e-5)
    assert cepstra.faults == {
        "b": f"{train / 'feats.ark'}: holds a NaN or an infinity",
        "c": f"{train / 'feats.scp'}: has 2 columns, not 3",
        "d": f"{train / 'feats.scp'}: holds no frame",
        "f": f"{train / 'feats.scp'}: holds a value of size 1.1e+31, which no features have",
        "g": f"{train / 'utt2spk'}: lacks the utterance",
    }
    worse = write_data(tmp_path / "worse", {"b": bad}, {"b": "s"})
    with pytest.raises(InputError, match=r"b: no features can be used; the first: .*NaN"):
        Cepstra.make([worse], tmp_path / "c.f32")
    beside = write_data(tmp_path / "beside", {"f": good}, {"f": "s"})
    assert Cepstra.make([worse, beside], tmp_path / "c.f32").places == {"f": (0, 4)}


def test_a_description_that_lacks_an_entry_is_named(tmp_path):
    train = write_data(tmp_path / "train", {"a": np.ones((3, 3), dtype=np.float32)}, {"a": "s"})
    (train / "features.json").write_text('{"dim": 3, "kind": "mfcc"}')
    with pytest.raises(InputError, match=r"features\.json: does not say mel_bins; run the feature stage"):
        Cepstra.make([train], tmp_path / "c.f32")
