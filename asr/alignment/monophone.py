"""Writes a context-independent system as Kaldi would leave it: final.mdl, tree, phones.txt, num_jobs.

For alignments that were not made by Kaldi (the phone times of a synthesiser): three states left to right for a phone,
Kaldi's five-state topology for silence, one pdf a state. Behind the transition model stands a one-dimensional
Gaussian per pdf, so that Kaldi's tools read the file; it models nothing.

    model = write_monophone_dir("exp/ali", ["SIL", "SPN", "a1"], ["SIL", "SPN"]); model.phone_path(3, 12)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from asr.files import atomic
from asr.kaldi.alignments import remove_alignments, write_alignments
from asr.kaldi.stream import floats_bytes, integer_bytes, matrix_bytes
from asr.kaldi.topology import NO_PDF, HmmState, Topology
from asr.kaldi.transition_model import TransitionModel, from_tree
from asr.kaldi.tree import PDF_CLASS_KEY, Constant, ContextTree, EventMap, Table

END = HmmState(NO_PDF, NO_PDF, ())


def write_monophone_dir(
    out_dir: str | os.PathLike[str], phones: Sequence[str], silence_phones: Sequence[str], *, num_jobs: int = 1
) -> TransitionModel:
    """Write final.mdl, tree, phones.txt and num_jobs; phone-ids are 1, 2, ... in the order of `phones`.

    Returns the transition model, whose `phone_path` gives the transition-ids of a phone. The archives
    ali.1.gz .. ali.<num_jobs>.gz are then written with asr.kaldi.alignments.write_alignments.
    Raises ValueError on a repeated phone or a silence phone that is not in `phones`.
    """
    if len(set(phones)) != len(phones) or not phones or not set(silence_phones) <= set(phones):
        raise ValueError("phones are a list without repetition that holds the silence phones")
    ids = {phone: number for number, phone in enumerate(phones, 1)}
    topology = make_topology(len(phones), [ids[phone] for phone in silence_phones])
    tree = monophone_tree(topology)
    model = from_tree(tree, topology)
    out = Path(out_dir)
    with atomic(out / "final.mdl", "wb") as handle:
        handle.write(b"\0B" + model.to_bytes() + _unit_gaussians(model.num_pdfs))
    with atomic(out / "tree", "wb") as handle:
        handle.write(tree.raw)
    with atomic(out / "phones.txt") as handle:
        handle.write("<eps> 0\n" + "".join(f"{phone} {number}\n" for phone, number in ids.items()))
    with atomic(out / "num_jobs") as handle:
        handle.write(f"{num_jobs}\n")
    return model


def write_monophone_alignments(
    out_dir: str | os.PathLike[str],
    phones: Sequence[str],
    silence_phones: Sequence[str],
    rows: Mapping[str, Iterable[tuple[int, int]]],
    utterances_a_job: int,
) -> None:
    """Write a whole alignment directory of phone times, {utterance: (phone-id, frames), ...}; an old one goes first.

    States of a phone are equally long. Raises ValueError where a phone has fewer frames than its topology needs.
    """
    remove_alignments(out_dir)
    keys = sorted(rows, key=str.encode)
    jobs = [keys[start : start + utterances_a_job] for start in range(0, len(keys), utterances_a_job)]
    model = write_monophone_dir(out_dir, phones, silence_phones, num_jobs=len(jobs))
    made = ({key: np.concatenate([model.phone_path(*pair) for pair in rows[key]]) for key in job} for job in jobs)
    write_alignments(out_dir, made)


def make_topology(num_phones: int, silence_ids: Sequence[int]) -> Topology:
    """Kaldi's usual topology (utils/gen_topo.pl with 3 and 5 states) for phones 1 .. num_phones."""
    silence = sorted(set(silence_ids))
    entries = [_left_to_right()] if len(silence) < num_phones else []
    if silence:
        entries.append(_silence())
    where = [-1] + [len(entries) - 1 if phone in silence else 0 for phone in range(1, num_phones + 1)]
    return Topology(tuple(range(1, num_phones + 1)), tuple(where), tuple(entries))


def _left_to_right() -> tuple[HmmState, ...]:
    return (*(HmmState(state, state, ((state, 0.75), (state + 1, 0.25))) for state in range(3)), END)


def _silence() -> tuple[HmmState, ...]:
    """State 0, then three states each of which may follow each, then a last one."""
    first = HmmState(0, 0, tuple((to, 0.25) for to in range(4)))
    inner = [HmmState(state, state, tuple((to, 0.25) for to in range(1, 5))) for state in range(1, 4)]
    return (first, *inner, HmmState(4, 4, ((4, 0.75), (5, 0.25))), END)


def monophone_tree(topology: Topology, sets: Sequence[Sequence[int]] = ()) -> ContextTree:
    """A tree without context: every pdf class of every phone has its own pdf, counted in order.

    `sets`: phones that share theirs (Kaldi's phones/sets.int), every phone in one of them.
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


def _unit_gaussians(num_pdfs: int) -> bytes:
    """AmDiagGmm of one dimension: every pdf the normal distribution (gmm/am-diag-gmm, gmm/diag-gmm)."""
    one, zero = np.ones((1, 1), dtype=np.float32), np.zeros((1, 1), dtype=np.float32)
    gconst = np.array([-0.5 * math.log(2 * math.pi)], dtype=np.float32)
    gaussian = b"".join(
        (
            b"<DiagGMM> <GCONSTS> " + floats_bytes(gconst),
            b"<WEIGHTS> " + floats_bytes(one[0]),
            b"<MEANS_INVVARS> " + matrix_bytes(zero),
            b"<INV_VARS> " + matrix_bytes(one),
            b"</DiagGMM> ",
        )
    )
    return b"<DIMENSION> " + integer_bytes(1) + b"<NUMPDFS> " + integer_bytes(num_pdfs) + gaussian * num_pdfs
