"""A shard: utterances that can never be aligned are tried once, and a shard without alignments is no error."""

import json

import numpy as np
import pytest

from asr.alignment.gmm import training
from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.shard import Aligned, GmmSystem, Shard
from asr.alignment.training_graph import AlignmentBeams
from asr.errors import InputError
from asr.kaldi.archives import write_matrices
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.tree import read_tree
from asr.lang.lexicon_fst import lexicon_fst, write_fst

PHONES = {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "b": 4, "zh": 5, "#0": 6}
WORDS = {"<eps>": 0, "甲": 1, "乙": 2, "丙": 3, "#0": 4}


@pytest.fixture
def shard(small, tmp_path):
    """good: 60 frames for 甲; short: 4 frames for 甲乙, which need 9; strange: a word without pronunciation."""
    folder, model = small
    write_fst(lexicon_fst([("甲", ("b", "a1")), ("乙", ("zh",))], PHONES, WORDS), tmp_path / "L.fst")
    rng = np.random.default_rng(1)
    matrices = {
        key: rng.normal(size=(n, 3)).astype(np.float32) for key, n in (("good", 60), ("short", 4), ("strange", 9))
    }
    (tmp_path / "data").mkdir()
    write_matrices(tmp_path / "data/feats.ark", matrices.items(), scp=tmp_path / "data/feats.scp")
    about = {"kind": "mfcc", "mel_bins": 23, "num_ceps": 2, "dim": 3, "norm": "none"}
    (tmp_path / "data/features.json").write_text(json.dumps(about))
    cepstra = Cepstra.make([tmp_path / "data"], tmp_path / "c.f32")
    made = Shard({"good": [1], "short": [1, 2], "strange": [3]}, cepstra, tmp_path / "L.fst", 1)
    made.compile(read_tree(folder / "tree"), model)
    return made, GmmSystem(read_tree(folder / "tree"), model, flat(model.num_pdfs))


def flat(pdfs):
    return Mixtures(
        np.arange(pdfs + 1),
        np.ones(pdfs, dtype=np.float32),
        np.zeros((pdfs, 9), dtype=np.float32),
        np.ones((pdfs, 9), dtype=np.float32),
    )


def test_an_utterance_that_can_never_be_aligned_is_not_tried_again(shard, monkeypatch):
    made, system = shard
    first = made.align_equally()
    assert made.alignments.keys() == {"good"} and first.frames == 60
    assert first.faults == {
        "short": "4 frames, but its transcript needs 9: cut sound, or another transcript",
        "strange": "the lexicon has no pronunciation of the transcript",
    }
    tried = []
    graph = made._graph
    monkeypatch.setattr(made, "_graph", lambda key: tried.append(key) or graph(key))
    made.compile(system.tree, system.model)
    again = made.align(system, AlignmentBeams())
    assert tried == ["good"] and again.faults == first.faults and again.frames == 60


def test_a_shard_without_alignments_has_empty_statistics(shard):
    made, system = shard
    made.words = {"short": [1, 2]}
    assert made.align(system, AlignmentBeams()).frames == 0 and made.alignments == {}
    sums, counts = made.accumulate(system)
    assert not sums.occupancy.any() and not counts.any()
    assert made.moments().shape == (2, 10) and not made.moments().any()
    assert len(made.contexts(system.model, 3, 1, frozenset({1})).keys) == 0
    made.convert(system.model, system.tree, system.model)
    assert made.current() == {}


class FakeShards:
    """Shards whose utterances align only within a retry beam of `least` or more."""

    def __init__(self, least):
        self.least, self.beams, self.widened = least, [], False

    def call(self, method, system, beams):
        self.beams.append(beams.retry_beam)
        return [Aligned(frames=7)] if beams.retry_beam >= self.least else [Aligned({"a": "no path"})]


def test_the_beam_is_widened_with_one_warning_if_nothing_aligns(shard, capsys):
    _, system = shard
    shards = FakeShards(1000)
    assert [training.align(shards, system, AlignmentBeams()).frames for _ in range(2)] == [7, 7]
    assert shards.beams == [40, training.WIDE_BEAM] * 2
    assert capsys.readouterr().err.count("no utterance aligns within the retry beam of 40") == 1
    with pytest.raises(InputError, match="a: no utterance can be aligned; the first: no path"):
        training.align(FakeShards(1e9), system, AlignmentBeams())
    with pytest.raises(InputError, match="a: no utterance can be aligned"):  # a trained system's beam stays
        training.align_last(FakeShards(1000), system)
