"""Kaldi's alignment archives: ali.1.gz .. ali.<num_jobs>.gz, rows of transition-ids, one a frame.

for utterance, tids in read_alignments("exp/ali", model): pdfs = to_pdf(tids, model)
for phone, start, frames in to_phones(tids, model): ...
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from asr.alignment.transition_model import TransitionModel
from asr.errors import InputError
from asr.tables import atomic, read_int_vectors, read_lines, write_int_vectors


def archive_paths(directory: str | os.PathLike[str]) -> list[Path]:
    """The archives that num_jobs promises. Raises InputError when it or one of them is missing or empty."""
    folder = Path(directory)
    if not folder.is_dir():
        raise InputError("no such alignment directory", file=folder)
    words = " ".join(line for _, line in read_lines(folder / "num_jobs")).split()
    if len(words) != 1 or not words[0].isdigit() or int(words[0]) < 1:
        raise InputError("does not hold the number of jobs", file=folder / "num_jobs")
    paths = [folder / f"ali.{job}.gz" for job in range(1, int(words[0]) + 1)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InputError(f"num_jobs is {len(paths)}, but there is no {named}", file=folder)
    for path in paths:
        if path.stat().st_size == 0:
            raise InputError("is empty: the alignment job failed or the copy was cut", file=path)
    return paths


def read_alignments(
    directory: str | os.PathLike[str], model: TransitionModel | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, transition-ids int32 (frames)) of all jobs, in order.

    Raises InputError: jobs that are missing, cut or damaged archives, an utterance in two of them, and, given the
    `model`, transition-ids that it does not have.
    """
    seen: dict[str, str] = {}
    for path in archive_paths(directory):
        for utterance, tids in read_int_vectors(path):
            if utterance in seen:
                raise InputError(f"this utterance is in {seen[utterance]} as well", file=path, key=utterance)
            seen[utterance] = path.name
            if model is not None:
                _check_range(tids, model, path, utterance)
            yield utterance, tids


def _check_range(tids: np.ndarray, model: TransitionModel, path: Path, utterance: str) -> None:
    if len(tids) and not (tids.min() >= 1 and tids.max() <= model.num_transition_ids):
        wrong = tids[(tids < 1) | (tids > model.num_transition_ids)]
        raise InputError(
            f"transition-id {wrong[0]}, but final.mdl has 1 to {model.num_transition_ids}: not this system's",
            file=path,
            key=utterance,
        )


def write_alignments(directory: str | os.PathLike[str], jobs: Iterable[Mapping[str, np.ndarray]]) -> int:
    """Write ali.1.gz, ali.2.gz ... (utterances in C order) and num_jobs last; returns the number of jobs."""
    count = 0
    for count, job in enumerate(jobs, 1):
        ordered = sorted(job, key=lambda utterance: utterance.encode())
        write_int_vectors(Path(directory) / f"ali.{count}.gz", ((utterance, job[utterance]) for utterance in ordered))
    if count == 0:
        raise ValueError("no job to write")
    with atomic(Path(directory) / "num_jobs") as handle:
        handle.write(f"{count}\n")
    return count


def to_pdf(tids: np.ndarray, model: TransitionModel) -> np.ndarray:
    """The pdf-id of each frame, int32 (frames): Kaldi's ali-to-pdf."""
    return model.tid_to_pdf[tids]


def to_phones(tids: np.ndarray, model: TransitionModel) -> list[tuple[int, int, int]]:
    """(phone-id, first frame, frames) of each phone: Kaldi's ali-to-phones --write-lengths.

    A phone ends with the transition into its end state, or with the self-loops after it where the graph was made with
    reorder=true (Kaldi's default). Raises InputError where the row is not one of whole phones.
    """
    if len(tids) == 0:
        return []
    last = np.flatnonzero(model.tid_is_final[tids])
    if _is_reordered(tids, model):
        leaves = np.append(np.flatnonzero(~model.tid_is_self_loop[tids]), len(tids))
        ends = leaves[np.searchsorted(leaves, last, side="right")]  # past the self-loops that follow
    else:
        ends = last + 1
    starts = np.concatenate([[0], ends[:-1]])
    phones = model.tid_to_phone[tids]
    changes = np.flatnonzero(np.diff(phones)) + 1
    if len(ends) == 0 or ends[-1] != len(tids) or not np.isin(changes, ends).all():
        raise InputError("the transition-ids are not a row of whole phones: cut, or another system's")
    return [
        (int(phones[start]), int(start), int(end - start))
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]


def _is_reordered(tids: np.ndarray, model: TransitionModel) -> bool:
    """Whether self-loops follow the transition out of their state; True where nothing tells (Kaldi's default)."""
    states, loops = model.tid_to_state[tids], model.tid_is_self_loop[tids]
    changes = np.flatnonzero(np.diff(states))
    for place in changes:
        if loops[place]:
            return True
        if loops[place + 1]:
            return False
    return not loops[0]
