"""Load a Kaldi alignment directory: pdf-ids for training, class counts, and a report of what is covered.

Reads   --ali-dir: final.mdl tree num_jobs ali.*.gz [phones.txt], as Kaldi leaves them (binary or text);
        --train-data, --dev-data: utt2num_frames; --lang: phones.txt
Writes  --out: final.mdl tree phones.txt num_jobs ali.*.gz (copies), pdf.ark (pdf-ids, as long as the features, of the
        utterances of train and dev that have an alignment), ali_train_pdf.counts (of train), coverage.json

    python -m asr align --ali-dir exp/tri1_ali --train-data exp/data/train --lang exp/lang --out exp/ali

Alignments that differ from the features by at most --length-tolerance frames are made as long, others dropped. Stops
when more than --max-missing of the training utterances have none; a dev set without alignments is only reported.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.alignment.archive import archive_paths, read_alignments, to_pdf
from asr.alignment.counts import write_counts
from asr.alignment.coverage import SetCoverage
from asr.alignment.transition_model import TransitionModel, read_transition_model, tuples_of
from asr.alignment.tree import ContextTree, read_tree
from asr.console import progress, say, warn
from asr.errors import InputError
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import atomic, read_symbols, read_table, write_int_vectors


@dataclass(frozen=True)
class Settings:
    ali_dir: Path = option(help="alignment directory: final.mdl tree num_jobs ali.*.gz")
    train_data: Path = option(help="data directory of the training set, after features")
    dev_data: Path | None = option(None, help="data directory of the dev set, after features")
    lang: Path | None = option(None, help="lang directory whose phones.txt must agree with the alignment's")
    out: Path = option(Path("exp/ali"), help="folder to write")
    max_missing: float = option(0.05, help="largest share of training utterances without alignment")
    length_tolerance: int = option(3, help="frames by which an alignment may differ from the features")


def run(settings: Settings) -> None:
    """Check, convert and copy. Raises InputError."""
    data = [folder for folder in (settings.train_data, settings.dev_data) if folder is not None]
    _check_settings(settings)
    inputs = [settings.ali_dir, *(_frames_file(folder) for folder in data)]
    if settings.lang is not None:
        inputs.append(settings.lang / "phones.txt")
    stamp = Stamp(settings.out / ".done.align.json", "align", settings, inputs)
    if stamp.fresh():
        return
    model, tree = _read_system(settings.ali_dir)
    phones = _agreed_phones(settings, model)
    say(
        f"align: {len(model.topology.phones)} phones, {model.num_pdfs} pdfs, {model.num_transition_ids} "
        f"transition-ids, a tree of context width {tree.N}"
    )
    sets = [
        SetCoverage(name, _num_frames(folder), settings.length_tolerance, model.num_pdfs)
        for name, folder in zip(("train", "dev"), data, strict=False)
    ]
    shared = [utterance for utterance in sets[0].num_frames if any(utterance in s.num_frames for s in sets[1:])]
    if shared:
        raise InputError(f"is in {settings.train_data} and in {settings.dev_data}", key=shared[0])
    unknown: list[str] = []
    write_int_vectors(settings.out / "pdf.ark", _accepted(settings, model, sets, unknown))
    write_counts(settings.out / "ali_train_pdf.counts", sets[0].counts)
    copies = _copy_system(settings, phones)
    _report(settings.out / "coverage.json", sets, unknown)
    stamp.record([*(settings.out / name for name in ("pdf.ark", "ali_train_pdf.counts", "coverage.json")), *copies])


def _check_settings(settings: Settings) -> None:
    if not 0 <= settings.max_missing <= 1:
        raise InputError(f"--max-missing {settings.max_missing:g}: a share lies between 0 and 1")
    if settings.length_tolerance < 0:
        raise InputError(f"--length-tolerance {settings.length_tolerance}: cannot be negative")
    if settings.out.resolve() == settings.ali_dir.resolve():
        raise InputError("--out is --ali-dir itself, which is only read; name another folder", file=settings.out)
    ours = (settings.out / name for name in ("pdf.ark", "coverage.json"))  # written first and last
    if (settings.out / "final.mdl").exists() and not any(path.exists() for path in ours):
        raise InputError("--out holds a system that this stage did not make; name another folder", file=settings.out)


def _frames_file(folder: Path) -> Path:
    path = folder / "utt2num_frames"
    if not path.is_file():
        raise InputError("no such file: python -m asr features makes it and comes before align", file=path)
    return path


def _num_frames(folder: Path) -> dict[str, int]:
    path = _frames_file(folder)
    frames = {}
    for utterance, text in read_table(path).items():
        if not text.isdigit() or int(text) == 0:
            raise InputError(f"'{text}' is not a number of frames", file=path, key=utterance)
        frames[utterance] = int(text)
    if not frames:
        raise InputError("holds no utterance", file=path)
    return frames


def _read_system(ali_dir: Path) -> tuple[TransitionModel, ContextTree]:
    model, tree = read_transition_model(ali_dir / "final.mdl"), read_tree(ali_dir / "tree")
    try:
        belongs = not model.topology.is_hmm or tuples_of(tree, model.topology) == model.tuples
    except ValueError:
        belongs = False
    if not belongs:
        raise InputError("does not belong to the final.mdl beside it: other phones or pdfs", file=ali_dir / "tree")
    return model, tree


def _agreed_phones(settings: Settings, model: TransitionModel) -> Path:
    """The phones.txt to copy, after its ids have been compared with the lang directory's and the model's."""
    path = settings.ali_dir / "phones.txt"
    lang = None if settings.lang is None else settings.lang / "phones.txt"
    if not path.is_file() and lang is None:
        raise InputError("no such file; pass --lang with the lang directory of these alignments", file=path)
    source = path if lang is None or path.is_file() else lang
    symbols = _real_phones(source)
    if lang is not None and source != lang:
        theirs = _real_phones(lang)
        for number in sorted({*symbols, *theirs}):
            ours, other = symbols.get(number, "nothing"), theirs.get(number, "nothing")
            if ours != other:
                raise InputError(f"id {number} is {ours}, but {other} in {lang}: another phone set", file=path)
    unnamed = [phone for phone in model.topology.phones if phone not in symbols]
    if unnamed:
        raise InputError(f"has no phone {unnamed[0]}, which final.mdl has", file=source)
    if source != path:
        warn(f"{path}: no such file; the phones are taken to be those of {source}")
    return source


def _real_phones(path: Path) -> dict[int, str]:
    """id → phone; disambiguation symbols (#0, #1, ...) may differ between lang directories and are left out."""
    return {number: symbol for symbol, number in read_symbols(path).items() if not symbol.startswith("#")}


def _accepted(
    settings: Settings, model: TransitionModel, sets: list[SetCoverage], unknown: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids) for pdf.ark; at the end raises InputError when too much is missing.

    Raised inside the writing of pdf.ark, so that none is left behind.
    """
    total = sum(len(item.num_frames) for item in sets)
    for utterance, tids in progress(read_alignments(settings.ali_dir, model), total, "align"):
        home = next((item for item in sets if utterance in item.num_frames), None)
        if home is None:
            unknown.append(utterance)
            continue
        pdfs = home.fit(utterance, to_pdf(tids, model))
        if pdfs is not None:
            yield utterance, pdfs
    sets[0].require(settings.max_missing)


def _copy_system(settings: Settings, phones: Path) -> list[Path]:
    """Copy the alignment directory's files; archives of an earlier run with more jobs are removed."""
    archives = archive_paths(settings.ali_dir)
    kept = {path.name for path in archives}
    for old in settings.out.glob("ali.*.gz"):
        if old.name not in kept:
            old.unlink()
    sources = [
        settings.ali_dir / "final.mdl",
        settings.ali_dir / "tree",
        phones,
        *archives,
        settings.ali_dir / "num_jobs",
    ]
    copies = []
    for source in sources:
        copies.append(settings.out / source.name)
        with open(source, "rb") as reader, atomic(copies[-1], "wb") as writer:
            shutil.copyfileobj(reader, writer)
    return copies


def _report(path: Path, sets: list[SetCoverage], unknown: list[str]) -> None:
    for item in sets:
        for line in item.lines():
            say(f"align: {line}")
    if unknown:
        say(f"align: {len(unknown)} alignments of utterances that are in no set were left out, such as {unknown[0]}")
    figures = {item.name: item.figures() for item in sets}
    with atomic(path) as handle:
        json.dump({**figures, "not_in_any_set": sorted(unknown)}, handle, ensure_ascii=False, indent=1)
        handle.write("\n")
