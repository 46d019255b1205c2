"""The tied states of a system: a tree grown on the present alignments and features, and one Gaussian a state.

system = tied_states(lang, shards, model, plan, "tri")        # the shards then have its graphs and its alignments
"""

from __future__ import annotations

import numpy as np

from asr.alignment.gmm import training
from asr.alignment.gmm.context_statistics import ContextStatistics
from asr.alignment.gmm.plan import GmmPlan
from asr.alignment.gmm.questions import clustered_questions, distinct, phone_questions
from asr.alignment.gmm.shard import GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.gmm.tree_building import grow
from asr.alignment.transcripts import AlignmentLang
from asr.console import say
from asr.kaldi.transition_model import TransitionModel, from_tree
from asr.kaldi.tree import CONTEXTS, PDF_CLASS_KEY

MIDDLE_CLASS = 1


def tied_states(
    lang: AlignmentLang, shards: ShardPool, model: TransitionModel, plan: GmmPlan, rung: str
) -> tuple[GmmSystem, int]:
    """Return (the new system, the Gaussians that it may have).

    model: of the present alignments, which are converted. The statistics are those of the shards' features.
    """
    width, place = CONTEXTS[plan.context]
    parts = shards.call("contexts", model, width, place, lang.classes.context_independent)
    statistics = training.joined_statistics(parts)
    states, gaussians = plan.sizes(rung, round(statistics.sums[:, 0].sum()))
    tree = grow(
        statistics,
        lang.classes.roots,
        _questions(lang, statistics, width, place),
        width=width,
        place=place,
        most_leaves=states,
        num_classes={phone: lang.topology.num_classes(phone) for phone in lang.topology.phones},
    )
    tied = from_tree(tree, lang.topology)
    mixtures = training.from_statistics(tree, statistics)
    say(f"align: tree: {len(statistics.keys):,} contexts, {tree.num_pdfs} pdfs (at most {states} leaves)")
    shards.call("convert", model, tree, tied)
    shards.call("compile", tree, tied)
    return GmmSystem(tree, tied, mixtures), gaussians


def _questions(
    lang: AlignmentLang, statistics: ContextStatistics, width: int, place: int
) -> dict[int, list[frozenset[int]]]:
    """Return {key: questions}: Mandarin's, the lang directory's and clustered ones; pdf classes in their order."""
    classes = lang.classes
    middle = statistics.keys[:, -1] == MIDDLE_CLASS
    centre, sums = statistics.keys[middle, place], statistics.sums[middle]
    groups = [*classes.sets, *((phone,) for phone in classes.names)]
    by_group = np.stack([sums[np.isin(centre, group)].sum(axis=0) for group in groups])
    sets = len(classes.sets)
    asked = distinct(
        [
            *phone_questions(classes.names, classes.questions),
            *clustered_questions(groups[:sets], by_group[:sets]),
            *clustered_questions(groups[sets:], by_group[sets:]),
        ],
        set(classes.names),
    )
    edge = frozenset({0})
    number = max(lang.topology.num_classes(phone) for phone in lang.topology.phones)
    beside = [edge, *asked, *(members | edge for members in asked if members & classes.silence)]
    questions = {key: asked if key == place else beside for key in range(width)}
    return {**questions, PDF_CLASS_KEY: [frozenset(range(1 + highest)) for highest in range(number - 1)]}
