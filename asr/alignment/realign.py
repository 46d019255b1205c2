"""Align anew with a trained network: its log-likelihoods replace those of the Gaussians.

The transcripts are aligned with the tree and transition model of --ali; the acoustic scores are the network's log
posteriors minus its log priors. Without --rounds, OUT is the alignment. With --rounds N this happens N times, each
time with a network that was trained on the alignments of the previous round with MODEL's own settings: OUT/ali1 and
OUT/net1 to OUT/aliN and OUT/netN. If MODEL was trained on perturbed copies of --train-data, so are those networks:
OUT/ali1_copies holds the alignments of OUT/ali1, stretched as the sound of the copies is.

A network with adapted columns hears those of the speakers' transforms in ALI/sat or ALI. For a speaker who has none
there, the Gaussians in MODEL/adapt estimate one (network_aligner.py). OUT/sat then holds that system with the
transforms of all speakers, so that a training on OUT adapts as MODEL does.

Reads   --model: a network's folder; --ali: final.mdl tree phones.txt [sat/trans.N]; --lang: words.txt L.fst
        phones.txt; --train-data, --dev-data: features and text
Writes  --out: the files that `asr align` writes, and unaligned.txt: which utterances would not align, and why;
        sat/ if the network adapts to speakers

    python -m asr realign --model exp/mini/asgd --ali exp/mini/ali --lang exp/mini/lang \\
        --train-data exp/mini/data/train --dev-data exp/mini/data/dev --out exp/mini/realigned
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.acoustic.adaptation import KEY, SAT
from asr.alignment.gmm.rung_folder import remove_rung
from asr.alignment.jobs import cut, cut_speakers
from asr.alignment.load import UNALIGNED, LoadRequest, num_frames
from asr.alignment.load_kaldi import load
from asr.alignment.network_aligner import NetworkSystem, align_set, transforms_of_others
from asr.alignment.realigned_sat import known_transforms, transform_files, write_sat
from asr.alignment.training_graph import AlignmentBeams
from asr.alignment.transcripts import AlignmentLang, to_align
from asr.command.verbs import module_of
from asr.console import say
from asr.errors import InputError
from asr.files import copy_whole, folder_beside, read_bytes, read_json
from asr.kaldi.alignments import write_alignments
from asr.kaldi.stream import Floats
from asr.kaldi.system import SYSTEM_FILES, copy_system
from asr.kaldi.transition_model import Ints
from asr.settings import from_dict, option
from asr.stamp import Stamp
from asr.tables import write_table

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="folder of the trained network")
    ali: Path = option(help="alignment folder that it was trained on: final.mdl tree phones.txt")
    lang: Path = option(help="lang directory")
    train_data: Path = option(help="data directory of the training set")
    out: Path = option(help="folder to write", writes="folder")
    dev_data: Path | None = option(None, help="data directory of the dev set")
    rounds: int = option(0, help="times to realign and train; 0: only realign", least=0)
    weights: str = option("final", help="the averaged weights or the last raw ones", choices=("final", "raw"))
    beam: float = option(10.0, help="paths worse than the best path by more are dropped", above=0, most=10**6)
    retry_beam: float = option(40.0, help="the beam of a second try", above=0, most=10**6)
    acoustic_scale: float = option(0.1, help="weight of the log-likelihoods against transitions and lexicon", above=0)
    max_missing: float = option(0.05, help="largest share of training utterances without alignment", least=0, most=1)
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Run the verb. Raises InputError."""
    if settings.beam >= settings.retry_beam:
        raise InputError(f"realign: --retry-beam {settings.retry_beam:g} is not wider than --beam {settings.beam:g}")
    if settings.rounds == 0:
        realign(settings, settings.model, settings.out)
        return
    train = module_of("train")
    saved = settings.model / "settings.json"
    model = settings.model
    for number in range(1, settings.rounds + 1):
        ali = settings.out / f"ali{number}"
        realign(settings, model, ali)
        model = settings.out / f"net{number}"
        recipe = from_dict(train.Settings, {**read_json(saved), "ali": str(ali), "out": str(model)}, file=saved)
        train.run(dataclasses.replace(recipe, ali=_of_copies(settings, ali, recipe.train_data)))


