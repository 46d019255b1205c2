"""The ladder of systems: monophones, triphones, LDA and MLLT, speaker adaptation. Each begins with the alignments
that the one before it left in the shards, and ends with its own.

The steps are those of Kaldi's train_mono.sh, train_deltas.sh, train_lda_mllt.sh, train_sat.sh and align_fmllr.sh.
Unlike Kaldi's, the transform of a speaker with little speech is near the identity: features/adaptation/speaker.py.

    mono = monophones(lang, shards, plan); tri, aligned = triphones(lang, shards, mono.system.model, plan)
"""

from __future__ import annotations

import contextlib
import functools
import operator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr.alignment.gmm import training
from asr.alignment.gmm.adaptations import SemiTiedCovariances, SpeakerAdaptation
from asr.alignment.gmm.feature_space import FeatureSpace
from asr.alignment.gmm.lda import LdaSums
from asr.alignment.gmm.lda import estimate as estimate_lda
from asr.alignment.gmm.plan import FRAMES_PER_HOUR, GmmPlan
from asr.alignment.gmm.shard import Aligned, GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.gmm.tied_states import tied_states
from asr.alignment.gmm.update import Sums, update
from asr.alignment.monophone import monophone_tree
from asr.alignment.training_graph import AlignmentBeams
from asr.alignment.transcripts import AlignmentLang
from asr.errors import InputError
from asr.features.adaptation.speaker import ROUNDS
from asr.features.adaptation.splicing import SpliceContext
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.stream import Floats
from asr.kaldi.transition_model import from_tree

MONOPHONE_GAUSSIANS = 1000
CONTEXT = SpliceContext(3, 3)
DIMENSIONS = 40


@dataclass(frozen=True)
class Rung:
    """A trained system and its features.

    full: the whole matrix of LDA, float32 (spliced columns, spliced columns); unadapted: the Gaussians of `system`
    on features without speakers' transforms; spoken: the frames of each pdf that are no silence.
    """

    name: str
    system: GmmSystem
    space: FeatureSpace
    full: Floats | None = None
    unadapted: Mixtures | None = None
    spoken: npt.NDArray[np.float64] | None = None


def monophones(lang: AlignmentLang, shards: ShardPool, plan: GmmPlan) -> tuple[Rung, Aligned]:
    """Train monophones on at most `mono_hours` of speech and align all utterances with them."""
    rng = np.random.default_rng(plan.seed)
    tree = monophone_tree(lang.topology, lang.classes.sets)
    model = from_tree(tree, lang.topology)
    some = shards.subset(plan.mono_hours * FRAMES_PER_HOUR)
    with some or contextlib.nullcontext(shards) as small:
        small.call("compile", tree, model)
        training.align_equally(small)
        system = GmmSystem(tree, model, training.flat(small, tree.num_pdfs))
        first = system.mixtures.num_gaussians
        system = training.reestimated(small, system, first, rng, least_occupancy=3.0)
        system = training.train(small, system, training.MONOPHONE, MONOPHONE_GAUSSIANS, rng, "monophones")
    shards.call("compile", tree, model)
    return Rung("mono", system, FeatureSpace()), training.align_last(shards, system)


def triphones(lang: AlignmentLang, shards: ShardPool, before: Rung, plan: GmmPlan) -> tuple[Rung, Aligned]:
    """Train tied states on static features and their differences."""
    rng = np.random.default_rng(plan.seed + 1)
    system, gaussians = tied_states(lang, shards, before.system.model, plan, "tri")
    system = training.train(shards, system, training.TRIPHONE, gaussians, rng, f"{plan.context}s")
    return Rung("tri", system, before.space), training.align_last(shards, system)


def discriminant(lang: AlignmentLang, shards: ShardPool, before: Rung, plan: GmmPlan) -> tuple[Rung, Aligned]:
    """Train tied states on spliced frames, projected by LDA, whose covariances MLLT makes diagonal."""
    rng = np.random.default_rng(plan.seed + 2)
    space = FeatureSpace(CONTEXT)
    parts: list[LdaSums] = shards.call("discriminants", before.system.model, lang.classes.silence, space)
    sums = functools.reduce(operator.iadd, parts)
    if sums.counts.sum() <= len(sums.second):
        raise InputError(f"align: {sums.counts.sum():.0f} frames of speech are too few for LDA; use --upto tri")
    matrix, full = estimate_lda(sums, min(DIMENSIONS, len(sums.second)))
    space = FeatureSpace(CONTEXT, matrix)
    shards.call("enter", space)
    system, gaussians = tied_states(lang, shards, before.system.model, plan, "lda")
    semi_tied = SemiTiedCovariances(shards, space, lang.classes.silence)
    name = "LDA and MLLT"
    system = training.train(shards, system, training.LDA_MLLT, gaussians, rng, name, semi_tied)
    return Rung("lda", system, semi_tied.space, full), training.align_last(shards, system)


def speakers(lang: AlignmentLang, shards: ShardPool, before: Rung, plan: GmmPlan) -> tuple[Rung, Aligned]:
    """Train tied states on the same features, transformed for each speaker (speaker adaptive training)."""
    rng = np.random.default_rng(plan.seed + 3)
    adapted = SpeakerAdaptation(shards, before.space, lang.classes.silence)
    adapted(before.system)
    system, gaussians = tied_states(lang, shards, before.system.model, plan, "sat")
    system = training.train(shards, system, training.SPEAKERS, gaussians, rng, "speaker adaptation", adapted)
    sums = Sums.zero(system.mixtures)
    for part in shards.call("accumulate_unadapted", system):
        sums += part
    rung = Rung("sat", system, before.space, before.full, update(system.mixtures, sums, keep_all=True))
    rung = replace(rung, spoken=adapted.spoken(system.model))
    rung, aligned = _align_adapted(shards, rung, lang.classes.silence)
    return rung, training.some(aligned)


def align_others(lang: AlignmentLang, shards: ShardPool, rung: Rung) -> tuple[Rung, Aligned]:
    """Align utterances that were not trained on; they may all fail. The rung gets the transforms of their speakers.

    A speaker of the training set keeps the transform that he has.
    """
    system = rung.system
    shards.call("compile", system.tree, system.model)
    if rung.unadapted is None:
        shards.call("enter", rung.space)
        return rung, training.align_any(shards, system, AlignmentBeams())
    shards.call("enter", rung.space.unadapted())
    training.align_any(shards, replace(system, mixtures=rung.unadapted), AlignmentBeams())
    return _align_adapted(shards, rung, lang.classes.silence)


def _align_adapted(shards: ShardPool, rung: Rung, silence: frozenset[int]) -> tuple[Rung, Aligned]:
    """Estimate transforms at the present alignments, as align_fmllr.sh does, and align with them."""
    assert rung.unadapted is not None and rung.spoken is not None
    adapted = SpeakerAdaptation(shards, rung.space.unadapted(), silence)
    for _ in range(ROUNDS):
        adapted.estimate(rung.system, rung.unadapted, rung.spoken)
    transforms = {**adapted.space.transforms, **rung.space.transforms}
    space = replace(rung.space, transforms=transforms)
    shards.call("enter", space)
    return replace(rung, space=space), training.align_any(shards, rung.system, AlignmentBeams())
