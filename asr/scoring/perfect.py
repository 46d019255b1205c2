"""The errors that a perfect acoustic model would leave: the search is given the reference's own states.

The model aligns the transcript of an utterance, which makes the right pdf of every frame known. The search then gets
log-likelihoods in which that pdf costs nothing, and every other one so much that the search takes it only where the
graph has no path through the right ones, as at a word that the lexicon lacks. What is still wrong is due to the
language model, the lexicon, and states that several phones share: homophones above all.

    searched = search_perfectly(used, utterances, source)
    searched["u1"].words
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.alignment.training_graph import AlignmentBeams, GraphCompiler, scores_of_transitions
from asr.alignment.transcripts import AlignmentLang
from asr.decoding.acoustic import AcousticSource
from asr.decoding.arrays import Floats
from asr.decoding.beam.search import Beams
from asr.decoding.pool import SearchPool
from asr.decoding.results import SearchResult
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.decoding.weights import Weights
from asr.errors import InputError
from asr.kaldi.alignments import to_pdf
from asr.kaldi.transition_model import read_transition_model
from asr.kaldi.tree import read_tree

#: what a frame in a wrong pdf costs in the search, after the acoustic scale; about as much as its whole beam
WRONG_FRAME = 10.0
#: how much less likely than a frame's best pdf another one may be in the alignment; otherwise a pdf that training
#: never saw, as of the noise that stands for an unknown word, makes its utterance impossible
LEAST_LIKELY = 30.0
#: of the second try of an alignment: so wide that it finds a path through every utterance that is long enough
RETRY_BEAM = 1000.0
#: only the best path is read
LATTICE_BEAM = 0.1


@dataclass(frozen=True)
class DecodedWith:
    """What a set was decoded with: data directory, model folder, graph, and the lang directory of the graph."""

    data: Path
    model: Path
    graph: Path
    lang: Path
    beams: Beams
    weights: Weights


class ReferencePdfs:
    """Log-likelihoods that favour the pdfs of the transcripts, as the model's own alignment has them."""

    def __init__(self, used: DecodedWith, source: AcousticSource) -> None:
        self.source, self.wrong = source, np.float32(-WRONG_FRAME * used.weights.lm_weight)
        self.model = read_transition_model(used.model / "final.mdl")
        with tempfile.TemporaryDirectory(prefix="asr-explain-") as work:
            lang = AlignmentLang.read(used.lang, Path(work))
            self.words = lang.word_ids(used.data)
            self.graphs = GraphCompiler(read_tree(used.model / "tree"), self.model, lang.lexicon)
        self.beams = AlignmentBeams(retry_beam=RETRY_BEAM)
        self.transitions = scores_of_transitions(self.model, self.beams)

    def loglikes_of(self, utterance: str) -> Floats:
        """Return float32 (frames, pdfs). Raises InputError if the utterance cannot be aligned."""
        if not self.words.get(utterance):
            raise InputError("has no transcript", key=utterance)
        graph = self.graphs.compile(self.words[utterance])
        loglikes = self.source.loglikes_of(utterance)
        if not len(loglikes):
            raise InputError("has no frames", key=utterance)
        if graph.too_long(len(loglikes)):
            raise InputError(graph.why_not(len(loglikes)), key=utterance)
        least = loglikes.max(axis=1, keepdims=True) - np.float32(LEAST_LIKELY)
        tids = graph.align(np.maximum(loglikes[:, graph.pdfs], least), self.transitions, self.beams)
        if tids is None:
            raise InputError(graph.why_not(len(loglikes), self.beams), key=utterance)
        result = np.full(loglikes.shape, self.wrong, np.float32)
        result[np.arange(len(tids)), to_pdf(tids, self.model)] = 0
        return result


def search_perfectly(used: DecodedWith, utterances: Sequence[str], source: AcousticSource) -> dict[str, SearchResult]:
    """Return the result of each utterance; one that cannot be aligned has a fault.

    Searches in this process: few paths are left, so that the search takes less time than the alignment. Raises
    InputError if graph, model and lang directory cannot be read.
    """
    reference = ReferencePdfs(used, source)
    beams = dataclasses.replace(used.beams, lattice_beam=LATTICE_BEAM)
    setup = SearchSetup(used.graph, used.model / "final.mdl", beams)
    task = SearchTask(used.weights.lm_weight, used.weights.penalty, frame_shift_s=source.frame_shift_ms / 1000)
    with SearchPool(setup, 1) as pool:
        return pool.decode(utterances, reference.loglikes_of, task, what=f"explain: {used.data.name}")
