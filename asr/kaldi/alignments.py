"""Kaldi's alignment archives: ali.1.gz .. ali.<num_jobs>.gz, rows of transition-ids, one a frame.

for utterance, tids in read_alignments("exp/ali", model): pdfs = to_pdf(tids, model)
for phone, start, frames in to_phones(tids, model): ...
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.files import atomic
from asr.kaldi.archives import read_int_vectors, write_int_vectors
from asr.kaldi.transition_model import TransitionModel
from asr.tables import is_count, read_lines

MOST_JOBS = 100_000


def archive_paths(directory: str | os.PathLike[str]) -> list[Path]:
    """The archives that num_jobs promises. Raises InputError when it or one of them is missing or empty."""
    folder = Path(directory)
    if not folder.is_dir():
        raise InputError("no such alignment directory", file=folder)
    words = " ".join(line for _, line in read_lines(folder / "num_jobs")).split()
    if len(words) != 1 or not is_count(words[0]) or not 1 <= int(words[0]) <= MOST_JOBS:
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
    directory: str | os.PathLike[str],
    model: TransitionModel | None = None,
    *,
    check: bool = True,
    seen: dict[str, str] | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, transition-ids int32 (frames)) of all jobs, in order.

    `seen` is filled with {utterance: name of its archive}.

    Raises InputError: jobs that are missing, cut or damaged archives, an utterance in two of them; given the `model`,
    transition-ids that it does not have and, with `check`, rows that are no path through it (`check_path`).
    """
    seen = {} if seen is None else seen
    for path in archive_paths(directory):
        for utterance, tids in read_int_vectors(path):
            if utterance in seen:
                raise InputError(f"this utterance is in {seen[utterance]} as well", file=path, key=utterance)
            seen[utterance] = path.name
            if model is not None:
                _check_range(tids, model, path, utterance)
                if check:
                    check_path(tids, model, file=path, key=utterance)
            yield utterance, tids


def _check_range(tids: np.ndarray, model: TransitionModel, path: Path, utterance: str) -> None:
    if len(tids) and not (tids.min() >= 1 and tids.max() <= model.num_transition_ids):
        wrong = tids[(tids < 1) | (tids > model.num_transition_ids)]
        raise InputError(
            f"transition-id {wrong[0]}, but final.mdl has 1 to {model.num_transition_ids}: not this system's",
            file=path,
            key=utterance,
        )


def check_path(
    tids: np.ndarray,
    model: TransitionModel,
    *,
    file: str | os.PathLike[str] | None = None,
    key: str | None = None,
) -> None:
    """Raise InputError, with the frame (from 0), where `tids` is no path through whole phones of the model.

    Self-loops stand behind the transition out of their state (graphs with reorder=true) or before it, the same in the
    whole row. An empty row is a path. Which phones follow each other and which pdfs stand in which context is not
    looked at.
    """
    fault = _path_fault(tids, model) if len(tids) else None
    if fault is not None:
        frame, reason = fault
        what = f"frame {frame}: transition-id {tids[frame]} {reason}"
        raise InputError(f"{what}: damaged, cut or another system's", file=file, key=key)


def _path_fault(tids: np.ndarray, model: TransitionModel) -> tuple[int, str] | None:
    """The first frame at which a row is no path, and why; None for a path."""
    loops = model.tid_is_self_loop[tids]
    stays = np.flatnonzero(loops)
    if len(stays):
        states = model.tid_to_state[tids]
        behind = stays[0] > 0 and np.array_equal(states[stays], states[stays - 1])
        before = not behind and stays[-1] + 1 < len(tids) and np.array_equal(states[stays], states[stays + 1])
        if not behind and not before:
            neighbours = stays - 1 if _is_reordered(tids, model) else stays + 1
            beside = np.append(states, 0)[neighbours]  # 0, no state, beyond either end
            return int(stays[np.argmax(states[stays] != beside)]), "is a self-loop apart from its state"
    frames = np.flatnonzero(~loops)
    leaving = tids[frames]
    leaves, leads = model.places
    if leaves[leaving[0]] != 0:
        return int(frames[0]), "does not begin a phone"
    for place in np.flatnonzero(leads[leaving[:-1]] != leaves[leaving[1:]]):
        one, other = leaving[place], leaving[place + 1]
        step = (int(model.tid_to_phone[one]), int(model.tid_to_destination[one]), int(model.tid_to_hmm_state[other]))
        if model.tid_to_phone[other] != step[0] or step not in model.side_steps:
            return int(frames[place + 1]), f"cannot follow {one}"
    return None if leads[leaving[-1]] == 0 else (int(frames[-1]), "does not end a phone")


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


def remove_alignments(directory: str | os.PathLike[str], kept: Collection[str] = ()) -> None:
    """Remove num_jobs and then the archives of an earlier run, but for those named in `kept`."""
    folder = Path(directory)
    for old in (folder / "num_jobs", *folder.glob("ali.*.gz")):
        if old.name not in kept:
            old.unlink(missing_ok=True)


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
