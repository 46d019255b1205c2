"""Decodes many utterances on all cores; one that cannot be decoded, or kills its process, costs only itself.

There are processes, each with its own copy of the graph: what goes wrong in one is not another's. Log-likelihoods are
computed here, one utterance at a time as the searchers ask for more, and at most two wait per searcher.

    with SearchPool(Graph(graph, model / "final.mdl", Beams()), nj=4) as pool:
        outcomes = pool.decode(utterances, loglikes_of, Task(lm_weight=8), what="decode: dev")
"""

from __future__ import annotations

import collections
import concurrent.futures
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.console import progress, warn
from asr.decoding.beam.search import Beams, Decoder
from asr.decoding.beam.search_graph import load_graph
from asr.decoding.lattices.hypothesis import LatticeReader
from asr.decoding.lattices.timing import Timing
from asr.decoding.outcome import Outcome
from asr.errors import InputError, WorkerLost
from asr.parallel.pool import Pool

WAITING_PER_PROCESS = 2


@dataclass(frozen=True)
class Graph:
    """Where to search and how widely."""

    graph_dir: Path
    transition_model: Path
    beams: Beams

    def searcher(self) -> Searcher:
        """Load the graph."""
        graph = load_graph(self.graph_dir, self.transition_model)
        return Searcher(Decoder(graph, self.beams), Timing.read(self.graph_dir, self.transition_model))


@dataclass(frozen=True)
class Task:
    """What to do with an utterance: search with the acoustic scale 1 / lm_weight, then either keep the lattice as it
    is, or read the best words from it with the insertion penalty, and the `most` best besides.
    """

    lm_weight: float
    penalty: float = 0.0
    most: int = 1
    keep_lattice: bool = False


@dataclass
class Searcher:
    """What each process has: the graph, and what tells times."""

    decoder: Decoder
    timing: Timing

    def run(self, matrix: np.ndarray, task: Task) -> Outcome:
        """Search one utterance; whatever fails is its fault."""
        started = time.process_time()
        try:
            return self._run(matrix, task, started)
        except (InputError, RuntimeError, MemoryError) as error:
            return Outcome(frames=len(matrix), fault=str(error) or type(error).__name__)

    def _run(self, matrix: np.ndarray, task: Task, started: float) -> Outcome:
        self.decoder.acoustic_scale = 1.0 / task.lm_weight
        lattice = self.decoder.lattice(matrix)
        if lattice is None:
            return Outcome(frames=len(matrix), fault="no path was found" if len(matrix) else "has no frames")
        hypothesis = None
        if not task.keep_lattice:
            reader = LatticeReader(self.decoder.graph.words, self.timing, self.decoder.acoustic_scale, task.penalty)
            hypothesis = reader.read(lattice, self.decoder.beams.lattice_beam, task.most)
        return Outcome(
            hypothesis,
            lattice if task.keep_lattice else None,
            len(matrix),
            lattice.reached_final,
            time.process_time() - started,
        )


