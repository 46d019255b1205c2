"""Beam search over one utterance: from a matrix of log-likelihoods to a lattice of the likely paths.

The weights are Kaldi's: acoustic log-likelihoods are multiplied by an acoustic scale (1 / LM weight), the graph's
costs are not scaled, and beams are in these units. Insertion penalties and other scales are applied to the lattice.
Reads and writes no file.

    decoder = Decoder(load_graph(Path("exp/mini/net/graph"), Path("exp/mini/net/final.mdl")), acoustic_scale=0.125)
    decoder.lattice(loglikes).best_path(0.125).words          # loglikes: float32 (frames, pdfs)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.decoding.arrays import Floats, Ints, row_starts
from asr.decoding.beam.search_graph import SearchGraph
from asr.decoding.lattices.lattice import Lattice
from asr.errors import InputError

MIN_ACTIVE = 200  # Kaldi's default
#: tokens of all frames, 8 bytes each, above which those outside the lattice beam are dropped
MOST_TOKENS = 8_000_000


@dataclass(frozen=True)
class Beams:
    """The width of the search.

    beam: how much worse than a frame's best a path may be; max_active: most states kept per frame; lattice_beam: how
    much worse than the best a whole path of the lattice may be.
    """

    beam: float = 13.0
    max_active: int = 7000
    lattice_beam: float = 6.0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Beams:
        """Return the beams of a JSON object. Raises KeyError, TypeError or ValueError."""
        return cls(float(record["beam"]), int(record["max_active"]), float(record["lattice_beam"]))


class Decoder:
    """Decodes utterances one after another over one graph; `acoustic_scale` may be changed between them."""

    def __init__(self, graph: SearchGraph, beams: Beams | None = None, *, acoustic_scale: float = 0.1) -> None:
        self.graph, self.beams, self.acoustic_scale = graph, beams or Beams(), acoustic_scale
        self.scratch = (
            np.full(graph.num_states, -1, np.int32),  # the slot of a state in the current frame, -1: none
            np.empty(graph.num_states, np.int32),
            np.empty(graph.num_states, np.float32),
        )

    def lattice(self, loglikes: Floats) -> Lattice | None:
        """Return the lattice of `loglikes`, float32 (frames, pdfs); None if there is no frame or no path.

        Raises InputError if the columns are not the graph's pdfs or a value is not finite.
        """
        search = self.begin()
        search.accept(loglikes)
        return search.lattice()

    def begin(self) -> UtteranceSearch:
        """Return a search that takes frames in pieces. One at a time: searches of one decoder share their scratch."""
        return UtteranceSearch(self)


class UtteranceSearch:
    """The search of one utterance whose frames arrive in pieces."""

    def __init__(self, decoder: Decoder) -> None:
        from asr.decoding.beam import token_passing

        self.decoder, self.graph = decoder, decoder.graph
        self.scale = decoder.acoustic_scale
        graph, beam = self.graph, np.float32(decoder.beams.beam)
        self._forward = (graph.first, graph.middle, graph.pdf, graph.weight, graph.target)
        self.frames = 0  # accepted
        self._done = 0  # searched: fewer than accepted once no path is left
        self._costs = np.empty((0, graph.num_pdfs), np.float32)
        self._bounds, self._base = np.zeros(2, np.int64), np.zeros(1)
        self._cutoffs = np.zeros(0, np.float32)
        room = (np.empty(1 << 16, np.int32), np.empty(1 << 16, np.float32))
        self._states, self._alphas = token_passing.begin(
            self._forward, graph.start, beam, *decoder.scratch, *room, self._bounds, self._base
        )

    def accept(self, loglikes: Floats) -> None:
        """Search through more frames, float32 (frames, pdfs), unscaled. Raises InputError."""
        from asr.decoding.beam import token_passing

        _check(loglikes, self.graph.num_pdfs)
        lost = self._done < self.frames
        self.frames += len(loglikes)
        if len(loglikes) == 0 or lost:
            return
        costs = np.ascontiguousarray(loglikes, np.float32) * np.float32(-self.scale)
        self._costs = np.concatenate([self._costs, costs]) if len(self._costs) else costs
        more = len(loglikes)
        self._bounds, self._base = _longer(self._bounds, more), _longer(self._base, more)
        self._cutoffs = _longer(self._cutoffs, more)
        beams = self.decoder.beams
        self._states, self._alphas, self._done = token_passing.advance(
            self._forward, costs, self._done, np.float32(beams.beam), beams.max_active, MIN_ACTIVE,
            *self.decoder.scratch, self._states, self._alphas, self._bounds, self._base, self._cutoffs,
        )  # fmt: skip
        if self._bounds[self._done + 1] > MOST_TOKENS:
            self._prune()

    def lattice(self) -> Lattice | None:
        """Return the lattice of all frames so far; None if there is no path. May be called at any time."""
        if self.frames == 0 or self._done < self.frames:
            return None
        extra, ends, reached_final = self._ends()
        return self._traced(extra, ends, reached_final, self.decoder.beams.lattice_beam)

    def words_so_far(self) -> tuple[int, ...]:
        """Return the word-ids of the best path up to here, whether or not it ends in a final state."""
        if self._done == 0:
            return ()
        last = self._alphas[self._bounds[self._done] : self._bounds[self._done + 1]]
        lattice = self._traced(last - last.min(), np.zeros(len(last), np.float32), False, 1e-3)
        return lattice.best_path(self.scale).words

    def _ends(self) -> tuple[Floats, Floats, bool]:
        """Return, of the last frame's states, the cost above the best, the final cost, and whether one is final."""
        low, high = self._bounds[self._done], self._bounds[self._done + 1]
        alphas, final = self._alphas[low:high], self.graph.final[self._states[low:high]]
        reached_final = bool(np.isfinite(final).any())
        if not reached_final:
            final = np.zeros(high - low, np.float32)
        total = alphas + final
        return (total - total.min()).astype(np.float32), final, reached_final

    def _trace(self, extra: Floats, lattice_beam: float) -> tuple[Ints, int, Ints]:
        from asr.decoding.beam import tracing

        graph = self.graph
        traced: tuple[Ints, int, Ints] = tracing.trace(
            (graph.back_first, graph.back_middle, graph.back_arc), graph.weight, graph.source, graph.pdf,
            self.decoder.scratch[0], self._costs, self._states, self._alphas, self._bounds, self._base, self._cutoffs,
            self._done, extra, np.float32(lattice_beam),
        )  # fmt: skip
        return traced

    def _traced(self, extra: Floats, ends: Floats, reached_final: bool, lattice_beam: float) -> Lattice:
        number, count, links = self._trace(extra, lattice_beam)
        state_of = np.where(number >= 0, count - 1 - number, -1)
        source = state_of[links[:, 0]]
        links = links[np.argsort(source, kind="stable")]
        arc, graph = links[:, 2], self.graph
        time = np.searchsorted(self._bounds, links[:, 0], side="right") - 1  # frames before the arc
        pdf = graph.pdf[arc]
        # a silent arc after the last frame has no row of its own; any row serves, np.where drops it
        acoustic = self._costs[np.minimum(time, self._done - 1), np.maximum(pdf, 0)] / np.float32(self.scale)
        final = np.full(count, np.inf, np.float32)
        last = state_of[self._bounds[self._done] : self._bounds[self._done + 1]]
        final[last[last >= 0]] = ends[last >= 0]
        return Lattice(
            self._done,
            row_starts(source, count),
            state_of[links[:, 1]].astype(np.int32),
            graph.word[arc],
            graph.tid[arc],
            graph.weight[arc],
            np.where(pdf >= 0, acoustic, np.float32(0)),
            final,
            reached_final,
        )

    def _prune(self) -> None:
        """Drop, of the frames before the last, the states that are on no path within the lattice beam."""
        low, high = self._bounds[self._done], self._bounds[self._done + 1]
        number, _, _ = self._trace(np.zeros(high - low, np.float32), self.decoder.beams.lattice_beam)
        kept = number >= 0
        kept[low:high] = True
        before = np.concatenate([[0], np.cumsum(kept)])
        self._states, self._alphas = self._states[:high][kept], self._alphas[:high][kept]
        self._bounds[: self._done + 2] = before[self._bounds[: self._done + 2]]


def _longer(array: np.ndarray, more: int) -> np.ndarray:
    return np.concatenate([array, np.zeros(more, array.dtype)])


def _check(loglikes: Floats, num_pdfs: int) -> None:
    if loglikes.ndim != 2 or loglikes.shape[1] != num_pdfs:
        columns = loglikes.shape[1] if loglikes.ndim == 2 else "no"
        raise InputError(
            f"the log-likelihoods have {columns} columns, the graph has {num_pdfs} pdfs: "
            "the graph was made for another model"
        )
    if not np.isfinite(loglikes).all():
        raise InputError("the log-likelihoods hold a NaN or an infinity")
