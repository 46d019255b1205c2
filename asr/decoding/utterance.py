"""How an utterance becomes a hypothesis: log-likelihoods, beam search, lattice, words with times and confidences.

    searcher = SearchSetup(graph, model / "final.mdl", Beams()).searcher()
    result = searcher.run(loglikes, SearchTask(lm_weight=8.0))       # float32, (frames, pdfs)
    result.hypothesis.words                                          # or result.fault

beam/search.py is the search (Kaldi's lattice-faster-decoder), lattices/determinise.py keeps every word sequence once
(lattice-determinize-pruned), lattices/hypothesis.py reads words, phones and the N best.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from asr.decoding.arrays import Floats
from asr.decoding.beam.search import Beams, Decoder
from asr.decoding.beam.search_graph import load_graph
from asr.decoding.lattices.hypothesis import LatticeReader
from asr.decoding.lattices.timing import Timing
from asr.decoding.results import SearchResult
from asr.errors import InputError
from asr.features.compute import FRAME_SHIFT_MS


@dataclass(frozen=True)
class SearchSetup:
    """The graph to search, and the width of the search."""

    graph_dir: Path
    transition_model: Path
    beams: Beams

    def searcher(self) -> Searcher:
        """Load the graph and return a searcher over it."""
        graph = load_graph(self.graph_dir, self.transition_model)
        return Searcher(Decoder(graph, self.beams), Timing.read(self.graph_dir, self.transition_model))


@dataclass(frozen=True)
class SearchTask:
    """What to do with an utterance: search with the acoustic scale 1 / lm_weight, then read the hypothesis.

    penalty: insertion penalty of the hypothesis; most: size of its N best; keep_lattice: return the lattice instead;
    path: return the best path too; words: read a hypothesis; beams: another width of the search.
    """

    lm_weight: float
    penalty: float = 0.0
    most: int = 1
    keep_lattice: bool = False
    frame_shift_s: float = FRAME_SHIFT_MS / 1000
    path: bool = False
    words: bool = True
    beams: Beams | None = None


@dataclass
class Searcher:
    """A decoder with its graph, and the times of words in that graph; one per process."""

    decoder: Decoder
    timing: Timing

    def __post_init__(self) -> None:
        self.beams = self.decoder.beams

    def run(self, loglikes: Floats, task: SearchTask) -> SearchResult:
        """Search one utterance. A failure is the fault of the result."""
        started = time.process_time()
        try:
            return self._run(loglikes, task, started)
        except (InputError, RuntimeError, MemoryError) as error:
            return SearchResult(frames=len(loglikes), fault=str(error) or type(error).__name__)

    def _run(self, loglikes: Floats, task: SearchTask, started: float) -> SearchResult:
        decoder = self.decoder
        decoder.acoustic_scale = scale = 1.0 / task.lm_weight
        decoder.beams = task.beams or self.beams
        try:
            lattice = decoder.lattice(loglikes)
        finally:
            decoder.beams = self.beams
        if lattice is None:
            return SearchResult(frames=len(loglikes), fault="no path was found" if len(loglikes) else "has no frames")
        path = lattice.best_path(scale, task.penalty).tids if task.path else None
        hypothesis = None
        if task.words and not task.keep_lattice:
            reader = LatticeReader(decoder.graph.words, self.timing, scale, task.penalty, task.frame_shift_s)
            hypothesis = reader.read(lattice, decoder.beams.lattice_beam, task.most)
        kept, cpu_s = lattice if task.keep_lattice else None, time.process_time() - started
        return SearchResult(hypothesis, kept, len(loglikes), lattice.reached_final, cpu_s, path=path)
