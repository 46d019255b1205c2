"""From sound and transcripts to alignments: monophones from a flat start, a tree, triphones, the last alignments.

Writes  OUT/mono, OUT/tri: final.mdl (with its Gaussians) tree phones.txt ali.*.gz num_jobs, as Kaldi's steps leave
        them; features.json, and cmvn_opts delta_opts mfcc.conf, which say how Kaldi makes the same features;
        unaligned.txt (utterance, reason). OUT/mono has the utterances of train alone

    from_scratch(spoken, Path("exp/data/train"), Path("exp/data/dev"), Path("exp/ali"), Plan())
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.gmm import training
from asr.alignment.gmm.cepstra import NUM_CEPS, Cepstra
from asr.alignment.gmm.crew import Crew
from asr.alignment.gmm.questions import clustered_questions, distinct, phone_questions
from asr.alignment.gmm.shard import ContextStatistics, System
from asr.alignment.gmm.splitting import grow
from asr.alignment.jobs import cut
from asr.alignment.load import UNALIGNED
from asr.alignment.monophone import monophone_tree
from asr.alignment.pronunciations import PRONUNCIATIONS, write_pronunciations
from asr.alignment.training_graph import Beams
from asr.alignment.transcripts import Spoken, to_align
from asr.console import say
from asr.errors import InputError
from asr.features.reader import DESCRIPTION, describe
from asr.files import atomic, read_bytes
from asr.kaldi.alignments import remove_alignments, write_alignments
from asr.kaldi.transition_model import TransitionModel, from_tree
from asr.kaldi.tree import CONTEXTS, PDF_CLASS_KEY
from asr.tables import read_table, write_table

FRAMES_PER_HOUR = 360_000
MIDDLE_CLASS = 1
#: what the defaults grow from: states and Gaussians a state at one hour of speech, and how fast
STATES_AT_ONE_HOUR, STATES_GROWTH, GAUSSIANS_PER_STATE = 500, 0.4, 12
MONOPHONE_GAUSSIANS = 1000


@dataclass(frozen=True)
class Plan:
    """What is to be trained. states, gaussians: 0 chooses them from the hours of speech."""

    context: str = "triphone"
    states: int = 0
    gaussians: int = 0
    mono_hours: float = 10.0
    seed: int = 1
    nj: int = 0

    def sizes(self, frames: int) -> tuple[int, int]:
        """(tied states at most, Gaussians) for so many frames of training speech."""
        hours = max(frames / FRAMES_PER_HOUR, 0.05)
        states = self.states or round(STATES_AT_ONE_HOUR * hours**STATES_GROWTH)
        return states, self.gaussians or GAUSSIANS_PER_STATE * states


def from_scratch(spoken: Spoken, train: Path, dev: Path | None, out: Path, plan: Plan) -> Path:
    """Make OUT/mono and OUT/tri and return the latter. Raises InputError.

    Utterances that cannot be aligned are left out and listed; it is for the caller to say how many are too many.
    """
    work = out / ".work"
    data = [train] if dev is None else [train, dev]
    describe(train, "mel_bins", "rate_hz", "low_hz", "high_hz")  # for mfcc.conf, which is written last
    try:
        cepstra = Cepstra.make(data, work / "cepstra.f32")
        words, unheard = to_align(spoken.word_ids(train), cepstra.places, cepstra.faults)
        if not words:
            key, reason = next(iter(unheard.items()), (None, "there is no transcript"))
            raise InputError(f"no utterance can be aligned; the first: {reason}", file=train / "text", key=key)
        with Crew(words, cepstra, spoken.lexicon, nj=plan.nj, seed=plan.seed) as crew:
            mono = _monophones(out / "mono", spoken, crew, unheard, train, plan)
            system = _triphones(spoken, crew, mono.model, plan)
            aligned = training.align_last(crew, system)
            jobs, faults = crew.call("current"), {**unheard, **aligned.faults}
        heard = dict(words)
        if dev is not None:
            words, unheard = to_align(spoken.word_ids(dev), cepstra.places, cepstra.faults)
            heard |= words
            with Crew(words, cepstra, spoken.lexicon, nj=plan.nj, seed=plan.seed) as crew:
                crew.call("compile", system.tree, system.model)
                aligned = training.align_any(crew, system, Beams())  # a dev set without alignments is only reported
                jobs, faults = jobs + crew.call("current"), {**faults, **unheard, **aligned.faults}
        faults |= _without_transcript(cepstra, data)
        _write(out / "tri", spoken, system, jobs, faults, data)
        write_pronunciations(out / PRONUNCIATIONS, spoken, heard, jobs, system.model)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out / "tri"


def _without_transcript(cepstra: Cepstra, data: Sequence[Path]) -> dict[str, str]:
    """Return {utterance with features: why it was not aligned} for those that no text has."""
    texts = {utterance for folder in data for utterance in read_table(folder / "text", allow_empty=True)}
    return {key: "has no transcript" for key in {*cepstra.places, *cepstra.faults} - texts}


def _monophones(out: Path, spoken: Spoken, crew: Crew, unheard: Mapping[str, str], train: Path, plan: Plan) -> System:
    """Train monophones on at most `mono_hours`, align all of the crew's utterances with them and write OUT."""
    rng = np.random.default_rng(plan.seed)
    tree = monophone_tree(spoken.topology, spoken.classes.sets)
    model = from_tree(tree, spoken.topology)
    some = crew.subset(plan.mono_hours * FRAMES_PER_HOUR)
    with some or contextlib.nullcontext(crew) as small:
        small.call("compile", tree, model)
        training.align_equally(small)
        system = System(tree, model, training.flat(small, tree.num_pdfs))
        first = system.mixtures.num_gaussians
        system = training.reestimated(small, system, first, rng, least_occupancy=3.0)
        system = training.train(small, system, training.MONOPHONE, MONOPHONE_GAUSSIANS, rng, "monophones")
    crew.call("compile", tree, model)
    aligned = training.align_last(crew, system)
    _write(out, spoken, system, crew.call("current"), {**unheard, **aligned.faults}, [train])
    return system


