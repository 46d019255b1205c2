"""Make alignments from sound and transcripts: monophones from a flat start, a tree, triphones, the last alignments.

Reads   the data directories' features and text; the lang directory
Writes  OUT/mono, OUT/tri: final.mdl (with its Gaussians) tree phones.txt ali.*.gz num_jobs, as Kaldi's steps write
        them; features.json, and cmvn_opts delta_opts mfcc.conf, with which Kaldi makes the same features;
        unaligned.txt (utterance, reason). OUT/mono has only the utterances of the training set

    lang = AlignmentLang.read(Path("exp/lang"), Path("exp/ali/.work"))
    from_scratch(lang, Path("exp/data/train"), Path("exp/data/dev"), Path("exp/ali"), GmmPlan())
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.gmm import training
from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.questions import clustered_questions, distinct, phone_questions
from asr.alignment.gmm.shard import ContextStatistics, GmmSystem
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.gmm.tree_building import grow
from asr.alignment.jobs import cut
from asr.alignment.load import UNALIGNED
from asr.alignment.monophone import monophone_tree
from asr.alignment.pronunciations import PRONUNCIATIONS, write_pronunciations
from asr.alignment.training_graph import AlignmentBeams
from asr.alignment.transcripts import AlignmentLang, to_align
from asr.console import say
from asr.errors import InputError
from asr.features.reader import DESCRIPTION, describe
from asr.features.static_cepstra import NUM_CEPS
from asr.files import atomic, read_bytes, write_json
from asr.kaldi.alignments import remove_alignments, write_alignments
from asr.kaldi.system import write_system
from asr.kaldi.transition_model import Ints, TransitionModel, from_tree
from asr.kaldi.tree import CONTEXTS, PDF_CLASS_KEY
from asr.tables import read_table, write_table

FRAMES_PER_HOUR = 360_000
MIDDLE_CLASS = 1
#: the default sizes: states at one hour of speech, their growth with the hours, Gaussians a state
STATES_AT_ONE_HOUR, STATES_GROWTH, GAUSSIANS_PER_STATE = 500, 0.4, 12
MONOPHONE_GAUSSIANS = 1000


@dataclass(frozen=True)
class GmmPlan:
    """The system to train. states, gaussians: 0 chooses them from the hours of speech."""

    context: str = "triphone"
    states: int = 0
    gaussians: int = 0
    mono_hours: float = 10.0
    seed: int = 1
    nj: int = 0

    def sizes(self, frames: int) -> tuple[int, int]:
        """Return (most tied states, Gaussians) for so many frames of training speech."""
        hours = max(frames / FRAMES_PER_HOUR, 0.05)
        states = self.states or round(STATES_AT_ONE_HOUR * hours**STATES_GROWTH)
        return states, self.gaussians or GAUSSIANS_PER_STATE * states


def from_scratch(lang: AlignmentLang, train: Path, dev: Path | None, out: Path, plan: GmmPlan) -> Path:
    """Make OUT/mono and OUT/tri and return OUT/tri. Raises InputError if no utterance can be aligned.

    Utterances that cannot be aligned are left out and listed in unaligned.txt; the caller bounds their share.
    """
    work = out / ".work"
    data = [train] if dev is None else [train, dev]
    describe(train, "mel_bins", "rate_hz", "low_hz", "high_hz")  # mfcc.conf, which is written last, needs them
    try:
        cepstra = Cepstra.make(data, work / "cepstra.f32")
        words, unusable = to_align(lang.word_ids(train), cepstra.places, cepstra.faults)
        if not words:
            key, reason = next(iter(unusable.items()), (None, "there is no transcript"))
            raise InputError(f"no utterance can be aligned; the first: {reason}", file=train / "text", key=key)
        with ShardPool(words, cepstra, lang.lexicon, nj=plan.nj, seed=plan.seed) as shards:
            mono = _monophones(out / "mono", lang, shards, unusable, train, plan)
            system = _triphones(lang, shards, mono.model, plan)
            aligned = training.align_last(shards, system)
            jobs, faults = shards.call("current"), {**unusable, **aligned.faults}
        heard = dict(words)
        if dev is not None:
            words, unusable = to_align(lang.word_ids(dev), cepstra.places, cepstra.faults)
            heard |= words
            with ShardPool(words, cepstra, lang.lexicon, nj=plan.nj, seed=plan.seed) as shards:
                shards.call("compile", system.tree, system.model)
                aligned = training.align_any(shards, system, AlignmentBeams())  # it may fail as a whole
                jobs, faults = jobs + shards.call("current"), {**faults, **unusable, **aligned.faults}
        faults |= _without_transcript(cepstra, data)
        _write(out / "tri", lang, system, jobs, faults, data)
        write_pronunciations(out / PRONUNCIATIONS, lang, heard, jobs, system.model)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out / "tri"


def _without_transcript(cepstra: Cepstra, data: Sequence[Path]) -> dict[str, str]:
    """Return {utterance: reason} of those that have features but no transcript."""
    texts = {utterance for folder in data for utterance in read_table(folder / "text", allow_empty=True)}
    return {key: "has no transcript" for key in {*cepstra.places, *cepstra.faults} - texts}


def _monophones(
    out: Path, lang: AlignmentLang, shards: ShardPool, unusable: Mapping[str, str], train: Path, plan: GmmPlan
) -> GmmSystem:
    """Train monophones on at most `mono_hours`, align all utterances with them, and write OUT."""
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
    aligned = training.align_last(shards, system)
    _write(out, lang, system, shards.call("current"), {**unusable, **aligned.faults}, [train])
    return system


def _triphones(lang: AlignmentLang, shards: ShardPool, model: TransitionModel, plan: GmmPlan) -> GmmSystem:
    """Grow the tree on the alignments with the monophone `model` and train its states."""
    rng = np.random.default_rng(plan.seed + 1)
    width, place = CONTEXTS[plan.context]
    parts = shards.call("contexts", model, width, place, lang.classes.context_independent)
    statistics = training.joined_statistics(parts)
    states, gaussians = plan.sizes(round(statistics.sums[:, 0].sum()))
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
    system = GmmSystem(tree, tied, mixtures)
    return training.train(shards, system, training.TRIPHONE, gaussians, rng, f"{plan.context}s")


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


def _write(
    out: Path,
    lang: AlignmentLang,
    system: GmmSystem,
    jobs: Sequence[Mapping[str, Ints]],
    faults: Mapping[str, str],
    data: Sequence[Path],
) -> None:
    """Write the alignment directory of the data directories `data`, the training set first."""
    remove_alignments(out)
    about = describe(data[0])
    phones = read_bytes(lang.folder / "phones.txt").decode("utf-8")
    write_system(out, system.model, system.mixtures, system.tree, phones)
    texts = {
        "cmvn_opts": "--norm-means=true --norm-vars=false\n",
        "delta_opts": "\n",
        "mfcc.conf": _mfcc_options(about),
    }
    for name, text in texts.items():
        with atomic(out / name) as handle:
            handle.write(text)
    write_json(out / DESCRIPTION, about, indent=2)
    write_table(out / UNALIGNED, faults)
    write_alignments(out, cut(jobs, data, len(jobs)))


def _mfcc_options(about: Mapping[str, Any]) -> str:
    """Return conf/mfcc.conf with which compute-mfcc-feats makes the Gaussians' features, except pitch."""
    options = {
        "use-energy": "false",
        "dither": "0",
        "num-mel-bins": about["mel_bins"],
        "num-ceps": NUM_CEPS,
        "sample-frequency": about["rate_hz"],
        "low-freq": about["low_hz"],
        "high-freq": about["high_hz"],
    }
    return "".join(f"--{name}={value}\n" for name, value in options.items())
