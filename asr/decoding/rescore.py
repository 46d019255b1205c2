"""Rescore a decoding's lattices with another language model and read the best words from them again.

The costs of the graph's language model are subtracted from every path and those of the new one are added. So the
graph can be made of a small model, and a larger one (of a higher order or of more text) decides. The weights are
chosen on one set (--tune) and applied to another (--tuned), as in `decode`; default grids are widened as there.

reads   DECODED/decode.json hyp.txt lat.1.gz, as written by `decode` (lat.1.gz may be Kaldi's);
        ARPA, in the words of LANG; LANG/words.txt G.fst; the model's final.mdl and the graph that decode.json names;
        with --tune DATA/text
writes  OUT/hyp.txt ctm phones.ctm nbest lat.1.gz decode.json, as `decode` does

    python -m asr rescore --decoded exp/mini/net/decode_dev --lang exp/mini/lang --arpa big.arpa.gz \\
        --out exp/mini/net/decode_dev_big --tune true
    python -m asr rescore --decoded exp/mini/net/decode_test --lang exp/mini/lang --arpa big.arpa.gz \\
        --out exp/mini/net/decode_test_big --tuned exp/mini/net/decode_dev_big/decode.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from asr.console import progress, warn
from asr.decoding.grids import INSERTION_PENALTIES, LM_WEIGHTS, Choices
from asr.decoding.lattices.files import read_lattices
from asr.decoding.lattices.hypothesis import LatticeReader
from asr.decoding.lattices.lattice import CompactLattice
from asr.decoding.results import (
    FILES,
    SearchResult,
    check_faults,
    figures,
    say_figures,
    write_results,
    written_files,
)
from asr.decoding.tuning import TuneSet
from asr.decoding.weights import Weights, weights_from
from asr.decoding.word_table import WordTable
from asr.errors import InputError, named_first
from asr.files import read_json, write_json
from asr.settings import as_dict, option
from asr.stamp import Stamp
from asr.tables import read_symbols, read_table

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2


@dataclass(frozen=True)
class Settings:
    decoded: Path = option(help="folder of a decoding with lat.1.gz, as MODEL/decode_test")
    lang: Path = option(help="lang directory that the graph was made of")
    arpa: Path = option(help="the new language model (ARPA, .gz too), in the same words")
    out: Path = option(help="folder to write", writes="folder", makes=(*FILES, "decode.json"))
    g: Path | None = option(None, help="G.fst that the graph was made of; none: LANG's")
    tune: bool = option(False, help="choose LM weight and insertion penalty on this set; needs DATA/text")
    tuned: Path | None = option(None, help="decode.json of the rescored set that the weights were chosen on")
    data: Path | None = option(None, help="with --tune: data directory with text; none: the decoding's")
    tune_minutes: float = option(20.0, help="with --tune: minutes of speech to choose on", above=0)
    lm_weights: tuple[float, ...] = option(LM_WEIGHTS, help="with --tune: LM weights to try", above=0, most=10**6)
    insertion_penalties: tuple[float, ...] = option(
        INSERTION_PENALTIES, help="with --tune: penalties to try", least=-(10**6), most=10**6
    )
    latin: str = option("word", help="with --tune: the unit of Latin script", choices=("word", "letter"))
    nbest: int = option(10, help="most hypotheses per utterance in OUT/nbest", least=0)
    lattices: bool = option(True, help="write lat.1.gz")
    max_missing: float = option(0.05, help="share of utterances that may lack a lattice", least=0, most=1)
    seed: int = option(0, help="with --tune: selects the part of the set", least=0)


def run(settings: Settings) -> None:
    """Run the stage `rescore`."""
    _check(settings)
    decoded = _Decoding.read(settings.decoded)
    fixed = weights_from(settings.tuned) if settings.tuned else None
    inputs = [settings.decoded / name for name in ("decode.json", "hyp.txt", "lat.1.gz")]
    inputs += [settings.arpa, settings.lang / "words.txt", _grammar(settings), decoded.transition_model]
    if settings.tune:
        inputs.append((settings.data or decoded.data) / "text")
    done, extra = settings.out / ".done.rescore.json", fixed and astuple(fixed)
    stamp = Stamp(done, "rescore", settings, inputs, extra=extra, revision=REVISION)
    if stamp.fresh():
        return
    _rescore_set(settings, decoded, fixed)
    stamp.record(written_files(settings.out))


def _check(settings: Settings) -> None:
    if settings.tune == (settings.tuned is not None):
        raise InputError("rescore: --tune true chooses LM weight and penalty here, --tuned FILE names them: pass one")
    if not (settings.lm_weights and settings.insertion_penalties):
        raise InputError("rescore: --lm-weights and --insertion-penalties: name at least one each")


def _grammar(settings: Settings) -> Path:
    return settings.g or settings.lang / "G.fst"


@dataclass(frozen=True)
class _Decoding:
    """A finished decoding: the content of decode.json, and its lattices."""

    folder: Path
    record: dict[str, Any]
    weights: Weights
    graph: Path
    model: Path
    data: Path
    frame_shift_ms: float

    @classmethod
    def read(cls, folder: Path) -> _Decoding:
        path = folder / "decode.json"
        record = read_json(path)
        weights = Weights.of(record, path)
        try:
            graph, settings, shift = Path(record["graph"]), record["settings"], float(record["frame_shift_ms"])
            return cls(folder, record, weights, graph, Path(settings["model"]), Path(settings["data"]), shift)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("does not name the graph, model and data", file=path) from error

    @property
    def transition_model(self) -> Path:
        return self.model / "final.mdl"

    def lattices(self) -> Iterator[tuple[str, CompactLattice]]:
        return read_lattices(self.folder / "lat.1.gz")


class _LanguageModels:
    """Both language models: replaces the old one's costs in lattices by the new one's."""

    def __init__(self, settings: Settings, decoded: _Decoding) -> None:
        from asr.decoding.lattices.grammar import BackoffGrammar
        from asr.decoding.lattices.rescoring import Rescorer
        from asr.lang.arpa import read_arpa, write_arpa
        from asr.lang.lexicon_fst import write_grammar

        words = settings.lang / "words.txt"
        ids = read_symbols(words)
        if "#0" not in ids:
            raise InputError("lacks #0, the symbol of back-off arcs", file=words)
        if read_symbols(decoded.graph / "words.txt") != ids:
            raise InputError(f"is not the words.txt of {decoded.graph}: not the graph's lang directory", file=words)
        old = BackoffGrammar.read(_grammar(settings), ids["#0"])
        with tempfile.TemporaryDirectory(prefix="asr-rescore-") as folder:
            write_arpa(Path(folder) / "lm.arpa", read_arpa(settings.arpa))  # checked and unpacked
            write_grammar(Path(folder) / "lm.arpa", words, Path(folder) / "G.fst", settings.arpa)
            new = BackoffGrammar.read(Path(folder) / "G.fst", ids["#0"])
        self.decoded, self.table = decoded, WordTable.of(ids)
        self.rescorer = Rescorer(old, new, len(self.table))

    def lattice(self, utterance: str, lattice: CompactLattice) -> CompactLattice:
        try:
            return self.rescorer.rescored(lattice, 1.0 / self.decoded.weights.lm_weight)
        except InputError as error:
            raise InputError(error.message, file=self.decoded.folder / "lat.1.gz", key=utterance) from error

    def warn_of_unknown(self, arpa: Path) -> None:
        if unknown := sorted(self.rescorer.unknown):
            named = named_first(self.table.names[word] for word in unknown)
            warn(f"{arpa}: lacks {len(unknown)} words of the lattices ({named}); each costs as much as its costliest")


def _rescore_set(settings: Settings, decoded: _Decoding, fixed: Weights | None) -> None:
    from asr.decoding.lattices.timing import Timing

    out = settings.out
    (out / "decode.json").unlink(missing_ok=True)  # its presence means that rescoring has finished
    utterances = sorted(read_table(decoded.folder / "hyp.txt", allow_empty=True), key=str.encode)
    models = _LanguageModels(settings, decoded)
    started, cpu = time.monotonic(), time.process_time()
    entries = progress(decoded.lattices(), len(utterances), f"rescore: {decoded.data.name}")
    lattices = {key: models.lattice(key, lattice) for key, lattice in entries}
    models.warn_of_unknown(settings.arpa)
    if unlisted := sorted(set(lattices) - set(utterances)):
        raise InputError("is not in hyp.txt beside it", file=decoded.folder / "lat.1.gz", key=unlisted[0])
    tuning: dict[str, Any] = {}
    if fixed is None:
        fixed, tuning = _tuned(settings, decoded, utterances, lattices, models.table)
    timing, shift_s = Timing.read(decoded.graph, decoded.transition_model), decoded.frame_shift_ms / 1000
    reader = LatticeReader(models.table, timing, 1.0 / fixed.lm_weight, fixed.penalty, shift_s)
    results = {key: _result(key, decoded, lattices.get(key), reader, settings.nbest) for key in utterances}
    check_faults(results, settings.max_missing, decoded.folder)
    record: dict[str, Any] = {"complete": True, "lm_weight": fixed.lm_weight, "penalty": fixed.penalty}
    record |= {"prior_scale": decoded.weights.prior_scale, "graph": str(decoded.graph), "arpa": str(settings.arpa)}
    wall_s, cpu_s = time.monotonic() - started, time.process_time() - cpu
    record |= tuning | figures(results, decoded.frame_shift_ms, wall_s, cpu_s, 1)
    named = {"model": str(decoded.model), "data": str(decoded.data)}  # a second rescoring needs them
    record["settings"] = as_dict(settings) | named
    out.mkdir(parents=True, exist_ok=True)
    write_results(out, results, decoded.frame_shift_ms, lattices=settings.lattices)
    write_json(out / "decode.json", record)
    say_figures(record, decoded.data.name, "rescore")


def _tuned(
    settings: Settings,
    decoded: _Decoding,
    utterances: list[str],
    lattices: dict[str, CompactLattice],
    table: WordTable,
) -> tuple[Weights, dict[str, Any]]:
    """Return the LM weight and penalty with the fewest errors on a part of the set, and their record."""
    frames = {key: lattices[key].frames if key in lattices else 1 for key in utterances}
    most_frames = settings.tune_minutes * 60_000 / decoded.frame_shift_ms
    data = settings.data or decoded.data
    tune_set = TuneSet.pick(data, utterances, frames, most_frames, settings.seed, settings.latin)
    tune_set.lattices = {key: lattices[key] for key in tune_set.references if key in lattices}
    choices = Choices(settings.lm_weights, settings.insertion_penalties, (decoded.weights.prior_scale,))
    search = tune_set.choose(choices, decoded.weights, table.symbols)
    return search.best.weights, search.record() | {"tuning_utterances": len(tune_set.references)}


def _result(
    utterance: str, decoded: _Decoding, lattice: CompactLattice | None, reader: LatticeReader, most: int
) -> SearchResult:
    if lattice is None:
        return SearchResult(fault=decoded.record.get("faults", {}).get(utterance, "has no lattice"))
    final = utterance not in decoded.record.get("not_final", ())
    try:
        return SearchResult(reader.of_compact(lattice, most), None, lattice.frames, final)
    except InputError as error:
        return SearchResult(frames=lattice.frames, fault=str(error))
