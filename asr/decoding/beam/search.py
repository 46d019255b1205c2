"""Beam search for the words of one utterance: a matrix of log-likelihoods in, a lattice of the likely paths out.

The weights are Kaldi's: acoustic log-likelihoods are multiplied by an acoustic scale (1 / LM weight), the graph's
costs are left alone, and beams are in those units. Insertion penalties and other scales are applied to the lattice.

reads   GRAPH/HCLG.fst words.txt num_pdfs, and final.mdl (which pdf each transition-id has)

    decoder = Decoder(load_graph(Path("exp/mini/net/graph"), Path("exp/mini/net/final.mdl")), acoustic_scale=0.125)
    decoder.lattice(loglikes).best_path(0.125).words          # loglikes: float32 (frames, pdfs)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asr.decoding.beam.search_graph import SearchGraph
from asr.decoding.lattices.lattice import Lattice
from asr.errors import InputError

MIN_ACTIVE = 200  # Kaldi's default
#: states alive, of all frames, above which those that no longer matter are let go: 8 bytes each
MOST_TOKENS = 8_000_000


@dataclass(frozen=True)
class Beams:
    """How widely to search. beam: paths worse than a frame's best by more are dropped; max_active: states kept a
    frame at most; lattice_beam: whole paths worse than the best by more are left out of the lattice.
    """

    beam: float = 13.0
    max_active: int = 7000
    lattice_beam: float = 6.0


class Decoder:
    """Decodes utterances one after another over one graph; `acoustic_scale` may be changed between two."""

    def __init__(self, graph: SearchGraph, beams: Beams | None = None, *, acoustic_scale: float = 0.1) -> None:
        self.graph, self.beams, self.acoustic_scale = graph, beams or Beams(), acoustic_scale
        self.scratch = (
            np.full(graph.num_states, -1, np.int32),  # which seat a state has in the frame, -1: none
            np.empty(graph.num_states, np.int32),
            np.empty(graph.num_states, np.float32),
        )

    def lattice(self, loglikes: np.ndarray) -> Lattice | None:
        """The lattice of `loglikes`, float32 (frames, pdfs); None where no path was found or there is no frame.

        Raises InputError when the columns are not the graph's pdfs or a value is not finite.
        """
        stream = self.stream()
        stream.accept(loglikes)
        return stream.lattice()

    def stream(self) -> Stream:
        """A search that is fed piece by piece. One at a time: streams of one decoder share their scratch."""
        return Stream(self)


class Stream:
    """The search of one utterance whose frames come in pieces."""

    def __init__(self, decoder: Decoder) -> None:
        from asr.decoding.beam import token_passing

        self.decoder, self.graph = decoder, decoder.graph
        self.scale = decoder.acoustic_scale
        graph, beam = self.graph, np.float32(decoder.beams.beam)
        self._forward = (graph.first, graph.middle, graph.pdf, graph.weight, graph.target)
        self.frames = 0  # given
        self._done = 0  # searched: fewer than given once every path is lost
        self._costs = np.empty((0, graph.num_pdfs), np.float32)
        self._bounds, self._base = np.zeros(2, np.int64), np.zeros(1)
        self._cutoffs = np.zeros(0, np.float32)
        room = (np.empty(1 << 16, np.int32), np.empty(1 << 16, np.float32))
        self._states, self._alphas = token_passing.begin(
            self._forward, graph.start, beam, *decoder.scratch, *room, self._bounds, self._base
        )

    def accept(self, loglikes: np.ndarray) -> None:
        """Search on through more frames: float32 (frames, pdfs), unscaled. Raises InputError."""
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
            self._let_go()

    def lattice(self) -> Lattice | None:
        """The lattice of all frames so far, which may be asked for at any time; None where there is no path."""
        if self.frames == 0 or self._done < self.frames:
            return None
        extra, ends, reached_final = self._ends()
        return self._traced(extra, ends, reached_final, self.decoder.beams.lattice_beam)

    def words_so_far(self) -> tuple[int, ...]:
        """The word-ids of the best path up to here, wherever in the graph it is."""
        if self._done == 0:
            return ()
        last = self._alphas[self._bounds[self._done] : self._bounds[self._done + 1]]
        lattice = self._traced(last - last.min(), np.zeros(len(last), np.float32), False, 1e-3)
        return lattice.best_path(self.scale).words

    def _ends(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Of the last frame's states: how much worse than the best, final costs, and whether the graph has them."""
        low, high = self._bounds[self._done], self._bounds[self._done + 1]
        alphas, final = self._alphas[low:high], self.graph.final[self._states[low:high]]
        reached_final = bool(np.isfinite(final).any())
        if not reached_final:
            final = np.zeros(high - low, np.float32)
        total = alphas + final
        return (total - total.min()).astype(np.float32), final, reached_final

    def _trace(self, extra: np.ndarray, lattice_beam: float) -> tuple[np.ndarray, int, np.ndarray]:
        from asr.decoding.beam import tracing

        graph = self.graph
        return tracing.trace(
            (graph.back_first, graph.back_middle, graph.back_arc), graph.weight, graph.source, graph.pdf,
            self.decoder.scratch[0], self._costs, self._states, self._alphas, self._bounds, self._base, self._cutoffs,
            self._done, extra, np.float32(lattice_beam),
        )  # fmt: skip

    def _traced(self, extra: np.ndarray, ends: np.ndarray, reached_final: bool, lattice_beam: float) -> Lattice:
        number, count, links = self._trace(extra, lattice_beam)
        state_of = np.where(number >= 0, count - 1 - number, -1)
        source = state_of[links[:, 0]]
        links = links[np.argsort(source, kind="stable")]
        first = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=count), out=first[1:])
        arc, graph = links[:, 2], self.graph
        time = np.searchsorted(self._bounds, links[:, 0], side="right") - 1  # frames before the arc
        pdf = graph.pdf[arc]
        # a silent arc of the last frame has no row of its own: any will do
        acoustic = self._costs[np.minimum(time, self._done - 1), np.maximum(pdf, 0)] / np.float32(self.scale)
        final = np.full(count, np.inf, np.float32)
        last = state_of[self._bounds[self._done] : self._bounds[self._done + 1]]
        final[last[last >= 0]] = ends[last >= 0]
        return Lattice(
            self._done,
            first,
            state_of[links[:, 1]].astype(np.int32),
            graph.word[arc],
            graph.tid[arc],
            graph.weight[arc],
            np.where(pdf >= 0, acoustic, np.float32(0)),
            final,
            reached_final,
        )

    def _let_go(self) -> None:
        """Keep, of the frames before the last, the states that a path within the lattice beam goes through."""
        low, high = self._bounds[self._done], self._bounds[self._done + 1]
        number, _, _ = self._trace(np.zeros(high - low, np.float32), self.decoder.beams.lattice_beam)
        kept = number >= 0
        kept[low:high] = True
        before = np.concatenate([[0], np.cumsum(kept)])
        self._states, self._alphas = self._states[:high][kept], self._alphas[:high][kept]
        self._bounds[: self._done + 2] = before[self._bounds[: self._done + 2]]


def _longer(array: np.ndarray, more: int) -> np.ndarray:
    return np.concatenate([array, np.zeros(more, array.dtype)])


def _check(loglikes: np.ndarray, num_pdfs: int) -> None:
    if loglikes.ndim != 2 or loglikes.shape[1] != num_pdfs:
        columns = loglikes.shape[1] if loglikes.ndim == 2 else "no"
        raise InputError(
            f"the log-likelihoods have {columns} columns, the graph has {num_pdfs} pdfs: "
            "the graph was made for another model"
        )
    if not np.isfinite(loglikes).all():
        raise InputError("the log-likelihoods hold a NaN or an infinity")
