"""Take over an alignment directory of Kaldi: check it, copy it and write what training reads.

load(Path("exp/tri1_ali"), request)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asr.alignment.jobs import copy_archives, cut_speakers
from asr.alignment.load import UNALIGNED, LeftOutAlignments, LoadRequest, write_targets
from asr.console import say, warn
from asr.errors import InputError
from asr.features.adaptation.affine import read_transforms, write_transforms
from asr.features.adaptation.speaker import SILENCE_FILE
from asr.features.reader import DESCRIPTION
from asr.files import copy_whole, remove
from asr.kaldi.alignments import archive_paths, read_alignments, to_pdf
from asr.kaldi.path_check import PathCheck
from asr.kaldi.stream import Floats
from asr.kaldi.system import copy_system, read_system
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.tables import read_symbols

#: other files of an alignment directory that the next step reads if they exist: how the features are made
KALDI_OPTIONS = (
    *("cmvn_opts", "delta_opts", "splice_opts", "final.mat", "full.mat", "final.occs", "mfcc.conf"),
    "final.alimdl",  # the Gaussians of a system with speaker adaptation for features without it
    *(DESCRIPTION, SILENCE_FILE),  # of a system that was made here: with them a network adapts to speakers
)


def load(ali_dir: Path, request: LoadRequest) -> list[Path]:
    """Check, convert and copy `ali_dir`; return the files that were written. Raises InputError."""
    system = read_system(ali_dir)
    model = system.model
    phones = _agreed_phones(ali_dir, request.lang, model)
    say(
        f"align: {len(model.topology.phones)} phones, {model.num_pdfs} pdfs, {model.num_transition_ids} "
        f"transition-ids, a tree of context width {system.tree.N}"
    )
    listed = request.listed or ali_dir / UNALIGNED
    left_out = LeftOutAlignments("are not paths through whole phones", listed=listed if listed.is_file() else None)
    archives: dict[str, str] = {}
    pairs = _pdfs_of(ali_dir, model, left_out.reasons, archives)
    written = write_targets(pairs, model.num_pdfs, request, left_out)
    return [*written, *_copy(ali_dir, request, phones, archives)]


def _pdfs_of(
    ali_dir: Path, model: TransitionModel, illegal: dict[str, str], archives: dict[str, str]
) -> Iterator[tuple[str, Ints]]:
    """Yield (utterance, pdf-ids) of the rows that are paths through whole phones.

    Fills `illegal` with {utterance: reason why its row is no path} and `archives` with {utterance: its archive}.
    """
    paths = PathCheck(model)
    for utterance, tids in read_alignments(ali_dir, model, seen=archives):
        try:
            paths.check(tids)
        except InputError as error:
            illegal[utterance] = error.message
        else:
            yield utterance, to_pdf(tids, model)


def _agreed_phones(ali_dir: Path, lang_dir: Path | None, model: TransitionModel) -> Path:
    """Return the phones.txt to copy. Raises InputError if it contradicts the lang directory or the model."""
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
        warn(f"{path}: no such file; {source} is used")
    return source


def _real_phones(path: Path) -> dict[int, str]:
    """Return {id: phone} without disambiguation symbols (#0, #1, ...), which may differ between lang directories."""
    return {number: symbol for symbol, number in read_symbols(path).items() if not symbol.startswith("#")}


def _copy(ali_dir: Path, request: LoadRequest, phones: Path, archives: dict[str, str]) -> list[Path]:
    """Copy the alignment directory's files and remove those of an earlier run. archives: see copy_archives."""
    for name in KALDI_OPTIONS:
        remove(request.out / name)
    options = [name for name in KALDI_OPTIONS if (ali_dir / name).is_file()]
    copied = copy_system(ali_dir, request.out, ("final.mdl", "tree", *options))
    copy_whole(phones, request.out / "phones.txt")
    archive_copies = copy_archives(ali_dir, request.out, request.folders, archives)
    transforms = _copy_transforms(ali_dir, request)
    return [*copied, request.out / "phones.txt", *archive_copies, *transforms]


def _copy_transforms(ali_dir: Path, request: LoadRequest) -> list[Path]:
    """Write the speakers' transforms (trans.*), cut as the alignments are, and remove those of an earlier run."""
    jobs: list[dict[str, Floats]] = []
    if any(path.name[6:].isdecimal() for path in ali_dir.glob("trans.*")):
        jobs = cut_speakers(read_transforms(ali_dir), request.folders, len(archive_paths(request.out)))
    count = write_transforms(request.out, jobs)
    return [request.out / f"trans.{job}" for job in range(1, count + 1)]
