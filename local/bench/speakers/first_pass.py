"""Decode a set as `asr decode` does, and keep what adaptation to a speaker's first pass needs.

Reads   EXP/data/SET, EXP/MODEL, EXP/graph/GRAPH, and EXP/ali/pdf.ark, the pdf-ids of the reference
Writes  EXP/speakers/MODEL.SET/: heard.npz (see `Heard`), first/hyp.txt and first/scores.json, the row to compare with

    python local/bench/speakers/first_pass.py --exp exp/common_voice --model net-1 --set dev
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from lattice_posteriors import pdf_posteriors

from asr.decoding.acoustic import AcousticSource, TwoPassSource, acoustic_source
from asr.decoding.arrays import Floats, Ints
from asr.decoding.beam.search import Beams
from asr.decoding.pool import SearchPool
from asr.decoding.two_pass import adapted, silence_of
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.decoding.weights import Weights, weights_from
from asr.features.adaptation.columns import AdaptedColumns
from asr.features.adaptation.reader import AdaptedReader
from asr.features.reader import FeatureReader
from asr.files import read_json
from asr.kaldi.archives import read_int_vectors
from asr.scoring.bootstrap import SpeakerErrors, difference_interval
from asr.scoring.score import Settings as ScoreSettings
from asr.scoring.score import run as score
from asr.tables import read_table, write_table


@dataclass(frozen=True)
class Place:
    """Where the bench reads and writes."""

    exp: Path
    model: str
    set_name: str
    graph: str
    processes: int

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options that every script of the bench has."""
        parser.add_argument("--exp", type=Path, required=True)
        parser.add_argument("--model", default="net-1")
        parser.add_argument("--set", dest="set_name", default="dev")
        parser.add_argument("--graph", default="ali.lang")
        parser.add_argument("--nj", dest="processes", type=int, default=2)

    @classmethod
    def of(cls, given: argparse.Namespace) -> Place:
        """Return the place that the options name."""
        return cls(given.exp, given.model, given.set_name, given.graph, given.processes)

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.exp / "data" / self.set_name

    @property
    def network(self) -> Path:
        """Return the model folder."""
        return self.exp / self.model

    @property
    def graph_dir(self) -> Path:
        """Return the graph folder."""
        return self.exp / "graph" / self.graph

    @property
    def out(self) -> Path:
        """Return the folder of the results; one for each language model."""
        suffix = self.graph.removeprefix("ali.lang")
        return self.exp / "speakers" / f"{self.model}.{self.set_name}{suffix}"

    @property
    def weights(self) -> Weights:
        """Return the weights that were chosen on dev."""
        lm = "lm" + self.graph.removeprefix("ali.lang")
        return weights_from(self.network / lm / "decode_dev/decode.json")

    def pool(self) -> SearchPool:
        """Return the searchers."""
        return SearchPool(SearchSetup(self.graph_dir, self.network / "final.mdl", Beams()), self.processes)


@dataclass(frozen=True)
class Heard:
    """What was heard of an utterance.

    inputs: the network's features, adapted by fMLLR, float32 (frames, columns); path: pdf-ids of the best path;
    speech: whether the best path is in no silence; frames, pdfs, shares: the lattice's posteriors, see
    lattice_posteriors.py; reference: pdf-ids of the transcript's alignment, -1 if there is none; spoken: whether
    these are not silence.
    """

    inputs: Floats
    path: Ints
    speech: Ints
    frames: Ints
    pdfs: Ints
    shares: Floats
    reference: Ints
    spoken: Ints


def read_heard(place: Place) -> dict[str, Heard]:
    """Return {utterance: what was heard of it}."""
    with np.load(place.out / "heard.npz") as arrays:
        names = sorted({name.rsplit("/", 1)[0] for name in arrays.files}, key=str.encode)
        fields = Heard.__dataclass_fields__
        return {name: Heard(**{field: arrays[f"{name}/{field}"] for field in fields}) for name in names}


def write_row(place: Place, name: str, words: Mapping[str, Sequence[str]], first: str | None = None) -> str:
    """Write hypotheses, score them, and return a line of the table; first: the row that it is compared with."""
    out = place.out / name
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / "hyp.txt", {key: " ".join(found) for key, found in words.items()})
    settings = ScoreSettings(
        ref=place.data / "text", hyp=out / "hyp.txt", out=out, set_name=place.set_name, allow_incomplete=True
    )
    with contextlib.redirect_stdout(io.StringIO()):
        score(settings)
    owner = read_table(place.data / "utt2spk")
    speakers = {owner[key] for key in words}
    mine = errors_of(out, speakers)
    line = f"{name}: {place.set_name} %CER {mine.rate:.2f}, {len(speakers)} speakers"
    if first is not None:
        other = errors_of(place.out / first, speakers)
        low, high = difference_interval(other, mine, seed=1)
        line += f"; {first} {other.rate:.2f}, difference {mine.rate - other.rate:+.2f} ({low:+.2f} to {high:+.2f})"
    return line


