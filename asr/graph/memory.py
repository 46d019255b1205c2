"""Estimates the size of a decoding graph before it is made: arcs, seconds and memory from L, G and the topology.

Reads the sizes of transducers in memory; writes nothing.

Every word arc of G becomes the phones of its word, each with the states of its topology. So the size depends on the
number of phones on all arcs of G. The constants were measured with local/bench/graph.sh: 0.5 to 8 million arcs,
characters and words of up to four, context of one phone and of three, three states per phone and one. All estimates
were within a factor of 1.5.

    size = estimate(read_fst("lang/L_disambig.fst"), read_fst("lang/G.fst"), states_per_phone=3.0)
    refuse_too_large(size.memory_mb, limit_mb(0), Path("lang/G.fst"))
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import InputError
from asr.kaldi.fst import Fst
from asr.parallel.machine import free_bytes

ARCS_PER_STATE = 1.6  # forward arc and self-loop, minus those shared by determinisation and minimisation
BASE_MB = 200.0  # Python, the wheels, compiled code
MB_PER_PHONE = 0.25e-3  # L o G and C o L o G
MB_PER_STATE = 0.22e-3  # H o C o L o G and its copies
BASE_S, S_PER_ARC = 1.5, 9e-6
READING_FACTOR = 3  # a file, its arcs as numpy and as kaldifst at once
STATES_PER_MB = 2500  # of a determinisation: a state with its subset, hash entry and arcs
LONGEST_WORD = 100  # phones


@dataclass(frozen=True)
class GraphSize:
    """The estimated size of a graph, correct within a factor of two. Seconds: on one core of 2024."""

    arcs: int
    seconds: float
    memory_mb: float


def estimate(lexicon: Fst, grammar: Fst, states_per_phone: float) -> GraphSize:
    """Return the size of HCLG. lexicon: L with disambiguation symbols; states_per_phone: mean of emitting states."""
    lengths = word_lengths(lexicon)
    words = grammar.arcs["ilabel"]
    phones = float(lengths[words[words < len(lengths)]].sum())
    states = phones * states_per_phone
    arcs = ARCS_PER_STATE * states
    return GraphSize(int(arcs), BASE_S + S_PER_ARC * arcs, BASE_MB + MB_PER_PHONE * phones + MB_PER_STATE * states)


def word_lengths(lexicon: Fst) -> npt.NDArray[Any]:
    """Return the arcs of L on the shortest path through each pronunciation, summed over those of a word.

    float64 (highest word-id + 1). A word begins at a state that words leave, and ends at the next such state. #0,
    which loops there, counts as one: a back-off arc of G is an arc of the graph too.
    """
    arcs, states = lexicon.arcs, lexicon.num_states
    source = np.repeat(np.arange(states), lexicon.degree)
    begins = arcs["olabel"] != 0
    left = np.full(states, float(LONGEST_WORD))
    left[source[begins]] = 0
    for _ in range(LONGEST_WORD):
        before = left.copy()
        np.minimum.at(left, source, 1 + before[arcs["nextstate"]])
        if (left == before).all():
            break
    return np.bincount(arcs["olabel"][begins], 1 + left[arcs["nextstate"][begins]])


def limit_mb(max_memory_gb: float) -> float:
    """Return `max_memory_gb` in MB, or the free memory if it is 0; infinity if the system does not tell it."""
    if max_memory_gb > 0:
        return max_memory_gb * 1024
    return free_bytes() / 2**20


def refuse_too_large(needed_mb: float, allowed_mb: float, grammar: Path) -> None:
    """Raise InputError for `grammar` if a graph needs more memory than there is."""
    if needed_mb > allowed_mb:
        raise InputError(
            f"the graph needs about {in_bytes(needed_mb)} of memory, and {in_bytes(allowed_mb)} may be used; "
            "prune the language model (asr lang --prune), or allow more with --max-memory-gb",
            file=grammar,
        )


def refuse_large_file(grammar: Path, allowed_mb: float) -> None:
    """Raise InputError if the file `grammar` cannot even be read into that memory."""
    if grammar.is_file():
        refuse_too_large(READING_FACTOR * grammar.stat().st_size / 2**20, allowed_mb, grammar)


def peak_mb() -> int:
    """Return the peak memory of this process in MB, 0 if it is unknown. (ru_maxrss may be that of the parent.)"""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def in_bytes(mb: float) -> str:
    """Return MB as text: `340 MB`, `3.4 GB`."""
    return f"{mb / 1024:,.1f} GB" if mb >= 1024 else f"{np.ceil(mb):.0f} MB"
