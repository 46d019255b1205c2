"""Align a data directory with a network, in worker processes.

A network with adapted columns hears those of the utterance's speaker. A speaker without a transform gets one first:
his utterances are aligned with unadapted columns, and the transform is estimated from their paths, silence left out,
by the Gaussians in MODEL/adapt, as Kaldi's align_fmllr.sh does. At most MOST_FRAMES of a speaker are aligned twice.

reads   MODEL/config.json final.safetensors ali_train_pdf.counts [adapt/]; ALI/final.mdl tree; DATA/feats.scp
        features.json cmvn.scp utt2spk

    system = NetworkSystem(Path("exp/net"), "final", Path("exp/ali"), lang.lexicon, lang.classes.silence, beams)
    aligned, faults = align_set(system, Path("exp/data/train"), {"utt": [12, 7]}, transforms, nj=0)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from asr.acoustic.adaptation import NetworkAdaptation
from asr.alignment.training_graph import AlignmentBeams, GraphCompiler, scores_of_transitions
from asr.console import progress, say
from asr.errors import InputError
from asr.features.adaptation.reader import AdaptedReader
from asr.features.adaptation.speaker import MOST_FRAMES, speech
from asr.features.reader import FeatureReader
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import Ints, read_transition_model
from asr.kaldi.tree import read_tree
from asr.parallel.pool import Pool
from asr.parallel.processes import processes_for

R = TypeVar("R")
Words = dict[str, list[int]]  # {utterance: word-ids of its transcript}
#: (utterances, {speaker of theirs: transform})
Job = tuple[Words, Mapping[str, Floats]]
#: ({utterance: transition-ids}, {utterance: reason why it has none})
AlignedPart = tuple[dict[str, Ints], dict[str, str]]
UTTERANCES_AT_ONCE = 25


@dataclass(frozen=True)
class NetworkSystem:
    """What aligns: the network in `model`, the tree and transition model in `ali`, the lexicon's L.fst.

    silence: the phones that adapt no speaker.
    """

    model: Path
    weights: str
    ali: Path
    lexicon: Path
    silence: frozenset[int]
    beams: AlignmentBeams


def align_set(
    system: NetworkSystem, data: Path, words: Words, transforms: Mapping[str, Floats], nj: int
) -> AlignedPart:
    """Align the utterances of a data directory.

    transforms: {speaker: float32 (dim, dim + 1)}; a network without adapted columns needs none.
    """
    names = sorted(words, key=str.encode)
    pieces = [names[at : at + UTTERANCES_AT_ONCE] for at in range(0, len(names), UTTERANCES_AT_ONCE)]
    speaker_of = FeatureReader(data).speaker if transforms else str

    def job(piece: Sequence[str]) -> Job:
        speakers = {speaker_of(name) for name in piece}
        return {name: words[name] for name in piece}, {who: transforms[who] for who in speakers & transforms.keys()}

    aligned: dict[str, Ints] = {}
    faults: dict[str, str] = {}
    parts = in_parallel(_align, (system, data), map(job, pieces), processes_for(nj, len(pieces)))
    for found, failed in progress(parts, len(pieces), f"realign: {data.name}, parts"):
        aligned |= found
        faults |= failed
    return aligned, faults


def transforms_of_others(
    system: NetworkSystem, data: Path, words: Words, known: Mapping[str, Floats], nj: int
) -> dict[str, Floats]:
    """Return the transforms of the speakers of `words` whom `known` lacks; of those who cannot be aligned, none."""
    speaker_of = FeatureReader(data).speaker
    of_speakers: dict[str, Words] = {}
    for utterance in sorted(words, key=str.encode):
        if (speaker := speaker_of(utterance)) not in known:
            of_speakers.setdefault(speaker, {})[utterance] = words[utterance]
    if not of_speakers:
        return {}
    jobs: Iterator[Job] = ((some, {}) for some in of_speakers.values())
    parts = in_parallel(_estimate, (system, data), jobs, processes_for(nj, len(of_speakers)))
    matrices = progress(parts, len(of_speakers), f"realign: {data.name}, speakers")
    pairs = zip(of_speakers, matrices, strict=True)
    found = {speaker: matrix for speaker, matrix in pairs if matrix is not None}
    if found:
        known_not = f"the SAT system does not know {len(found)} of the speakers: their transforms are estimated"
        say(f"realign: {data.name}: {known_not}")
    return found


def in_parallel(
    function: Callable[[Job], R], setup: tuple[Any, ...], jobs: Iterable[Job], processes: int
) -> Iterator[R]:
    """Yield function(job) of all jobs, in order."""
    with Pool(processes, _begin, setup, what="realign") as pool:
        yield from pool.map(function, jobs, name=lambda job: f"{min(job[0])} to {max(job[0])}")


class NetworkAligner:
    """The network, the features and the graph compiler that a process needs for one data directory."""

    def __init__(self, system: NetworkSystem, data: Path) -> None:
        import torch

        from asr.acoustic.model import AcousticModel

        torch.set_num_threads(1)
        self.network = AcousticModel.load(system.model, system.weights)
        self.plain = FeatureReader(data, self.network.config["features"])
        self.adaptation, self.silence = NetworkAdaptation.of(system.model, self.network.config), system.silence
        self.transition_model = read_transition_model(system.ali / "final.mdl")
        self.graphs = GraphCompiler(read_tree(system.ali / "tree"), self.transition_model, system.lexicon)
        self.beams, self.transitions = system.beams, scores_of_transitions(self.transition_model, system.beams)

    def features(self, transforms: Mapping[str, Floats]) -> FeatureReader | AdaptedReader:
        """Return what the network hears; transforms: of the speakers, who are otherwise not adapted."""
        if self.adaptation is None:
            return self.plain
        return AdaptedReader(self.plain, self.adaptation.columns, transforms)

    def align(self, utterance: str, words: Sequence[int], features: Mapping[str, np.ndarray]) -> Ints | str:
        """Return transition-ids, or the reason why there are none."""
        try:
            graph = self.graphs.compile(words)
            matrix = features[utterance]
        except InputError as error:
            return error.message
        if graph.too_long(len(matrix)):
            return graph.why_not(len(matrix))
        loglikes = self.network.log_likelihoods(matrix)[:, graph.pdfs]
        tids = graph.align(loglikes, self.transitions, self.beams)
        return graph.why_not(len(loglikes), self.beams) if tids is None else tids

    def estimate(self, words: Words) -> Floats | None:
        """Return the transform of the one speaker of the utterances `words`; None if none of them can be aligned."""
        assert self.adaptation is not None
        reader = AdaptedReader(self.plain, self.adaptation.columns)
        paths: list[Ints] = []
        features: list[Floats] = []
        for utterance, ids in words.items():
            if sum(map(len, paths)) >= MOST_FRAMES:
                break
            if not isinstance(tids := self.align(utterance, ids, reader), str):
                paths.append(tids)
                features.append(reader.projected(utterance))
        if not paths:
            return None
        path, model = np.concatenate(paths), self.transition_model
        pdfs, weights = model.tid_to_pdf[path], speech(path, model, self.silence)
        return self.adaptation.speaker_model.estimate(np.concatenate(features), pdfs, weights).matrix


_aligner: NetworkAligner | None = None  # of this process


def _begin(*setup: Any) -> None:
    global _aligner
    _aligner = NetworkAligner(*setup)


def _align(job: Job) -> AlignedPart:
    assert _aligner is not None
    words, features = job[0], _aligner.features(job[1])
    aligned: dict[str, Ints] = {}
    faults: dict[str, str] = {}
    for utterance, ids in words.items():
        result = _aligner.align(utterance, ids, features)
        if isinstance(result, str):
            faults[utterance] = result
        else:
            aligned[utterance] = result
    return aligned, faults


def _estimate(job: Job) -> Floats | None:
    assert _aligner is not None
    return _aligner.estimate(job[0])
