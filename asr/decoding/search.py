"""Beam search for the best words of one utterance: a matrix of log-likelihoods in, words and costs out.

Kaldi's FasterDecoder (Viterbi beam search over HCLG), fed by a decodable that scores column label - 1. So the
graph's transition-ids become pdf-id + 1 once, when it is loaded, and the matrix is used as it is. The weights are
Kaldi's: acoustic log-likelihoods are multiplied by 1 / LM weight, the graph's costs are left alone, and the insertion
penalty is a cost added for every word; beam and costs are in those units.

reads   GRAPH/HCLG.fst words.txt num_pdfs, and final.mdl (which pdf each transition-id has)

    decoder = Decoder(Path("exp/mini/net/graph"), Path("exp/mini/net/final.mdl"), acoustic_scale=0.1)
    decoder.decode(loglikes).words          # loglikes: float32 (frames, pdfs)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.lang.fst import Fst, read_fst
from asr.tables import read_bytes, read_symbols

# <eps>, <SIL>, <SPN>, <UNK>, [NOISE], !SIL: what is heard but is no word
_NO_WORD = re.compile(r"<.*>|\[.*\]|!.+")


@dataclass(frozen=True)
class Result:
    """The best path of one utterance.

    cost_graph: transitions, language model and insertion penalties; cost_acoustic: minus the scaled log-likelihoods;
    pdfs: int32 (frames). Without `reached_final` no path ended where the graph may end, and this is the best of the
    others. `found` is False when the search lost every path; there are no words then and the costs are infinite.
    """

    words: tuple[str, ...] = ()
    cost_graph: float = float("inf")
    cost_acoustic: float = float("inf")
    reached_final: bool = False
    pdfs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def found(self) -> bool:
        """Whether there is a path at all."""
        return self.cost_graph != float("inf")


class Decoder:
    """Decodes utterances one after another over one graph.

    beam: paths worse than the best of a frame by more are dropped; max_active: states kept a frame at most.
    Raises InputError where graph and model are not of one make, or a file is missing or damaged.
    """

    def __init__(
        self,
        graph_dir: Path,
        transition_model: Path,
        *,
        acoustic_scale: float = 0.1,
        insertion_penalty: float = 0.0,
        beam: float = 13.0,
        max_active: int = 7000,
    ) -> None:
        import kaldi_decoder

        self.words = _word_list(graph_dir / "words.txt")
        self.num_pdfs, self._graph = load_graph(graph_dir, transition_model)
        if (highest := int(self._graph.arcs["olabel"].max(initial=0))) >= len(self.words):
            raise InputError(f"has no word {highest}, which HCLG.fst has", file=graph_dir / "words.txt")
        self._options = kaldi_decoder.FasterDecoderOptions(beam=beam, max_active=max_active)
        self.acoustic_scale = acoustic_scale
        self.insertion_penalty = insertion_penalty
        self._fst = with_word_cost(self._graph, insertion_penalty).to_kaldifst()

    def set_weights(self, *, acoustic_scale: float, insertion_penalty: float) -> None:
        """Change the weights for the utterances to come; the graph is only rebuilt for another penalty."""
        self.acoustic_scale = acoustic_scale
        if insertion_penalty != self.insertion_penalty:
            self._fst = None  # let go of the old one first: a graph can be large
            self._fst = with_word_cost(self._graph, insertion_penalty).to_kaldifst()
            self.insertion_penalty = insertion_penalty

    def decode(self, loglikes: np.ndarray) -> Result:
        """The best path for `loglikes`, float32 (frames, pdfs).

        Raises InputError when the columns are not the graph's pdfs or a value is not finite.
        """
        import kaldi_decoder
        import kaldifst

        self._check(loglikes)
        if len(loglikes) == 0:
            return Result()
        scaled = np.ascontiguousarray(loglikes, np.float32) * np.float32(self.acoustic_scale)
        search = kaldi_decoder.FasterDecoder(self._fst, self._options)
        search.decode(kaldi_decoder.DecodableCtc(scaled))
        reached_final = search.reached_final()
        found, path = search.get_best_path(use_final_probs=reached_final)
        if not found:
            return Result()
        _, labels, words, cost = kaldifst.get_linear_symbol_sequence(path)
        return Result(
            tuple(symbol for word in words if (symbol := self.words[word])),
            float(cost.value1),
            float(cost.value2),
            reached_final,
            np.array(labels, dtype=np.int32) - 1,
        )

    def _check(self, loglikes: np.ndarray) -> None:
        if loglikes.ndim != 2 or loglikes.shape[1] != self.num_pdfs:
            columns = loglikes.shape[1] if loglikes.ndim == 2 else "no"
            raise InputError(
                f"the log-likelihoods have {columns} columns, the graph has {self.num_pdfs} pdfs: "
                "the graph was made for another model"
            )
        if not np.isfinite(loglikes).all():
            raise InputError("the log-likelihoods hold a NaN or an infinity")


def load_graph(graph_dir: Path, transition_model: Path) -> tuple[int, Fst]:
    """(number of pdfs, HCLG with input labels pdf-id + 1; 0 stays 0). Raises InputError."""
    from asr.alignment.transition_model import read_transition_model

    path = graph_dir / "HCLG.fst"
    model = read_transition_model(transition_model)
    _check_num_pdfs(graph_dir / "num_pdfs", model.num_pdfs, transition_model)
    graph = read_fst(path)
    if graph.num_states == 0:
        raise InputError("is an empty graph", file=path)
    labels = graph.arcs["ilabel"]
    if (highest := int(labels.max(initial=0))) > model.num_transition_ids:
        raise InputError(
            f"has transition-id {highest}, {transition_model} only {model.num_transition_ids}: not of one model",
            file=path,
        )
    label_of = model.tid_to_pdf + 1
    label_of[0] = 0
    graph.arcs["ilabel"] = label_of[labels]
    return model.num_pdfs, graph


def _check_num_pdfs(path: Path, expected: int, model: Path) -> None:
    if not path.is_file():  # only newer Kaldi writes it
        return
    text = read_bytes(path).decode("ascii", "replace").strip()
    if text != str(expected):
        raise InputError(f"the graph has {text or 'no'} pdfs, {model} has {expected}: not of one model", file=path)


def with_word_cost(graph: Fst, cost: float) -> Fst:
    """`graph` with `cost` added on every arc that has a word; `graph` itself is left as it is."""
    if cost == 0:
        return graph
    arcs = graph.arcs.copy()
    arcs["weight"] += np.where(arcs["olabel"] != 0, np.float32(cost), np.float32(0))
    return Fst(graph.start, graph.final, graph.degree, arcs)


def _word_list(path: Path) -> list[str]:
    """The word of every word-id; empty where there is none, for silence, noise and the unknown word."""
    table = read_symbols(path)
    words = [""] * (max(table.values(), default=0) + 1)
    for word, number in table.items():
        if not _NO_WORD.fullmatch(word):
            words[number] = word
    return words