def _triphones(spoken: Spoken, crew: Crew, model: TransitionModel, plan: Plan) -> System:
    """Grow the tree on the alignments with the monophone `model` and train its states from there."""
    rng = np.random.default_rng(plan.seed + 1)
    width, place = CONTEXTS[plan.context]
    parts = crew.call("contexts", model, width, place, spoken.classes.context_independent)
    statistics = training.joined_statistics(parts)
    states, gaussians = plan.sizes(round(statistics.sums[:, 0].sum()))
    tree = grow(
        statistics,
        spoken.classes.roots,
        _questions(spoken, statistics, width, place),
        width=width,
        place=place,
        most_leaves=states,
        num_classes={phone: spoken.topology.num_classes(phone) for phone in spoken.topology.phones},
    )
    tied = from_tree(tree, spoken.topology)
    mixtures = training.from_statistics(tree, statistics)
    say(f"align: tree: {len(statistics.keys):,} contexts, {tree.num_pdfs} pdfs (at most {states} leaves)")
    crew.call("convert", model, tree, tied)
    crew.call("compile", tree, tied)
    system = System(tree, tied, mixtures)
    return training.train(crew, system, training.TRIPHONE, gaussians, rng, f"{plan.context}s")


def _questions(
    spoken: Spoken, statistics: ContextStatistics, width: int, place: int
) -> dict[int, list[frozenset[int]]]:
    """The questions of each key: Mandarin's, the lang directory's and clustered ones; the pdf class in order."""
    classes = spoken.classes
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
    number = max(spoken.topology.num_classes(phone) for phone in spoken.topology.phones)
    beside = [edge, *asked, *(members | edge for members in asked if members & classes.silence)]
    questions = {key: asked if key == place else beside for key in range(width)}
    return {**questions, PDF_CLASS_KEY: [frozenset(range(1 + highest)) for highest in range(number - 1)]}


def _write(
    out: Path,
    spoken: Spoken,
    system: System,
    jobs: Sequence[Mapping[str, np.ndarray]],
    faults: Mapping[str, str],
    data: Sequence[Path],
) -> None:
    """Write the alignment directory of the data directories `data`, the training set first; num_jobs last."""
    remove_alignments(out)
    about = describe(data[0])
    with atomic(out / "final.mdl", "wb") as handle:
        handle.write(b"\0B" + system.model.to_bytes() + system.mixtures.to_bytes())
    with atomic(out / "tree", "wb") as handle:
        handle.write(system.tree.raw)
    texts = {
        "phones.txt": read_bytes(spoken.folder / "phones.txt").decode("utf-8"),
        "cmvn_opts": "--norm-means=true --norm-vars=false\n",
        "delta_opts": "\n",
        "mfcc.conf": _mfcc_options(about),
        DESCRIPTION: json.dumps(about, indent=2) + "\n",
    }
    for name, text in texts.items():
        with atomic(out / name) as handle:
            handle.write(text)
    write_table(out / UNALIGNED, faults)
    write_alignments(out, cut(jobs, data, len(jobs)))


def _mfcc_options(about: Mapping[str, Any]) -> str:
    """conf/mfcc.conf for compute-mfcc-feats to make what the Gaussians were trained on, pitch aside."""
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
