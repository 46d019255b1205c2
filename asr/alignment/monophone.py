"""Write a system without context, and alignments with it, as Kaldi does: final.mdl tree phones.txt num_jobs ali.*.gz.

It serves alignments that Kaldi did not make, such as the phone times of a synthesiser: three states from left to
right for a phone, Kaldi's five-state topology for silence, one pdf a state. The acoustic model in final.mdl is one
normal distribution of one dimension for each pdf; it only makes the file readable for Kaldi's tools.

    model = write_monophone_dir("exp/ali", ["SIL", "SPN", "a1"], ["SIL", "SPN"]); model.phone_path(3, 12)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from asr.files import atomic
from asr.kaldi.alignments import remove_alignments, write_alignments
from asr.kaldi.mixtures import Mixtures
from asr.kaldi.system import write_system
from asr.kaldi.topology import NO_PDF, HmmState, Topology
from asr.kaldi.transition_model import TransitionModel, from_tree
from asr.kaldi.tree import PDF_CLASS_KEY, Constant, ContextTree, EventMap, Table

END = HmmState(NO_PDF, NO_PDF, ())


def write_monophone_dir(
    out_dir: str | os.PathLike[str], phones: Sequence[str], silence_phones: Sequence[str]
) -> TransitionModel:
    """Write final.mdl, tree, phones.txt and num_jobs (1); phone-ids are 1, 2, ... in the order of `phones`.

    Returns the transition model, whose `phone_path` returns the transition-ids of a phone. The caller writes the
    archives and num_jobs anew with asr.kaldi.alignments.write_alignments.
    Raises ValueError on a repeated phone or a silence phone that is not in `phones`.
    """
    if len(set(phones)) != len(phones) or not phones or not set(silence_phones) <= set(phones):
        raise ValueError("phones must be a list without repetition that contains the silence phones")
    ids = {phone: number for number, phone in enumerate(phones, 1)}
    topology = make_topology(len(phones), [ids[phone] for phone in silence_phones])
    tree = monophone_tree(topology)
    model = from_tree(tree, topology)
    ones = np.ones((model.num_pdfs, 1), dtype=np.float32)
    mixtures = Mixtures(np.arange(model.num_pdfs + 1), ones[:, 0], 0 * ones, ones)
    symbols = "<eps> 0\n" + "".join(f"{phone} {number}\n" for phone, number in ids.items())
    write_system(Path(out_dir), model, mixtures, tree, symbols)
    with atomic(Path(out_dir) / "num_jobs") as handle:
        handle.write("1\n")
    return model


def write_monophone_alignments(
    out_dir: str | os.PathLike[str],
    phones: Sequence[str],
    silence_phones: Sequence[str],
    rows: Mapping[str, Iterable[tuple[int, int]]],
    utterances_a_job: int,
) -> None:
    """Replace an alignment directory by one of the phone times {utterance: (phone-id, frames), ...}.

    The states of a phone are equally long. Raises ValueError if a phone has fewer frames than its topology needs.
    """
    keys = sorted(rows, key=str.encode)
    jobs = [keys[start : start + utterances_a_job] for start in range(0, len(keys), utterances_a_job)]
    model = write_monophone_dir(out_dir, phones, silence_phones)
    remove_alignments(out_dir)
    made = ({key: np.concatenate([model.phone_path(*pair) for pair in rows[key]]) for key in job} for job in jobs)
    write_alignments(out_dir, made)


def make_topology(num_phones: int, silence_ids: Sequence[int]) -> Topology:
    """Return Kaldi's usual topology (utils/gen_topo.pl with 3 and 5 states) for phones 1 .. num_phones."""
    silence = sorted(set(silence_ids))
    entries = [_left_to_right()] if len(silence) < num_phones else []
    if silence:
        entries.append(_silence())
    where = [-1] + [len(entries) - 1 if phone in silence else 0 for phone in range(1, num_phones + 1)]
    return Topology(tuple(range(1, num_phones + 1)), tuple(where), tuple(entries))


def _left_to_right() -> tuple[HmmState, ...]:
    return (*(HmmState(state, state, ((state, 0.75), (state + 1, 0.25))) for state in range(3)), END)


def _silence() -> tuple[HmmState, ...]:
    """Return state 0, three states each of which may follow each other one, and a last state."""
    first = HmmState(0, 0, tuple((to, 0.25) for to in range(4)))
    inner = [HmmState(state, state, tuple((to, 0.25) for to in range(1, 5))) for state in range(1, 4)]
    return (first, *inner, HmmState(4, 4, ((4, 0.75), (5, 0.25))), END)


def monophone_tree(topology: Topology, sets: Sequence[Sequence[int]] = ()) -> ContextTree:
    """Return a tree without context: every pdf class of every phone has its own pdf, numbered in order.

    sets: phones that share their pdfs (Kaldi's phones/sets.int), every phone in one of them.
    """
    tables: list[EventMap | None] = [None] * (max(topology.phones) + 1)
    next_pdf = 0
    for phones in sets or [(phone,) for phone in topology.phones]:
        classes = max(topology.num_classes(phone) for phone in phones)
        shared = Table(PDF_CLASS_KEY, tuple(Constant(next_pdf + number) for number in range(classes)))
        for phone in phones:
            tables[phone] = shared
        next_pdf += classes
    return ContextTree(1, 0, Table(0, tuple(tables)))
