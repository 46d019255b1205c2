"""Trains a system of Gaussian mixtures: iterations of statistics and update, realignments, more Gaussians as it goes.

The courses are those of Kaldi's steps/train_mono.sh and steps/train_deltas.sh.

    system = train(crew, system, MONOPHONE, 1000, rng, "monophones")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.alignment.gmm.crew import Crew
from asr.alignment.gmm.mixtures import Mixtures
from asr.alignment.gmm.shard import Aligned, ContextStatistics, System, summed
from asr.alignment.gmm.splitting import means_and_variances
from asr.alignment.gmm.update import Sums, split, update
from asr.alignment.training_graph import Beams
from asr.console import progress, say, warn
from asr.errors import InputError
from asr.kaldi.transition_model import TransitionModel
from asr.kaldi.tree import ContextTree
from asr.kaldi.wheel_bridge import khg_transition_model

#: the retry beam where nothing aligns within the usual one
WIDE_BEAM = 2000.0


@dataclass(frozen=True)
class Course:
    """How long to train: iterations, those that begin with a realignment, the last one that adds Gaussians."""

    iterations: int
    realign: tuple[int, ...]
    last_increase: int
    first_beam: float = 10.0


MONOPHONE = Course(40, (*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38), 30, first_beam=6.0)
TRIPHONE = Course(35, (10, 20, 30), 25)


def train(crew: Crew, system: System, course: Course, target: int, rng: np.random.Generator, name: str) -> System:
    """Train on the crew's present alignments, up to `target` Gaussians. Raises InputError when nothing aligns."""
    aligned = Aligned()
    gaussians = system.mixtures.num_gaussians
    step = max(0.0, (target - gaussians) / course.last_increase)
    beams = Beams(beam=course.first_beam)
    for iteration in progress(range(1, course.iterations + 1), course.iterations, f"align: {name}, iterations"):
        if iteration in course.realign:
            aligned = align(crew, system, beams)
            beams = Beams()
        wanted = round(gaussians + step * iteration) if iteration <= course.last_increase else 0
        system = reestimated(crew, system, wanted, rng)
    say(
        f"align: {name}: {system.tree.num_pdfs} pdfs, {system.mixtures.num_gaussians} Gaussians, "
        f"log-likelihood a frame {aligned.log_likelihood / max(aligned.frames, 1):.2f} at the last realignment, "
        f"{len(aligned.faults)} utterances not aligned then"
    )
    return system


def reestimated(
    crew: Crew, system: System, wanted: int, rng: np.random.Generator, *, least_occupancy: float = 10.0
) -> System:
    """One iteration: sums at the present alignments, then Gaussians (`wanted` at most) and transitions anew."""
    sums, counts = Sums.zero(system.mixtures), np.zeros(system.model.num_transition_ids + 1)
    for part, seen in crew.call("accumulate", system):
        sums += part
        counts += seen
    occupancy = sums.of_pdfs(system.mixtures)
    mixtures = update(system.mixtures, sums, least_occupancy=least_occupancy)
    if wanted > mixtures.num_gaussians:
        mixtures = split(mixtures, wanted, occupancy, rng)
    return System(system.tree, with_transitions(system.model, counts), mixtures)


def with_transitions(model: TransitionModel, counts: np.ndarray) -> TransitionModel:
    """The model with the probabilities of `counts`, float64 (num_transition_ids + 1) (Kaldi's MleUpdate)."""
    import kaldi_hmm_gmm

    trained = khg_transition_model(model)
    trained.mle_update(counts, kaldi_hmm_gmm.MleTransitionUpdateConfig())
    return dataclasses.replace(model, tid_log_prob=np.array(trained.log_probs, dtype=np.float32))


def align(crew: Crew, system: System, beams: Beams) -> Aligned:
    """Realign all shards while training; with a wide beam, and a warning, where nothing aligns within the retry beam.

    Raises InputError when no utterance aligns.
    """
    aligned = align_any(crew, system, beams)
    if aligned.frames == 0:
        if not crew.widened:  # said once
            warn(
                f"no utterance aligns within the retry beam of {beams.retry_beam:g}, now {WIDE_BEAM:g}: are the "
                "transcripts those of the recordings?"
            )
        crew.widened = True
        aligned = align_any(crew, system, dataclasses.replace(beams, retry_beam=WIDE_BEAM))
    return _some(aligned)


def align_last(crew: Crew, system: System) -> Aligned:
    """Align all shards with a trained `system`, within the usual beams.

    Raises InputError when no utterance aligns: what a trained system aligns in a wide beam only has another
    transcript.
    """
    return _some(align_any(crew, system, Beams()))


def align_any(crew: Crew, system: System, beams: Beams) -> Aligned:
    """Realign all shards, whether or not an utterance aligns."""
    return _joined(crew.call("align", system, beams))


def align_equally(crew: Crew) -> Aligned:
    """The first alignment of all shards, every state equally long. Raises InputError when no utterance has one."""
    return _some(_joined(crew.call("align_equally")))


def _joined(parts: Sequence[Aligned]) -> Aligned:
    whole = Aligned()
    for part in parts:
        whole.faults |= part.faults
        whole.log_likelihood += part.log_likelihood
        whole.frames += part.frames
    return whole


def _some(aligned: Aligned) -> Aligned:
    if aligned.frames == 0:
        utterance, reason = next(iter(aligned.faults.items()))
        raise InputError(f"no utterance can be aligned; the first: {reason}", key=utterance)
    return aligned


def flat(crew: Crew, num_pdfs: int) -> Mixtures:
    """Every pdf one Gaussian with mean and variance of all frames: where training starts from nothing."""
    moments = sum(crew.call("moments"))
    row = np.concatenate([moments[0, -1:], moments[0, :-1], moments[1, :-1]])
    return _single(np.tile(row, (num_pdfs, 1)))


def from_statistics(tree: ContextTree, statistics: ContextStatistics) -> Mixtures:
    """A Gaussian for every pdf of a new tree; pdfs without frames get that of all frames."""
    pdfs = np.array([tree.compute(key[:-1].tolist(), int(key[-1])) for key in statistics.keys])
    sums = np.zeros((tree.num_pdfs, statistics.sums.shape[1]))
    np.add.at(sums, pdfs, statistics.sums)
    sums[sums[:, 0] == 0] = statistics.sums.sum(axis=0)
    return _single(sums)


def _single(sums: np.ndarray) -> Mixtures:
    """A Gaussian for every row of sums."""
    means, variances = means_and_variances(sums)
    weights = np.ones(len(means), dtype=np.float32)
    return Mixtures(np.arange(len(means) + 1), weights, means.astype(np.float32), variances.astype(np.float32))


def joined_statistics(parts: Sequence[ContextStatistics]) -> ContextStatistics:
    """The same contexts of all shards added up."""
    return summed(np.concatenate([part.keys for part in parts]), np.concatenate([part.sums for part in parts]))