def errors_of(folder: Path, speakers: set[str]) -> SpeakerErrors:
    """Return the errors of a scored row on some speakers."""
    every = SpeakerErrors.of(read_json(folder / "scores.json"))
    kept = [place for place, name in enumerate(every.speakers) if name in speakers]
    return SpeakerErrors(tuple(every.speakers[place] for place in kept), every.errors[kept], every.units[kept])


def search_words(
    place: Place, pool: SearchPool, loglikes_of: Callable[[str], Floats], utterances: Sequence[str], what: str
) -> tuple[dict[str, list[str]], float]:
    """Return the best words of each utterance with the chosen weights, and the CPU seconds of the search."""
    weights = place.weights
    task = SearchTask(weights.lm_weight, weights.penalty, keep_lattice=True)
    words, cpu_s = {}, 0.0
    for utterance, result in pool.results(utterances, loglikes_of, task):
        cpu_s += result.cpu_s
        found = result.lattice.words_of_best(1 / weights.lm_weight, weights.penalty) if result.lattice else ()
        words[utterance] = [symbol for word in found if (symbol := pool.symbols[word])]
    print(f"{what}: searched in {cpu_s:.0f} CPU s")
    return {name: words[name] for name in utterances}, cpu_s


def second_pass(
    place: Place, pool: SearchPool, utterances: Sequence[str]
) -> tuple[AcousticSource, Callable[[str], Floats], float]:
    """Return (source of the second pass, the network's inputs for an utterance, CPU seconds of the first pass)."""
    given = acoustic_source(place.network, place.data)
    assert isinstance(given, TwoPassSource)
    transforms: dict[str, Floats] = {}

    def remembering(found: Mapping[str, Floats]) -> AcousticSource:
        transforms.update(found)
        return given.second(found)

    weights, silence = place.weights, silence_of(place.graph_dir)
    source, record = adapted(replace(given, second=remembering), pool, utterances, weights, silence)
    plain = FeatureReader(place.data)
    columns = AdaptedColumns.read(place.network / "adapt", plain.description)
    inputs = AdaptedReader(plain, columns, transforms)
    return source.with_prior_scale(weights.prior_scale), inputs.__getitem__, record["cpu_s"]


def main() -> None:
    """Decode in two passes and keep the second one's best paths and lattices."""
    parser = argparse.ArgumentParser(description=__doc__)
    Place.options(parser)
    place = Place.of(parser.parse_args())
    started = time.process_time()
    kept: dict[str, np.ndarray] = {}
    words: dict[str, list[str]] = {}
    weights = place.weights
    scale, penalty = 1 / weights.lm_weight, weights.penalty
    utterances = sorted(read_table(place.data / "utt2spk"), key=str.encode)
    reference = dict(read_int_vectors(place.exp / "ali/pdf.ark"))
    task = SearchTask(weights.lm_weight, penalty, keep_lattice=True)
    with place.pool() as pool:
        model = pool.transition_model
        silent = model.pdfs_of(silence_of(place.graph_dir))
        source, inputs, there = second_pass(place, pool, utterances)
        for key, result in pool.results(utterances, source.loglikes_of, task):
            lattice = result.lattice
            assert lattice is not None, key
            there += result.cpu_s
            path = lattice.best_path(scale, penalty)
            words[key] = [symbol for word in path.words if (symbol := pool.symbols[word])]
            soft = pdf_posteriors(lattice, model.tid_to_pdf, scale, penalty)
            pdfs = model.tid_to_pdf[path.tids]
            right = reference.get(key, np.full(len(pdfs), -1))
            item = Heard(inputs(key), pdfs, ~silent[pdfs], *soft, right, ~silent[right] & (right >= 0))
            kept |= {f"{key}/{field}": getattr(item, field) for field in Heard.__dataclass_fields__}
    place.out.mkdir(parents=True, exist_ok=True)
    np.savez(place.out / "heard.npz", **kept)
    print(write_row(place, "first", {name: words[name] for name in utterances}))
    print(f"{time.process_time() - started:.0f} CPU s here, {there:.0f} with the searchers")


if __name__ == "__main__":
    main()
