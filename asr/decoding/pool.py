"""Decodes many utterances on all cores. An utterance that cannot be decoded, or kills its process, affects no other.

Each process has its own copy of the graph. Log-likelihoods are computed in this process, one utterance at a time as
the searchers need more; at most two utterances wait per searcher.

    with SearchPool(SearchSetup(graph, model / "final.mdl", Beams()), nj=4) as pool:
        results = pool.decode(utterances, loglikes_of, SearchTask(lm_weight=8), what="decode: dev")
"""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from asr.console import progress, warn
from asr.decoding.acoustic import LogLikelihoods
from asr.decoding.arrays import Floats
from asr.decoding.results import SearchResult
from asr.decoding.utterance import Searcher, SearchSetup, SearchTask
from asr.errors import InputError, WorkerLost
from asr.parallel.pool import Pool

WAITING_PER_PROCESS = 2

#: utterances and their results
Results = Iterator[tuple[str, SearchResult]]
#: utterances that are being searched
Waiting = collections.deque[tuple[str, concurrent.futures.Future[SearchResult]]]


class SearchPool:
    """Searchers over one graph: `nj` processes, or this process if it is 1. Use as a context manager."""

    def __init__(self, setup: SearchSetup, nj: int) -> None:
        self.setup, self.nj = setup, nj
        self.symbols: list[str] = []  # the word of every word-id, set on entry
        self._here: Searcher | None = None
        self._pool: Pool | None = None

    def __enter__(self) -> SearchPool:
        self._here = self.setup.searcher()  # also if other processes search: a bad graph is refused here, in one line
        self.symbols = self._here.decoder.graph.words.symbols
        self.transition_model = self._here.timing.model
        if self.nj > 1:
            self._here = None
            self._pool = self._new_pool(self.nj).__enter__()
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self._here = None
        if self._pool is not None:
            self._pool.close(at_once=kind is not None)
            self._pool = None

    def here(self) -> Searcher:
        """Return the searcher of this process; loads it if other processes search."""
        if self._here is None:
            self._here = self.setup.searcher()
        return self._here

    def prior_of_tids(self, log_prior: Floats) -> Floats:
        """Return the log prior of the pdf of each transition-id, float32 (transition-ids + 1); 0 for none."""
        result: Floats = log_prior[self.transition_model.tid_to_pdf].astype(np.float32)
        result[0] = 0.0
        return result

    def decode(
        self, utterances: Sequence[str], loglikes_of: LogLikelihoods, task: SearchTask, *, what: str
    ) -> dict[str, SearchResult]:
        """Return {utterance: result} in the given order; loglikes_of returns float32 (frames, pdfs), unscaled.

        what: the label of the progress. An InputError of `loglikes_of`, and a search that fails, is the fault of that
        utterance's result.
        """
        done = dict(progress(self.results(utterances, loglikes_of, task), len(utterances), what))
        return {utterance: done[utterance] for utterance in utterances}

    def results(self, utterances: Iterable[str], loglikes_of: LogLikelihoods, task: SearchTask) -> Results:
        """Yield (utterance, result) like `decode`, each as soon as it is known."""
        waiting: Waiting = collections.deque()
        for utterance in utterances:
            loglikes = _loglikes(loglikes_of, utterance)
            if isinstance(loglikes, SearchResult):
                yield utterance, loglikes
            elif self._pool is None:
                yield utterance, self.here().run(loglikes, task)
            else:
                while len(waiting) >= WAITING_PER_PROCESS * self.nj:
                    yield from self._take(waiting, loglikes_of, task)
                waiting.append((utterance, self._pool.submit(_search_there, loglikes, task, name=utterance)))
        while waiting:
            yield from self._take(waiting, loglikes_of, task)

    def _take(self, waiting: Waiting, loglikes_of: LogLikelihoods, task: SearchTask) -> Results:
        """Yield the oldest utterance's result; if a searcher died, those of all that wait, searched one by one."""
        assert self._pool is not None
        utterance, future = waiting.popleft()
        try:
            result = self._pool.result(future)
        except WorkerLost as error:
            warn(f"{error}; searching the unfinished utterances again")
            suspects = [utterance, *(name for name, _ in waiting)]
            waiting.clear()
        else:
            yield utterance, result
            return
        for suspect in suspects:
            yield suspect, self._alone(_loglikes(loglikes_of, suspect), task)
        self._pool.close()
        self._pool = self._new_pool(self.nj).__enter__()

    def _alone(self, loglikes: Floats | SearchResult, task: SearchTask) -> SearchResult:
        """Search in a process of its own, which may die."""
        if isinstance(loglikes, SearchResult):
            return loglikes
        with self._new_pool(1) as pool:
            try:
                return pool.result(pool.submit(_search_there, loglikes, task))
            except WorkerLost as error:
                return SearchResult(frames=len(loglikes), fault=f"the search's process died: {error}")

    def _new_pool(self, processes: int) -> Pool:
        return Pool(processes, _begin, (self.setup,), what="decode")


def _loglikes(loglikes_of: LogLikelihoods, utterance: str) -> Floats | SearchResult:
    try:
        return loglikes_of(utterance)
    except InputError as error:
        return SearchResult(fault=str(error))


_there: Searcher | None = None  # of a searching process


def _begin(setup: SearchSetup) -> None:
    global _there
    _there = setup.searcher()


def _search_there(loglikes: Floats, task: SearchTask) -> SearchResult:
    assert _there is not None
    return _there.run(loglikes, task)