class SearchPool:
    """Searchers over one graph; `nj` processes, or with 1 this very process. Use as a context manager."""

    def __init__(self, graph: Graph, nj: int) -> None:
        self.graph, self.nj = graph, nj
        self.symbols: list[str] = []  # the word of every word-id, once entered
        self._here: Searcher | None = None
        self._pool: Pool | None = None

    def __enter__(self) -> SearchPool:
        self._here = self.graph.searcher()  # also when others search: a bad graph is refused here, in one line
        self.symbols = self._here.decoder.graph.words.symbols
        self._tid_to_pdf = self._here.timing.model.tid_to_pdf
        if self.nj > 1:
            self._here = None
            self._pool = self._new_pool(self.nj).__enter__()
        return self

    def here(self) -> Searcher:
        """The searcher of this process, loaded where other processes search."""
        if self._here is None:
            self._here = self.graph.searcher()
        return self._here

    def decoder(self) -> Decoder:
        """The decoder of this process."""
        return self.here().decoder

    def prior_of_tids(self, log_prior: np.ndarray) -> np.ndarray:
        """float32 (transition-ids + 1): the log prior of each one's pdf; 0 for none."""
        result = log_prior[self._tid_to_pdf].astype(np.float32)
        result[0] = 0.0
        return result

    def __exit__(self, kind: object = None, *_: object) -> None:
        self._here = None
        if self._pool is not None:
            self._pool.close(at_once=kind is not None)
            self._pool = None

    def decode(
        self, utterances: Sequence[str], loglikes_of: Callable[[str], np.ndarray], task: Task, *, what: str
    ) -> dict[str, Outcome]:
        """Return {utterance: outcome} in the order given; `loglikes_of` returns float32 (frames, pdfs), unscaled.

        what: said with the progress.

        An InputError from `loglikes_of`, or a search that fails, is that utterance's fault and no more.
        """
        outcomes = self.outcomes(utterances, loglikes_of, task)
        done = dict(progress(outcomes, len(utterances), what))
        return {utterance: done[utterance] for utterance in utterances}

    def outcomes(
        self, utterances: Sequence[str], loglikes_of: Callable[[str], np.ndarray], task: Task
    ) -> Iterator[tuple[str, Outcome]]:
        """Yield (utterance, outcome) of `decode` one by one, as soon as they are searched."""
        run = self._serial if self._pool is None else self._parallel
        return run(utterances, loglikes_of, task)

    def _serial(self, utterances, loglikes_of, task) -> Iterator[tuple[str, Outcome]]:
        assert self._here is not None
        for utterance in utterances:
            matrix = _loglikes(loglikes_of, utterance)
            yield utterance, matrix if isinstance(matrix, Outcome) else self._here.run(matrix, task)

    def _parallel(self, utterances, loglikes_of, task) -> Iterator[tuple[str, Outcome]]:
        waiting: collections.deque[tuple[str, concurrent.futures.Future[Outcome]]] = collections.deque()
        for utterance in utterances:
            matrix = _loglikes(loglikes_of, utterance)
            if isinstance(matrix, Outcome):
                yield utterance, matrix
                continue
            while len(waiting) >= WAITING_PER_PROCESS * self.nj:
                yield from self._take(waiting, loglikes_of, task)
            assert self._pool is not None
            waiting.append((utterance, self._pool.submit(_search_there, matrix, task, name=utterance)))
        while waiting:
            yield from self._take(waiting, loglikes_of, task)

    def _take(self, waiting, loglikes_of, task) -> Iterator[tuple[str, Outcome]]:
        """The oldest one's outcome; when a searcher died, the outcomes of all that wait, searched one by one."""
        assert self._pool is not None
        utterance, future = waiting.popleft()
        try:
            outcome = self._pool.result(future)
        except WorkerLost as error:
            warn(f"{error}; searching what was under way once more")
            suspects = [utterance, *(name for name, _ in waiting)]
            waiting.clear()
        else:
            yield utterance, outcome
            return
        for suspect in suspects:
            yield suspect, self._alone(_loglikes(loglikes_of, suspect), task)
        self._pool.close()
        self._pool = self._new_pool(self.nj).__enter__()

    def _alone(self, matrix: np.ndarray | Outcome, task: Task) -> Outcome:
        """Search in a process of its own, which may die."""
        if isinstance(matrix, Outcome):
            return matrix
        with self._new_pool(1) as pool:
            try:
                return pool.result(pool.submit(_search_there, matrix, task))
            except WorkerLost as error:
                return Outcome(frames=len(matrix), fault=f"the search's process died: {error}")

    def _new_pool(self, processes: int) -> Pool:
        return Pool(processes, _begin, (self.graph,), what="decode")


def _loglikes(loglikes_of: Callable[[str], np.ndarray], utterance: str) -> np.ndarray | Outcome:
    try:
        return loglikes_of(utterance)
    except InputError as error:
        return Outcome(fault=str(error))


_there: Searcher | None = None  # of a searching process


def _begin(graph: Graph) -> None:
    global _there
    _there = graph.searcher()


def _search_there(matrix: np.ndarray, task: Task) -> Outcome:
    assert _there is not None
    return _there.run(matrix, task)
