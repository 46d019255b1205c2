"""Train a system of Gaussian mixtures: iterations of statistics and update, with realignments and more Gaussians.

The iterations are those of Kaldi's steps/train_mono.sh, train_deltas.sh, train_lda_mllt.sh and train_sat.sh.

    system = train(shards, system, MONOPHONE, 1000, rng, "monophones")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm.context_statistics import ContextStatistics, summed
from asr.alignment.gmm.shard import Aligned, GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.gmm.tree_building import means_and_variances
from asr.alignment.gmm.update import POWER, Sums, split, update
from asr.alignment.training_graph import AlignmentBeams
from asr.console import progress, say, warn
from asr.errors import InputError
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.transition_model import TransitionModel
from asr.kaldi.tree import ContextTree
from asr.kaldi.wheel_bridge import khg_transition_model

#: the retry beam if nothing aligns within the usual one
WIDE_BEAM = 2000.0


@dataclass(frozen=True)
class Iterations:
    """The number of iterations, those that begin with a realignment, and the last one that adds Gaussians.

    adapt: iterations that begin with another estimate of the features' transforms; power: see `split`.
    """

    count: int
    realign: tuple[int, ...]
    last_increase: int
    first_beam: float = 10.0
    adapt: tuple[int, ...] = ()
    power: float = POWER


#: a step that estimates the transforms of the features anew and returns the system for the new features
Adaptation = Callable[[GmmSystem], GmmSystem]
MONOPHONE = Iterations(40, (*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38), 30, first_beam=6.0)
TRIPHONE = Iterations(35, (10, 20, 30), 25)
LDA_MLLT = Iterations(35, (10, 20, 30), 25, adapt=(2, 4, 6, 12))
SPEAKERS = Iterations(35, (10, 20, 30), 25, adapt=(2, 4, 6, 12), power=0.2)


def train(
    shards: ShardPool,
    system: GmmSystem,
    iterations: Iterations,
    target: int,
    rng: np.random.Generator,
    name: str,
    adaptation: Adaptation | None = None,
) -> GmmSystem:
    """Train from the present alignments, up to `target` Gaussians; `name`: the system, for the user.

    Raises InputError if no utterance aligns.
    """
    aligned = Aligned()
    gaussians = system.mixtures.num_gaussians
    step = max(0.0, (target - gaussians) / iterations.last_increase)
    beams = AlignmentBeams(beam=iterations.first_beam)
    for iteration in progress(range(1, iterations.count + 1), iterations.count, f"align: {name}, iterations"):
        if iteration in iterations.realign:
            aligned = align(shards, system, beams)
            beams = AlignmentBeams()
        if adaptation is not None and iteration in iterations.adapt:
            system = adaptation(system)
        wanted = round(gaussians + step * iteration) if iteration <= iterations.last_increase else 0
        system = reestimated(shards, system, wanted, rng, power=iterations.power)
    say(
        f"align: {name}: {system.tree.num_pdfs} pdfs, {system.mixtures.num_gaussians} Gaussians, "
        f"log-likelihood a frame {aligned.log_likelihood / max(aligned.frames, 1):.2f} at the last realignment, "
        f"{len(aligned.faults)} utterances not aligned then"
    )
    return system


def reestimated(
    shards: ShardPool,
    system: GmmSystem,
    wanted: int,
    rng: np.random.Generator,
    *,
    least_occupancy: float = 10.0,
    power: float = POWER,
) -> GmmSystem:
    """Return the system after one iteration at the present alignments, with at most `wanted` Gaussians."""
    sums, counts = Sums.zero(system.mixtures), np.zeros(system.model.num_transition_ids + 1)
    for part, seen in shards.call("accumulate", system):
        sums += part
        counts += seen
    occupancy = sums.of_pdfs(system.mixtures)
    mixtures = update(system.mixtures, sums, least_occupancy=least_occupancy)
    if wanted > mixtures.num_gaussians:
        mixtures = split(mixtures, wanted, occupancy, rng, power)
    return GmmSystem(system.tree, with_transitions(system.model, counts), mixtures)


def with_transitions(model: TransitionModel, counts: npt.NDArray[np.float64]) -> TransitionModel:
    """Return the model with probabilities from `counts`, float64 (num_transition_ids + 1) (Kaldi's MleUpdate)."""
    import kaldi_hmm_gmm

    trained = khg_transition_model(model)
    trained.mle_update(counts, kaldi_hmm_gmm.MleTransitionUpdateConfig())
    return dataclasses.replace(model, tid_log_prob=np.array(trained.log_probs, dtype=np.float32))


def align(shards: ShardPool, system: GmmSystem, beams: AlignmentBeams) -> Aligned:
    """Realign all shards during training; with a wide beam and a warning if nothing aligns within the retry beam.

    Raises InputError if no utterance aligns.
    """
    aligned = align_any(shards, system, beams)
    if aligned.frames == 0:
        if not shards.widened:
            warn(
                f"no utterance aligns within the retry beam of {beams.retry_beam:g}, trying {WIDE_BEAM:g}: do the "
                "transcripts belong to the recordings?"
            )
        shards.widened = True
        aligned = align_any(shards, system, dataclasses.replace(beams, retry_beam=WIDE_BEAM))
    return some(aligned)


def align_last(shards: ShardPool, system: GmmSystem) -> Aligned:
    """Align all shards with a trained `system`, within the usual beams. Raises InputError if no utterance aligns.

    (An utterance that a trained system aligns only in a wide beam has another transcript.)
    """
    return some(align_any(shards, system, AlignmentBeams()))


def align_any(shards: ShardPool, system: GmmSystem, beams: AlignmentBeams) -> Aligned:
    """Realign all shards, whether or not an utterance aligns."""
    return _joined(shards.call("align", system, beams))


def align_equally(shards: ShardPool) -> Aligned:
    """Align all shards with equally long states. Raises InputError if no utterance can be aligned."""
    return some(_joined(shards.call("align_equally")))


def _joined(parts: Sequence[Aligned]) -> Aligned:
    whole = Aligned()
    for part in parts:
        whole.faults |= part.faults
        whole.log_likelihood += part.log_likelihood
        whole.frames += part.frames
    return whole


def some(aligned: Aligned) -> Aligned:
    """Return an alignment of at least one utterance. Raises InputError with the first reason if there is none."""
    if aligned.frames == 0:
        utterance, reason = next(iter(aligned.faults.items()))
        raise InputError(f"no utterance can be aligned; the first: {reason}", key=utterance)
    return aligned


def flat(shards: ShardPool, num_pdfs: int) -> Mixtures:
    """Return the start of training: every pdf has one Gaussian with mean and variance of all frames."""
    moments = sum(shards.call("moments"))
    row = np.concatenate([moments[0, -1:], moments[0, :-1], moments[1, :-1]])
    return _single(np.tile(row, (num_pdfs, 1)))


def from_statistics(tree: ContextTree, statistics: ContextStatistics) -> Mixtures:
    """Return one Gaussian for every pdf of a new tree; pdfs without frames get the Gaussian of all frames."""
    pdfs = np.array([tree.compute(key[:-1].tolist(), int(key[-1])) for key in statistics.keys])
    sums = np.zeros((tree.num_pdfs, statistics.sums.shape[1]))
    np.add.at(sums, pdfs, statistics.sums)
    sums[sums[:, 0] == 0] = statistics.sums.sum(axis=0)
    return _single(sums)


def _single(sums: npt.NDArray[np.float64]) -> Mixtures:
    """Return one Gaussian for every row of sums, float64 (n, 1 + 2 dim)."""
    means, variances = means_and_variances(sums)
    weights = np.ones(len(means), dtype=np.float32)
    return Mixtures(np.arange(len(means) + 1), weights, means.astype(np.float32), variances.astype(np.float32))


def joined_statistics(parts: Sequence[ContextStatistics]) -> ContextStatistics:
    """Return the statistics of all shards, with equal contexts added up."""
    return summed(np.concatenate([part.keys for part in parts]), np.concatenate([part.sums for part in parts]))
