"""Alignment graphs of the system in the fixture `small`, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr.alignment.training_graph import GraphCompiler
from asr.kaldi.transition_model import TransitionModel
from asr.kaldi.tree import read_tree
from asr.lang.lexicon_fst import lexicon_fst, write_fst

PHONES = {"<eps>": 0, "SIL": 1, "SPN": 2, "a1": 3, "b": 4, "zh": 5, "#0": 6}
WORDS = {"<eps>": 0, "甲": 1, "乙": 2, "丙": 3, "#0": 4}


def compiler(
    small: tuple[Path, TransitionModel], lexicon: Sequence[tuple[str, tuple[str, ...]]], work: Path
) -> GraphCompiler:
    """Return the compiler of graphs with a lexicon, [(word, phones)], whose transducer is written into `work`."""
    folder, model = small
    write_fst(lexicon_fst(lexicon, PHONES, WORDS), work / "L.fst")
    return GraphCompiler(read_tree(folder / "tree"), model, work / "L.fst")
