"""Take over an alignment directory: pdf-ids for training, class counts, and a report of what is covered.

Alignments that differ from the features by at most `length_tolerance` frames are made as long, others dropped. Stops
when more than `max_missing` of the training utterances have none; a dev set without alignments is only reported.

    load(Path("exp/tri1_ali"), Wanted(Path("exp/data/train"), None, Path("exp/lang"), Path("exp/ali"), 0.05, 3))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.alignment.coverage import NAMED_IN_A_LINE, SetCoverage
from asr.alignment.jobs import copy_archives
from asr.console import progress, say, warn
from asr.errors import InputError
from asr.files import atomic, copy_whole
from asr.kaldi.alignments import check_path, read_alignments, to_pdf
from asr.kaldi.archives import write_int_vectors
from asr.kaldi.counts import write_counts
from asr.kaldi.transition_model import TransitionModel, read_transition_model, tuples_of
from asr.kaldi.tree import ContextTree, read_tree
from asr.tables import read_frame_counts, read_symbols, read_table

#: what else of an alignment directory Kaldi's next step reads where it is there: how the features are made
KALDI_OPTIONS = ("cmvn_opts", "delta_opts", "splice_opts", "final.mat", "full.mat", "final.occs", "mfcc.conf")
#: what an aligning step writes beside its archives: utterance and reason
UNALIGNED = "unaligned.txt"


@dataclass(frozen=True)
class Wanted:
    """Which sets the alignments are for, what they must agree with, where the result goes."""

    train_data: Path
    dev_data: Path | None
    lang: Path | None
    out: Path
    max_missing: float
    length_tolerance: int

    @property
    def folders(self) -> list[Path]:
        """The data directories."""
        return [folder for folder in (self.train_data, self.dev_data) if folder is not None]

    def num_frames(self) -> dict[str, int]:
        """{utterance: frames of its features} of all sets. Raises InputError."""
        return {name: count for folder in self.folders for name, count in num_frames(folder).items()}


def load(ali_dir: Path, wanted: Wanted) -> list[Path]:
    """Check, convert and copy `ali_dir`; returns the files that were written. Raises InputError."""
    model, tree = _read_system(ali_dir)
    phones = _agreed_phones(ali_dir, wanted.lang, model)
    say(
        f"align: {len(model.topology.phones)} phones, {model.num_pdfs} pdfs, {model.num_transition_ids} "
        f"transition-ids, a tree of context width {tree.N}"
    )
    illegal: dict[str, str] = {}
    archives: dict[str, str] = {}
    listed = ali_dir / UNALIGNED
    unaligned = read_table(listed) if listed.is_file() else {}

    def why() -> str:
        reasons = []
        if illegal:
            utterance, reason = next(iter(illegal.items()))
            reasons.append(f"{len(illegal)} are no path of whole phones, such as {utterance}: {reason}")
        if listed.is_file():
            reasons.append(f"why: {listed}")
        return "; ".join(reasons)

    written = write_targets(
        _pdfs_of(ali_dir, model, illegal, archives), model.num_pdfs, wanted, why, (illegal, unaligned)
    )
    if illegal:
        warn(f"alignments left out: {why()}")
    return [*written, *_copy_system(ali_dir, wanted, phones, archives)]


def _pdfs_of(
    ali_dir: Path, model: TransitionModel, illegal: dict[str, str], archives: dict[str, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids) of the rows that are paths through whole phones.

    Fills `illegal` with {utterance: why its row is no path} and `archives` with {utterance: its archive}.
    """
    for utterance, tids in read_alignments(ali_dir, model, check=False, seen=archives):
        try:
            check_path(tids, model)
        except InputError as error:
            illegal[utterance] = error.message
        else:
            yield utterance, to_pdf(tids, model)


def write_targets(
    pairs: Iterable[tuple[str, np.ndarray]],
    num_pdfs: int,
    wanted: Wanted,
    why: Callable[[], str] = str,
    reasons: Sequence[Mapping[str, str]] = (),
) -> list[Path]:
    """Write pdf.ark, ali_train_pdf.counts and coverage.json of (utterance, pdf-ids) pairs; returns their paths.

    reasons: {utterance: why it has no alignment}, the first that has an utterance counts; read when all pairs are.
    Raises InputError when more than wanted.max_missing of train is missing, with what `why` then has to say.
    """
    sets = [
        SetCoverage(name, num_frames(folder), wanted.length_tolerance, num_pdfs)
        for name, folder in zip(("train", "dev"), wanted.folders, strict=False)
    ]
    shared = [utterance for utterance in sets[0].num_frames if any(utterance in s.num_frames for s in sets[1:])]
    if shared:
        raise InputError(f"is in {wanted.train_data} and in {wanted.dev_data}", key=shared[0])
    for item, folder in zip(sets, wanted.folders, strict=True):
        _say_without_features(item, folder)
    unknown: list[str] = []
    names = ("pdf.ark", "ali_train_pdf.counts", "coverage.json")
    targets, counts, coverage = (wanted.out / name for name in names)
    write_int_vectors(targets, _accepted(pairs, sets, unknown, wanted.max_missing, why))
    write_counts(counts, sets[0].counts)
    _report(coverage, sets, unknown, reasons)
    return [targets, counts, coverage]


