"""Speakers who were never heard before: search, estimate each speaker's transform, search again with it.

The first source scores features before adaptation. The best paths of its search tell which pdf each frame belongs to.
From these the speaker's fMLLR transform is estimated, silence left out, as Kaldi's decode_fmllr does; the second
source scores the transformed features. Its paths are better, so a transform is estimated from them once more. These
searches are narrow: of each only the best path is read. Networks and Gaussians differ only in their sources.

    source = acoustic_source(model, data)               # a TwoPassSource
    with SearchPool(setup, nj) as pool:
        source, record = adapted(source, pool, utterances, Weights(8.0), silence_of(graph))
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import say, warn
from asr.decoding.acoustic import AcousticSource, TwoPassSource
from asr.decoding.arrays import Ints
from asr.decoding.beam.search import Beams
from asr.decoding.pool import SearchPool
from asr.decoding.results import SearchResult
from asr.decoding.utterance import SearchTask
from asr.decoding.weights import Weights
from asr.features.adaptation.fmllr import Fmllr
from asr.features.adaptation.plausible import doubts
from asr.features.adaptation.speaker import speech
from asr.kaldi.transition_model import TransitionModel
from asr.lang.phone_classes import class_ids
from asr.tables import read_symbols

#: of the searches for transforms, of which only the best path is read; decode_fmllr's 10 and 2000 states give no
#: better transforms
FIRST_BEAMS = Beams(8.0, 1000, 2.0)
#: how often transforms are estimated, each time from the paths of the features that the last ones transformed
ESTIMATES = 2
#: ten minutes of a speaker are enough for a transform; the bound of memory where many people share a name
MOST_FRAMES = 60_000


def adapted(
    source: TwoPassSource,
    pool: SearchPool,
    utterances: Sequence[str],
    weights: Weights,
    silence: frozenset[int],
    estimates: int = ESTIMATES,
) -> tuple[AcousticSource, dict[str, Any]]:
    """Return (source of the adapted features, record for decode.json) after `estimates` searches of all utterances.

    weights: of these searches; silence: the phones that are left out of the estimates. An utterance without a path,
    or without features, does not count; the search that follows reports it. The record holds, of each speaker, the
    frames of speech and the improvement of the log-likelihood of a frame, and the seconds of searches and estimation.
    Warns of transforms that are far from plausible.
    """
    started = time.monotonic(), time.process_time()
    task = SearchTask(weights.lm_weight, weights.penalty, path=True, words=False, beams=FIRST_BEAMS)
    heard, found, frames, there = source.first, dict[str, Fmllr](), dict[str, int](), 0.0
    for number in range(1, estimates + 1):
        loglikes_of = heard.with_prior_scale(weights.prior_scale).loglikes_of
        what = f"decode: search {number} of {estimates} for transforms"
        results = pool.decode(utterances, loglikes_of, task, what=what)
        found, frames = _transforms(source, pool.transition_model, results, silence)
        _say(found)
        there += sum(result.cpu_s for result in results.values()) if pool.nj > 1 else 0.0
        heard = source.second({name: item.matrix for name, item in found.items()})
    for line in doubts(found, frames):
        warn(f"decode: {line}")
    record = {
        speaker: {"frames": round(item.frames, 1), "improvement": round(item.improvement / max(item.frames, 1.0), 4)}
        for speaker, item in found.items()
    }
    times = {"wall_s": time.monotonic() - started[0], "cpu_s": time.process_time() - started[1] + there}
    return heard, {
        "first_pass": asdict(weights),
        "estimates": estimates,
        **{name: round(seconds, 3) for name, seconds in times.items()},
        "speakers": record,
    }


def _transforms(
    source: TwoPassSource,
    transition_model: TransitionModel,
    results: Mapping[str, SearchResult],
    silence: frozenset[int],
) -> tuple[dict[str, Fmllr], dict[str, int]]:
    """Return (transform, frames that were considered) of each speaker of utterances that have a path.

    Speakers are in the order of their names' bytes.
    """
    by_speaker: dict[str, list[tuple[str, Ints]]] = {}
    for utterance, result in results.items():
        if result.path is not None:
            by_speaker.setdefault(source.speaker_of(utterance), []).append((utterance, result.path))
    names = sorted(by_speaker, key=str.encode)
    estimated = {name: _estimate(source, transition_model, by_speaker[name], silence) for name in names}
    return {name: item for name, (item, _) in estimated.items()}, {name: n for name, (_, n) in estimated.items()}


def _estimate(
    source: TwoPassSource,
    transition_model: TransitionModel,
    paths: Sequence[tuple[str, Ints]],
    silence: frozenset[int],
) -> tuple[Fmllr, int]:
    """Return a speaker's transform, and the number of frames, with silence, that were considered.

    paths: the best ones, transition-ids, of the speaker's utterances; the first MOST_FRAMES count.
    """
    before = np.cumsum([0, *(len(path) for _, path in paths)])
    some = [item for item, frames in zip(paths, before, strict=False) if frames < MOST_FRAMES]
    tids = np.concatenate([path for _, path in some])
    features = np.concatenate([source.projected(utterance) for utterance, _ in some])
    weights = speech(tids, transition_model, silence)
    return source.model.estimate(features, transition_model.tid_to_pdf[tids], weights), len(tids)


def silence_of(graph: Path) -> frozenset[int]:
    """Return the silence phones of a graph folder (phones.txt, phones/silence.csl). Raises InputError."""
    return frozenset(class_ids(graph, "silence", read_symbols(graph / "phones.txt")))


def _say(found: Mapping[str, Fmllr]) -> None:
    frames = sum(item.frames for item in found.values())
    gain = sum(item.improvement for item in found.values()) / max(frames, 1.0)
    say(f"decode: adapted to {len(found)} speakers; log-likelihood {gain:+.2f} a frame of {frames:,.0f} of speech")
