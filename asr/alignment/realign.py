"""Align anew with a trained network: its log-likelihoods in place of the Gaussians'.

The transcripts are aligned with tree and transition model of --ali; the acoustic scores are the network's log
posteriors less its log priors. With --rounds N that is done N times, each time with a network trained on the
alignments before (with MODEL's own settings): OUT/ali1 and OUT/net1 to OUT/aliN and OUT/netN. Without, OUT is the
alignment. Where MODEL was trained on perturbed copies of --train-data, so are those networks: OUT/ali1_copies holds
the alignments of OUT/ali1, stretched as the sound of the copies is.

Reads   --model: a network's folder; --ali: final.mdl tree phones.txt; --lang: words.txt L.fst phones.txt;
        --train-data, --dev-data: features and text
Writes  --out: what `asr align` writes; unaligned.txt says which utterances would not align, and why

    python -m asr realign --model exp/mini/asgd --ali exp/mini/ali --lang exp/mini/lang \\
        --train-data exp/mini/data/train --dev-data exp/mini/data/dev --out exp/mini/realigned
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.jobs import cut
from asr.alignment.load import UNALIGNED, Wanted, load, num_frames
from asr.alignment.training_graph import Beams, GraphCompiler, UtteranceGraph, scores_of_transitions
from asr.alignment.transcripts import Spoken, to_align
from asr.command.resolve import resolve
from asr.command.verbs import module_of
from asr.console import progress, say
from asr.errors import InputError
from asr.files import copy_whole, read_bytes
from asr.kaldi.alignments import write_alignments
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.kaldi.tree import read_tree
from asr.parallel.pool import Pool
from asr.parallel.processes import processes_for
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import write_table

UTTERANCES_AT_ONCE = 25

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 2


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="folder of the trained network")
    ali: Path = option(help="alignment folder that it was trained on: final.mdl tree phones.txt")
    lang: Path = option(help="lang directory")
    train_data: Path = option(help="data directory of the training set")
    out: Path = option(help="folder to write", writes="folder")
    dev_data: Path | None = option(None, help="data directory of the dev set")
    rounds: int = option(0, help="realign and train so often; 0: realign, and train nothing", least=0)
    weights: str = option("final", help="the averaged weights or the last raw ones", choices=("final", "raw"))
    beam: float = option(10.0, help="paths worse than the best by more are dropped", above=0, most=10**6)
    retry_beam: float = option(40.0, help="the beam of a second try", above=0, most=10**6)
    acoustic_scale: float = option(0.1, help="weight of the log-likelihoods against transitions and lexicon", above=0)
    max_missing: float = option(0.05, help="largest share of training utterances without alignment", least=0, most=1)
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """The verb. Raises InputError."""
    if settings.beam >= settings.retry_beam:
        raise InputError(f"realign: --retry-beam {settings.retry_beam:g} is not wider than --beam {settings.beam:g}")
    if settings.rounds == 0:
        realign(settings, settings.model, settings.out)
        return
    training = module_of("train")

    model = settings.model
    for number in range(1, settings.rounds + 1):
        ali = settings.out / f"ali{number}"
        realign(settings, model, ali)
        recipe = _recipe_of(settings.model)
        ali = _of_copies(settings, ali, Path(recipe[recipe.index("--train-data") + 1]))
        model = settings.out / f"net{number}"
        training.run(resolve(training.Settings, "train", [*recipe, "--ali", str(ali), "--out", str(model)]))


def _of_copies(settings: Settings, ali: Path, data: Path) -> Path:
    """Return alignments of `data`, on which the model was trained: `ali`, or those of perturbed copies made of it."""
    if data.resolve() == settings.train_data.resolve() or not (data / "utt2uniq").is_file():
        return ali
    from asr.alignment import align

    out = ali.with_name(f"{ali.name}_copies")
    share, dev = settings.max_missing, settings.dev_data
    align.run(align.Settings(train_data=data, out=out, originals=ali, dev_data=dev, max_missing=share))
    return out


def _recipe_of(model: Path) -> list[str]:
    """The settings that `model` was trained with, as options of the verb train, less --ali and --out."""
    path = model / "settings.json"
    try:
        known: dict[str, Any] = json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", file=path) from error
    if not isinstance(known, dict):
        raise InputError("holds no settings", file=path)
    options = []
    for name, value in known.items():
        if name in ("ali", "out") or value is None:
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        options += ["--" + name.replace("_", "-"), text]
    return options


def realign(settings: Settings, model: Path, out: Path) -> None:
    """Align both sets with the network `model` and write the alignment folder `out`. Raises InputError."""
    folders = [folder for folder in (settings.train_data, settings.dev_data) if folder is not None]
    inputs = [model / "config.json", model / f"{settings.weights}.safetensors", model / "ali_train_pdf.counts"]
    inputs += [settings.ali / name for name in ("final.mdl", "tree", "phones.txt")]
    inputs += [path for path in (settings.lang, settings.lang / "phones") if path.is_dir()]
    inputs += [folder / name for folder in folders for name in ("text", "feats.scp", "features.json")]
    stamp = Stamp(out / ".done.realign.json", "realign", settings, inputs, revision=REVISION)
    if stamp.fresh():
        return
    _check_model(model, settings.ali)
    with tempfile.TemporaryDirectory(prefix=".realign.", dir=_made(out.parent)) as place:
        made = Path(place)
        spoken = Spoken.read(settings.lang, made)
        jobs: list[dict[str, np.ndarray]] = []
        faults: dict[str, str] = {}
        for folder in folders:
            words = spoken.word_ids(folder)
            job, failed = _align_set(settings, model, spoken.lexicon, folder, words)
            jobs.append(job)
            faults |= failed
        for name in ("final.mdl", "tree", "phones.txt"):
            copy_whole(settings.ali / name, made / name)
        write_alignments(made, cut(jobs, folders, len(list(settings.ali.glob("ali.*.gz"))) or 1))
        write_table(made / UNALIGNED, faults)
        copy_whole(made / UNALIGNED, out / UNALIGNED)
        wanted = Wanted(settings.train_data, settings.dev_data, settings.lang, out, settings.max_missing, 0)
        if faults:
            utterance, reason = next(iter(sorted(faults.items())))
            say(f"realign: {len(faults)} utterances not aligned, such as {utterance}: {reason}; {out / UNALIGNED}")
        stamp.record([*load(made, wanted), out / UNALIGNED])


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_model(model: Path, ali: Path) -> None:
    if read_bytes(model / "tree") != read_bytes(ali / "tree"):
        raise InputError(f"is not the tree that {model} was trained with", file=ali / "tree")


def _align_set(
    settings: Settings, model: Path, lexicon: Path, data: Path, words: dict[str, list[int]]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """({utterance: transition-ids}, {utterance: why it has none}) of one data directory."""
    words, faults = to_align(words, num_frames(data))
    if not words:
        return {}, faults
    names = sorted(words, key=str.encode)
    pieces = [names[at : at + UTTERANCES_AT_ONCE] for at in range(0, len(names), UTTERANCES_AT_ONCE)]
    beams = Beams(settings.beam, settings.retry_beam, settings.acoustic_scale)
    setup = (model, settings.weights, settings.ali, lexicon, data, beams)
    found: dict[str, np.ndarray] = {}
    for aligned, failed in progress(
        _in_parallel(setup, words, pieces, settings.nj), len(pieces), f"realign: {data.name}, parts"
    ):
        found |= aligned
        faults |= failed
    return found, faults


def _in_parallel(
    setup: tuple, words: dict[str, list[int]], pieces: Sequence[Sequence[str]], nj: int
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, str]]]:
    jobs = ({name: words[name] for name in piece} for piece in pieces)
    with Pool(processes_for(nj, len(pieces)), _begin, setup, what="realign") as pool:
        yield from pool.map(_align, jobs, name=lambda job: f"{min(job)} to {max(job)}")


class _Aligner:
    """What a process needs to align utterances of one data directory."""

    def __init__(self, model: Path, weights: str, ali: Path, lexicon: Path, data: Path, beams: Beams) -> None:
        import torch

        from asr.acoustic.model import AcousticModel
        from asr.features.reader import FeatureReader

        torch.set_num_threads(1)
        self.network = AcousticModel.load(model, weights)
        self.features = FeatureReader(data, self.network.config["features"])
        self.system: TransitionModel = read_transition_model(ali / "final.mdl")
        self.graphs = GraphCompiler(read_tree(ali / "tree"), self.system, lexicon)
        self.beams, self.transitions = beams, scores_of_transitions(self.system, beams)

    def align(self, utterance: str, words: Sequence[int]) -> np.ndarray | str:
        """Transition-ids, or why there are none."""
        try:
            graph: UtteranceGraph = self.graphs.compile(words)
            features = self.features[utterance]
        except InputError as error:
            return error.message
        if graph.too_long(len(features)):
            return graph.why_not(len(features))
        loglikes = self.network.log_likelihoods(features)[:, graph.pdfs]
        tids = graph.align(loglikes, self.transitions, self.beams)
        return graph.why_not(len(loglikes), self.beams) if tids is None else tids


_aligner: _Aligner | None = None  # of this process


def _begin(*setup: Any) -> None:
    global _aligner
    _aligner = _Aligner(*setup)


def _align(words: dict[str, list[int]]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    assert _aligner is not None
    results = {utterance: _aligner.align(utterance, ids) for utterance, ids in words.items()}
    aligned = {utterance: result for utterance, result in results.items() if not isinstance(result, str)}
    return aligned, {utterance: result for utterance, result in results.items() if isinstance(result, str)}
