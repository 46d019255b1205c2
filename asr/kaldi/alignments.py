"""Read, write and convert Kaldi's alignments: ali.1.gz .. ali.<num_jobs>.gz, rows of transition-ids, one a frame.

for utterance, tids in read_alignments("exp/ali", model): pdfs = to_pdf(tids, model)
for phone, start, frames in to_phones(tids, model): ...
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from asr.errors import InputError, named_first
from asr.files import atomic
from asr.kaldi.archives import read_int_vectors, write_int_vectors
from asr.kaldi.path_check import is_reordered
from asr.kaldi.transition_model import Ints, TransitionModel
from asr.tables import is_count, read_lines

MOST_JOBS = 100_000


def archive_paths(directory: str | os.PathLike[str]) -> list[Path]:
    """Return the archives that num_jobs announces. Raises InputError if it or one of them is missing or empty."""
    folder = Path(directory)
    if not folder.is_dir():
        raise InputError("no such alignment directory", file=folder)
    words = " ".join(line for _, line in read_lines(folder / "num_jobs")).split()
    if len(words) != 1 or not is_count(words[0]) or not 1 <= int(words[0]) <= MOST_JOBS:
        raise InputError("does not hold the number of jobs", file=folder / "num_jobs")
    paths = [folder / f"ali.{job}.gz" for job in range(1, int(words[0]) + 1)]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise InputError(f"num_jobs is {len(paths)}, but there is no {named_first(missing)}", file=folder)
    for path in paths:
        if path.stat().st_size == 0:
            raise InputError("is empty: the alignment job failed or the copy was cut", file=path)
    return paths


def read_alignments(
    directory: str | os.PathLike[str],
    model: TransitionModel | None = None,
    *,
    seen: dict[str, str] | None = None,
) -> Iterator[tuple[str, Ints]]:
    """Yield (utterance, transition-ids int32 (frames)) of all jobs, in order.

    model: if it is given, its transition-ids are the only ones allowed. seen: filled with {utterance: its archive}.
    Raises InputError on a missing job, a cut or damaged archive, an utterance in two archives, and a transition-id
    that the model lacks. PathCheck tells whether a row is a path through the model.
    """
    seen = {} if seen is None else seen
    for path in archive_paths(directory):
        for utterance, tids in read_int_vectors(path):
            if utterance in seen:
                raise InputError(f"this utterance is in {seen[utterance]} as well", file=path, key=utterance)
            seen[utterance] = path.name
            if model is not None:
                _check_range(tids, model, path, utterance)
            yield utterance, tids


def _check_range(tids: Ints, model: TransitionModel, path: Path, utterance: str) -> None:
    if len(tids) and not (tids.min() >= 1 and tids.max() <= model.num_transition_ids):
        wrong = tids[(tids < 1) | (tids > model.num_transition_ids)]
        raise InputError(
            f"transition-id {wrong[0]}, but final.mdl has 1 to {model.num_transition_ids}: not this system's",
            file=path,
            key=utterance,
        )


def write_alignments(directory: str | os.PathLike[str], jobs: Iterable[Mapping[str, Ints]]) -> int:
    """Write ali.1.gz, ali.2.gz ... (utterances in C order) and last num_jobs; return the number of jobs."""
    count = 0
    for count, job in enumerate(jobs, 1):
        ordered = sorted(job, key=lambda utterance: utterance.encode())
        write_int_vectors(Path(directory) / f"ali.{count}.gz", ((utterance, job[utterance]) for utterance in ordered))
    if count == 0:
        raise ValueError("no job to write")
    with atomic(Path(directory) / "num_jobs") as handle:
        handle.write(f"{count}\n")
    return count


def remove_alignments(directory: str | os.PathLike[str], kept: Collection[str] = ()) -> None:
    """Remove num_jobs and then the archives of an earlier run, except those named in `kept`."""
    folder = Path(directory)
    for old in (folder / "num_jobs", *folder.glob("ali.*.gz")):
        if old.name not in kept:
            old.unlink(missing_ok=True)


def to_pdf(tids: Ints, model: TransitionModel) -> Ints:
    """Return the pdf-id of each frame, int32 (frames), as Kaldi's ali-to-pdf does."""
    return model.tid_to_pdf[tids]


def to_phones(tids: Ints, model: TransitionModel) -> list[tuple[int, int, int]]:
    """Return (phone-id, first frame, frames) of each phone, as Kaldi's ali-to-phones --write-lengths does.

    A phone ends with the transition into its end state, or with the self-loops after it if the graph was made with
    reorder=true (Kaldi's default). Raises InputError if the row does not consist of whole phones.
    """
    if len(tids) == 0:
        return []
    last = np.flatnonzero(model.tid_is_final[tids])
    if is_reordered(tids, model):
        leaves = np.append(np.flatnonzero(~model.tid_is_self_loop[tids]), len(tids))
        ends = leaves[np.searchsorted(leaves, last, side="right")]  # past the self-loops that follow
    else:
        ends = last + 1
    starts = np.concatenate([[0], ends[:-1]])
    phones = model.tid_to_phone[tids]
    changes = np.flatnonzero(np.diff(phones)) + 1
    if len(ends) == 0 or ends[-1] != len(tids) or not np.isin(changes, ends).all():
        raise InputError("the transition-ids do not form whole phones: cut, or another system's")
    return [
        (int(phones[start]), int(start), int(end - start))
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]
