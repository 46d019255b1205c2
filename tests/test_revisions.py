"""Results of stages, bit for bit or to four digits: a change of them has to raise the stage's REVISION.

Otherwise an upgraded project takes the old results for up to date. If a test fails here and the change is intended,
raise REVISION in the stage's module, and put both new values into the table.
"""

from __future__ import annotations

import hashlib
import importlib

import numpy as np
import pytest

from asr.cli import VERBS, main
from asr.features.compute import FeatureConfig, compute
from asr.features.normalise import statistics

RESULTS = {
    "lang": (2, "a29ca0bc02613874"),
    "features": (1, "3.797e+05 4.661e+06"),
    "score": (3, "cb80b0ed536157b7"),
}
TEXT = {"a1": "今天天气很好", "a2": "我们去公园玩", "b1": "今天去吗", "b2": "天气 很 好 ok"}


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]


def lang(folder) -> str:
    (folder / "text").write_text("".join(f"{key} {text}\n" for key, text in TEXT.items()), encoding="utf-8")
    assert main(["lang", "--text", str(folder / "text"), "--out", str(folder / "lang")]) == 0
    names = ("lexicon.txt", "words.txt", "phones.txt", "topo", "lm.arpa", "G.fst", "L.fst", "L_disambig.fst")
    return digest(*((folder / "lang" / name).read_bytes() for name in names))


def features(folder) -> str:
    """Return four digits of sums over a sweep: the bits depend on the processor."""
    time_s = np.arange(16000) / 16000
    sweep = (8000 * np.sin(2 * np.pi * (200 + 600 * time_s) * time_s)).astype(np.float32)
    sums = [float(np.abs(statistics(compute(sweep, FeatureConfig(kind=kind)))).sum()) for kind in ("fbank", "mfcc")]
    return " ".join(f"{value:.4g}" for value in sums)


def score(folder) -> str:
    (folder / "decode.json").write_text('{"complete": true}')
    (folder / "ref").write_text("".join(f"{key} {text}\n" for key, text in TEXT.items()), encoding="utf-8")
    (folder / "hyp.txt").write_text(
        "a1 今天天很好\na2 我们去公园玩\nb1 明天去吗吗\nb2 天气很好 ok\n", encoding="utf-8"
    )
    out = folder / "decode_toy"
    options = ["--ref", str(folder / "ref"), "--hyp", str(folder / "hyp.txt"), "--out", str(out)]
    assert main(["score", *options]) == 0
    return digest(*((out / name).read_bytes() for name in ("cer", "wer", "per_utt", "ops")))


@pytest.mark.parametrize("verb", RESULTS)
def test_results_change_only_with_the_revision(verb, tmp_path):
    revision = importlib.import_module(VERBS[verb]).REVISION
    result = {"lang": lang, "features": features, "score": score}[verb](tmp_path)
    assert (revision, result) == RESULTS[verb], f"asr {verb} gives another result: raise its REVISION (see above)"
