"""Fixtures: Kaldi's log-likelihoods, a toy model, and a function that writes toy graphs."""

from pathlib import Path

import numpy as np
import pytest

from asr.alignment.monophone import write_monophone_dir
from asr.kaldi.archives import read_matrices
from asr.kaldi.fst import ARC, Fst, write_const

# phones of the toy: SIL has pdfs 0-4, a has 5-7, b has 8-10
PHONES, NUM_PDFS = ["SIL", "a", "b"], 11
WORDS = ["<eps>", "<SIL>", "甲", "乙", "丙"]


@pytest.fixture(scope="session")
def kaldi_loglikes(kaldi_sample) -> dict[str, np.ndarray]:
    return dict(read_matrices(kaldi_sample / "search" / "loglikes.ark.gz"))


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory) -> Path:
    """Return a model folder with final.mdl, tree and phones.txt of three phones without context."""
    folder = tmp_path_factory.mktemp("toy_model")
    write_monophone_dir(folder, PHONES, ["SIL"])
    return folder


@pytest.fixture(scope="session")
def write_graph():
    """Return the function that writes a graph folder of the toy: (folder, states, finals) -> folder.

    `states[s]` lists the arcs (input label, output label, cost, next state); `finals` maps a state to its cost.
    """

    def write(folder: Path, states: list[list[tuple]], finals: dict[int, float], words=WORDS) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        final = np.array([finals.get(state, np.inf) for state in range(len(states))], np.float32)
        arcs = np.array([arc for state in states for arc in state], ARC)
        write_const(folder / "HCLG.fst", Fst(0, final, np.array([len(state) for state in states]), arcs))
        (folder / "words.txt").write_text("".join(f"{word} {number}\n" for number, word in enumerate(words)), "utf-8")
        (folder / "num_pdfs").write_text(f"{NUM_PDFS}\n")
        return folder

    return write