def _of_copies(settings: Settings, ali: Path, data: Path) -> Path:
    """Return alignments of `data`, the model's training set: `ali`, or those of perturbed copies made from it."""
    if data.resolve() == settings.train_data.resolve() or not (data / "utt2uniq").is_file():
        return ali
    from asr.alignment import align

    out = ali.with_name(f"{ali.name}_copies")
    share, dev = settings.max_missing, settings.dev_data
    align.run(align.Settings(train_data=data, out=out, originals=ali, dev_data=dev, max_missing=share))
    return out


def realign(settings: Settings, model: Path, out: Path) -> None:
    """Align both sets with the network `model` and write the alignment folder `out`. Raises InputError."""
    folders = [folder for folder in (settings.train_data, settings.dev_data) if folder is not None]
    adapts = read_json(model / "config.json").get(KEY) is not None
    inputs = [model / "config.json", model / f"{settings.weights}.safetensors", model / "ali_train_pdf.counts"]
    inputs += [settings.ali / name for name in SYSTEM_FILES]
    inputs += [path for path in (settings.lang, settings.lang / "phones") if path.is_dir()]
    inputs += [folder / name for folder in folders for name in ("text", "feats.scp", "features.json")]
    if adapts:
        inputs += [*transform_files(settings.ali, model), *(folder / "utt2spk" for folder in folders)]
    stamp = Stamp(out / ".done.realign.json", "realign", settings, inputs, revision=REVISION)
    if stamp.fresh():
        return
    if read_bytes(model / "tree") != read_bytes(settings.ali / "tree"):
        raise InputError(f"is not the tree that {model} was trained with", file=settings.ali / "tree")
    with folder_beside(out, ".realign.") as work:
        lang = AlignmentLang.read(settings.lang, work)
        transforms = known_transforms(settings.ali, model) if adapts else None
        faults = _write_aligned(settings, model, lang, folders, transforms, work)
        copy_whole(work / UNALIGNED, out / UNALIGNED)
        if faults:
            utterance, reason = next(iter(sorted(faults.items())))
            say(f"realign: {len(faults)} utterances not aligned, such as {utterance}: {reason}; {out / UNALIGNED}")
        sets = (settings.train_data, settings.dev_data, settings.lang)
        request = LoadRequest(*sets, out, settings.max_missing, 0, listed=out / UNALIGNED)
        written = [*load(work, request), out / UNALIGNED]
    remove_rung(out / SAT)
    if transforms is not None:
        of_jobs = cut_speakers(transforms, folders, _jobs(settings.ali))
        written += write_sat(out / SAT, settings.ali, model, lang.classes.silence, of_jobs)
    stamp.record(written)


def _write_aligned(
    settings: Settings,
    model: Path,
    lang: AlignmentLang,
    folders: Sequence[Path],
    transforms: dict[str, Floats] | None,
    work: Path,
) -> dict[str, str]:
    """Align the data directories `folders`, write the alignment directory `work` and return the faults.

    transforms: of speakers, if the network adapts to them; those of the others are added.
    """
    beams = AlignmentBeams(settings.beam, settings.retry_beam, settings.acoustic_scale)
    system = NetworkSystem(model, settings.weights, settings.ali, lang.lexicon, lang.classes.silence, beams)
    jobs: list[dict[str, Ints]] = []
    faults: dict[str, str] = {}
    for folder in folders:
        words, failed = to_align(lang.word_ids(folder), num_frames(folder))
        faults |= failed
        if not words:
            continue
        if transforms is not None:
            transforms |= transforms_of_others(system, folder, words, transforms, settings.nj)
        job, failed = align_set(system, folder, words, transforms or {}, settings.nj)
        jobs.append(job)
        faults |= failed
    copy_system(settings.ali, work)
    write_alignments(work, cut(jobs, folders, _jobs(settings.ali)))
    write_table(work / UNALIGNED, faults)
    return faults


def _jobs(ali: Path) -> int:
    """Return the number of archives to cut into."""
    return len(list(ali.glob("ali.*.gz"))) or 1
