"""HCLG in the layout of the search: arcs by state, emitting ones before silent ones, forward and backward.

Reads GRAPH/HCLG.fst words.txt num_pdfs and final.mdl.

    graph = load_graph(Path("exp/mini/net/graph"), Path("exp/mini/net/final.mdl"))
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.decoding.arrays import Floats, Ints, row_starts
from asr.decoding.word_table import WordTable
from asr.errors import InputError
from asr.files import read_bytes
from asr.kaldi.fst import Fst, read_fst


@dataclass(frozen=True)
class SearchGraph:
    """The graph's arcs, sorted by the state they leave, emitting ones (with a transition-id) first.

    first, middle: int64 (states + 1); arcs first[s]:middle[s] of state s are emitting, middle[s]:first[s + 1] silent.
    pdf, tid, word, target: int32 (arcs), pdf -1 and tid 0 if silent; weight: float32 (arcs).
    back_first, back_middle: the same for the arcs that lead to a state, whose numbers are in back_arc (int32, arcs);
    source: int32 (arcs). final: float32 (states), infinite if no path may end there.
    """

    start: int
    first: Ints
    middle: Ints
    pdf: Ints
    tid: Ints
    word: Ints
    weight: Floats
    target: Ints
    source: Ints
    back_first: Ints
    back_middle: Ints
    back_arc: Ints
    final: Floats
    num_pdfs: int
    words: WordTable

    @property
    def num_states(self) -> int:
        """Return the number of states."""
        return len(self.final)


def load_graph(graph_dir: Path, transition_model: Path) -> SearchGraph:
    """Read a graph folder, and final.mdl, which maps transition-ids to pdfs.

    Raises InputError if they belong to different models, or a file is missing or damaged.
    """
    from asr.kaldi.transition_model import read_transition_model

    path = graph_dir / "HCLG.fst"
    words = WordTable.read(graph_dir / "words.txt")
    model = read_transition_model(transition_model)
    _check_num_pdfs(graph_dir / "num_pdfs", model.num_pdfs, transition_model)
    fst = read_fst(path)
    if fst.num_states == 0:
        raise InputError("is an empty graph", file=path)
    if (highest := int(fst.arcs["ilabel"].max(initial=0))) > model.num_transition_ids:
        raise InputError(
            f"has transition-id {highest}, {transition_model} has only {model.num_transition_ids}: another model",
            file=path,
        )
    if (highest := int(fst.arcs["olabel"].max(initial=0))) >= len(words):
        raise InputError(f"lacks word {highest}, which HCLG.fst has", file=graph_dir / "words.txt")
    return lay_out(fst, model.tid_to_pdf, model.num_pdfs, words)


def _check_num_pdfs(path: Path, expected: int, model: Path) -> None:
    if not path.is_file():  # only newer versions of Kaldi write it
        return
    text = read_bytes(path).decode("ascii", "replace").strip()
    if text != str(expected):
        raise InputError(f"the graph has {text or 'no'} pdfs, {model} has {expected}: another model", file=path)


def lay_out(fst: Fst, tid_to_pdf: Ints, num_pdfs: int, words: WordTable) -> SearchGraph:
    """Return the graph of a transducer from transition-ids to words; tid_to_pdf: int (transition-ids + 1)."""
    states, arcs = fst.num_states, fst.arcs
    source = np.repeat(np.arange(states, dtype=np.int32), fst.degree)
    silent = arcs["ilabel"] == 0
    order = np.lexsort((silent, source))
    arcs, source, silent = arcs[order], source[order], silent[order]
    first, middle = _bounds(source, silent, states)
    target = np.ascontiguousarray(arcs["nextstate"], np.int32)
    back = np.lexsort((silent, target)).astype(np.int32)
    back_first, back_middle = _bounds(target[back], silent[back], states)
    tid = np.ascontiguousarray(arcs["ilabel"], np.int32)
    pdf = np.where(silent, -1, np.asarray(tid_to_pdf)[tid]).astype(np.int32)
    return SearchGraph(
        fst.start,
        first,
        middle,
        pdf,
        tid,
        np.ascontiguousarray(arcs["olabel"], np.int32),
        np.ascontiguousarray(arcs["weight"], np.float32),
        target,
        source,
        back_first,
        back_middle,
        back,
        np.ascontiguousarray(fst.final, np.float32),
        num_pdfs,
        words,
    )


def _bounds(states: Ints, silent: np.ndarray, count: int) -> tuple[Ints, Ints]:
    """Return where each state's arcs and its silent arcs begin, (count + 1) each, in arcs sorted by both."""
    first = row_starts(states, count)
    middle = first.copy()
    middle[:-1] += np.bincount(states[~silent], minlength=count)
    return first, middle
