"""Decodes many utterances on all cores; one that cannot be decoded, or kills its process, costs only itself.

The search holds Python's lock, so there are processes, each with its own copy of the graph. Log-likelihoods are
computed here, one utterance at a time as the searchers ask for more, and at most two wait per searcher.

    with SearchPool(Graph(graph, model / "final.mdl", beam=13, max_active=7000), nj=4) as pool:
        outcomes = pool.decode(utterances, loglikes_of, lm_weight=10, penalty=0.0, what="decode: dev")
"""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.console import progress
from asr.decoding.outcome import Outcome
from asr.decoding.search import Decoder
from asr.errors import InputError
from asr.processes import end_with_parent

WAITING_PER_PROCESS = 2


@dataclass(frozen=True)
class Graph:
    """Where to search and how widely."""

    graph_dir: Path
    transition_model: Path
    beam: float
    max_active: int

    def decoder(self) -> Decoder:
        """Load the graph."""
        return Decoder(self.graph_dir, self.transition_model, beam=self.beam, max_active=self.max_active)


class SearchPool:
    """Searchers over one graph; `nj` processes, or with 1 this very process. Use as a context manager."""

    def __init__(self, graph: Graph, nj: int) -> None:
        self.graph, self.nj = graph, nj
        self._here: Decoder | None = None
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> SearchPool:
        self._here = self.graph.decoder()  # also when others search: a bad graph is refused here, in one line
        if self.nj > 1:
            self._here = None
            self._pool = self._new_pool(self.nj)
        return self

    def __exit__(self, *_: object) -> None:
        self._here = None
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def decode(
        self,
        utterances: Sequence[str],
        loglikes_of: Callable[[str], np.ndarray],
        *,
        lm_weight: float,
        penalty: float,
        what: str,
    ) -> dict[str, Outcome]:
        """{utterance: outcome} in the order given; `loglikes_of` gives float32 (frames, pdfs), unscaled.

        An InputError from `loglikes_of`, or a search that fails, is that utterance's fault and no more.
        """
        run = self._serial if self._pool is None else self._parallel
        done = dict(progress(run(utterances, loglikes_of, (1.0 / lm_weight, penalty)), len(utterances), what))
        return {utterance: done[utterance] for utterance in utterances}

    def _serial(self, utterances, loglikes_of, weights) -> Iterator[tuple[str, Outcome]]:
        assert self._here is not None
        for utterance in utterances:
            matrix = _loglikes(loglikes_of, utterance)
            yield utterance, matrix if isinstance(matrix, Outcome) else _search(self._here, matrix, *weights)

    def _parallel(self, utterances, loglikes_of, weights) -> Iterator[tuple[str, Outcome]]:
        waiting: collections.deque[tuple[str, concurrent.futures.Future[Outcome]]] = collections.deque()
        for utterance in utterances:
            matrix = _loglikes(loglikes_of, utterance)
            if isinstance(matrix, Outcome):
                yield utterance, matrix
                continue
            while len(waiting) >= WAITING_PER_PROCESS * self.nj:
                yield from self._take(waiting, loglikes_of, weights)
            waiting.append((utterance, self._submit(matrix, weights)))
        while waiting:
            yield from self._take(waiting, loglikes_of, weights)

    def _submit(self, matrix: np.ndarray, weights: tuple[float, float]) -> concurrent.futures.Future[Outcome]:
        assert self._pool is not None
        try:
            return self._pool.submit(_search_there, matrix, *weights)
        except BrokenProcessPool as error:  # a searcher died since the last look; _take sorts it out
            future: concurrent.futures.Future[Outcome] = concurrent.futures.Future()
            future.set_exception(error)
            return future

    def _take(self, waiting, loglikes_of, weights) -> Iterator[tuple[str, Outcome]]:
        """The oldest one's outcome; when a searcher died, the outcomes of all that wait, searched one by one."""
        utterance, future = waiting.popleft()
        try:
            yield utterance, future.result()
            return
        except BrokenProcessPool:
            suspects = [utterance, *(name for name, _ in waiting)]
            waiting.clear()
        for suspect in suspects:
            yield suspect, self._alone(_loglikes(loglikes_of, suspect), weights)
        assert self._pool is not None
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._new_pool(self.nj)

    def _alone(self, matrix: np.ndarray | Outcome, weights: tuple[float, float]) -> Outcome:
        """Search in a process of its own, which may die."""
        if isinstance(matrix, Outcome):
            return matrix
        with self._new_pool(1) as pool:
            try:
                return pool.submit(_search_there, matrix, *weights).result()
            except BrokenProcessPool:
                return Outcome(frames=len(matrix), fault="the search's process died (out of memory?)")

    def _new_pool(self, processes: int) -> concurrent.futures.ProcessPoolExecutor:
        return concurrent.futures.ProcessPoolExecutor(
            processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(self.graph,)
        )


def _loglikes(loglikes_of: Callable[[str], np.ndarray], utterance: str) -> np.ndarray | Outcome:
    try:
        return loglikes_of(utterance)
    except InputError as error:
        return Outcome(fault=str(error))


def _search(decoder: Decoder, matrix: np.ndarray, acoustic_scale: float, penalty: float) -> Outcome:
    started = time.process_time()
    decoder.set_weights(acoustic_scale=acoustic_scale, insertion_penalty=penalty)
    try:
        result = decoder.decode(matrix)
    except (InputError, RuntimeError, MemoryError) as error:  # RuntimeError: what the wheel's checks throw
        return Outcome(frames=len(matrix), fault=str(error) or type(error).__name__)
    if not result.found:
        return Outcome(frames=len(matrix), fault="no path was found" if len(matrix) else "has no frames")
    return Outcome(
        result.words,
        len(matrix),
        result.cost_graph + result.cost_acoustic,
        result.reached_final,
        time.process_time() - started,
    )


_there: Any = None  # the decoder of a searcher's process


def _begin(graph: Graph) -> None:
    global _there
    end_with_parent()
    _there = graph.decoder()


def _search_there(matrix: np.ndarray, acoustic_scale: float, penalty: float) -> Outcome:
    return _search(_there, matrix, acoustic_scale, penalty)