def _say_without_features(item: SetCoverage, folder: Path) -> None:
    """Say which utterances of a data directory the coverage does not count, since they have no features."""
    path = folder / "utt2spk"
    lost = [key for key in read_table(path) if key not in item.num_frames] if path.is_file() else []
    if lost:
        some = ", ".join(lost[:NAMED_IN_A_LINE]) + (", ..." if len(lost) > NAMED_IN_A_LINE else "")
        say(f"align: {item.name}: {len(lost)} utterances of {path} have no features and are not counted: {some}")


def frames_file(folder: Path) -> Path:
    """FOLDER/utt2num_frames. Raises InputError where it is missing."""
    path = folder / "utt2num_frames"
    if not path.is_file():
        raise InputError("no such file: python -m asr features makes it and comes before align", file=path)
    return path


def num_frames(folder: Path) -> dict[str, int]:
    """{utterance: frames of its features}. Raises InputError."""
    path = frames_file(folder)
    frames = read_frame_counts(folder, least=1)
    if not frames:
        raise InputError("holds no utterance", file=path)
    return frames


def _read_system(ali_dir: Path) -> tuple[TransitionModel, ContextTree]:
    model, tree = read_transition_model(ali_dir / "final.mdl"), read_tree(ali_dir / "tree")
    try:
        belongs = tuples_of(tree, model.topology) == model.tuples
    except ValueError:
        belongs = False
    if not belongs:
        raise InputError("does not belong to the final.mdl beside it: other phones or pdfs", file=ali_dir / "tree")
    return model, tree


def _agreed_phones(ali_dir: Path, lang_dir: Path | None, model: TransitionModel) -> Path:
    """The phones.txt to copy, after its ids have been compared with the lang directory's and the model's."""
    path = ali_dir / "phones.txt"
    lang = None if lang_dir is None else lang_dir / "phones.txt"
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
    pairs: Iterable[tuple[str, np.ndarray]],
    sets: list[SetCoverage],
    unknown: list[str],
    max_missing: float,
    why: Callable[[], str],
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids) for pdf.ark; at the end raises InputError when too much is missing.

    Raised inside the writing of pdf.ark, so that none is left behind.
    """
    total = sum(len(item.num_frames) for item in sets)
    for utterance, pdfs in progress(pairs, total, "align"):
        home = next((item for item in sets if utterance in item.num_frames), None)
        if home is None:
            unknown.append(utterance)
            continue
        fitted = home.fit(utterance, pdfs)
        if fitted is not None:
            yield utterance, fitted
    try:
        sets[0].require(max_missing, unknown)
    except InputError as error:
        raise InputError("; ".join(filter(None, [error.message, why()])), file=error.file) from None


def _copy_system(ali_dir: Path, wanted: Wanted, phones: Path, archives: dict[str, str]) -> list[Path]:
    """Copy the alignment directory's files; what an earlier run left of them goes. archives: see copy_archives."""
    for name in KALDI_OPTIONS:
        (wanted.out / name).unlink(missing_ok=True)
    options = [ali_dir / name for name in KALDI_OPTIONS if (ali_dir / name).is_file()]
    sources = [ali_dir / "final.mdl", ali_dir / "tree", phones, *options]
    for source in sources:
        copy_whole(source, wanted.out / source.name)
    copied = copy_archives(ali_dir, wanted.out, wanted.folders, archives)
    return [*(wanted.out / source.name for source in sources), *copied]


def _report(path: Path, sets: list[SetCoverage], unknown: list[str], reasons: Sequence[Mapping[str, str]]) -> None:
    """Say how much is covered and write it as JSON, one object a set and the utterances that are in none."""
    figures: dict[str, Any] = {}
    for item in sets:
        for line in item.lines():
            say(f"align: {line}")
        known = {key: next((table[key] for table in reasons if key in table), "") for key in item.missing}
        figures[item.name] = {**item.figures(), "reasons": {key: why for key, why in known.items() if why}}
        for key, why in list(figures[item.name]["reasons"].items())[:NAMED_IN_A_LINE]:
            say(f"align: {item.name}: {key}: {why}")
    if unknown:
        say(f"align: {len(unknown)} alignments of utterances that are in no set were left out, such as {unknown[0]}")
    with atomic(path) as handle:
        json.dump({**figures, "not_in_any_set": sorted(unknown)}, handle, ensure_ascii=False, indent=1)
        handle.write("\n")
