"""Linear and affine transforms of features: apply, compose, read and write them in Kaldi's files.

A transform is a matrix (out, in), or (out, in + 1), whose last column is the offset.

    transformed(features, read_matrix(Path("exp/tri2/final.mat")))
    write_transforms(Path("exp/ali"), [{"S0001": matrix}])            # trans.1 of one job
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from asr.errors import InputError, named_first
from asr.files import atomic, read_bytes
from asr.kaldi.archives import read_matrices, write_matrices
from asr.kaldi.stream import Floats, matrix_bytes, open_stream

#: how the names of archives with the transforms of speakers begin
TRANSFORMS = "trans."
#: a folder with speakers' transforms has this one
FIRST_TRANSFORMS = f"{TRANSFORMS}1"
#: no transform of a person's features has a number so large
LARGEST = 1e6


def transformed(features: Floats, matrix: Floats) -> Floats:
    """Return the features after a transform, float32 (frames, out) (transform-feats).

    features: (frames, in); matrix: (out, in) or (out, in + 1). Raises ValueError for any other shape.
    """
    width = features.shape[1]
    if matrix.shape[1] not in (width, width + 1):
        raise ValueError(f"a transform of {matrix.shape[1]} columns does not fit features of {width}")
    result = features.astype(np.float32, copy=False) @ matrix[:, :width].astype(np.float32, copy=False).T
    if matrix.shape[1] == width + 1:
        result += matrix[:, width].astype(np.float32, copy=False)
    return result


def composed(second: Floats, first: Floats, *, first_is_affine: bool = False) -> Floats:
    """Return the one transform that does `first` and then `second`, float32 (compose-transforms second first).

    second: (out, rows of first) or, with an offset, (out, rows of first + 1). first_is_affine: the last column of
    `first` is an offset (compose-transforms --b-is-affine); only an affine `second` needs to know. Raises ValueError
    if the shapes do not fit.
    """
    rows, linear = len(first), second.astype(np.float64)
    if second.shape[1] not in (rows, rows + 1):
        raise ValueError(f"a transform of {second.shape[1]} columns cannot follow one of {rows} rows")
    result = linear[:, :rows] @ first
    if second.shape[1] == rows + 1:
        if first_is_affine:
            result[:, -1] += linear[:, rows]
        else:
            result = np.column_stack([result, linear[:, rows]])
    return result.astype(np.float32)


def read_matrix(path: str | os.PathLike[str]) -> Floats:
    """Read a file that holds one matrix of floats or doubles, binary or text, as float32.

    Raises InputError if it holds something else, or is cut or damaged.
    """
    data = read_bytes(path)
    first = ("DM" if data.startswith(b"\0BDM ") else "FM") if data.startswith(b"\0B") else "["
    stream = open_stream(path, first)
    matrix = stream.matrix()
    if stream.place != stream.size:
        stream.refuse("more follows the matrix")
    if matrix.size == 0:
        raise InputError("holds an empty matrix", file=path)
    return matrix


def write_matrix(path: str | os.PathLike[str], matrix: Floats, *, text: bool = False) -> None:
    """Write one matrix as Kaldi does, float32, binary or text."""
    if not text:
        with atomic(path, "wb") as handle:
            handle.write(b"\0B" + matrix_bytes(matrix))
        return
    with atomic(path) as handle:
        rows = ("".join(f" {number}" for number in row) for row in matrix.astype(np.float32))
        handle.write(" [\n " + "\n ".join(rows) + " ]\n")


def read_transforms(folder: Path) -> dict[str, Floats]:
    """Read trans.1, trans.2 ... of a folder, {speaker: (dim, dim + 1)}, float32.

    Raises InputError if there are none, if an archive is left out or empty, if a speaker occurs twice, or if a matrix
    is not finite, or no affine transform of the same dimension as the others.
    """
    found: dict[str, Floats] = {}
    for path in _archives(folder):
        before = len(found)
        for speaker, matrix in read_matrices(path):
            if speaker in found:
                raise InputError("this speaker is in another archive as well", file=path, key=speaker)
            if not (np.abs(matrix) < LARGEST).all() or not matrix[:, :-1].any():
                raise InputError("is no transform that speech can have had", file=path, key=speaker)
            found[speaker] = matrix.astype(np.float32, copy=False)
            rows, columns = next(iter(found.values())).shape
            if matrix.shape != (rows, columns) or columns != rows + 1:
                shape = f"{matrix.shape[0]} by {matrix.shape[1]}"
                raise InputError(f"is {shape}, not an affine transform of {rows} dimensions", file=path, key=speaker)
        if len(found) == before:
            raise InputError("holds no transform", file=path)
    return found


def transform_archives(folder: Path) -> list[Path]:
    """Return the archives trans.N of a folder by name, as far as they are there: what a result depends on."""
    return sorted(folder.glob(f"{TRANSFORMS}[0-9]*"))


def _archives(folder: Path) -> list[Path]:
    numbers = sorted(_number(path) for path in folder.glob(f"{TRANSFORMS}*") if _number(path))
    if not numbers:
        raise InputError("has no transforms of speakers (trans.1)", file=folder)
    jobs = read_bytes(folder / "num_jobs").strip() if (folder / "num_jobs").is_file() else b""
    if jobs.isdigit() and int(jobs) > numbers[-1]:
        raise InputError(f"lacks {TRANSFORMS}{int(jobs)}: num_jobs is {int(jobs)}", file=folder)
    if missing := sorted(set(range(1, numbers[-1] + 1)).difference(numbers)):
        raise InputError(f"lacks {named_first(f'{TRANSFORMS}{number}' for number in missing)}", file=folder)
    return [folder / f"{TRANSFORMS}{number}" for number in numbers]


def _number(path: Path) -> int:
    """Return N of trans.N; 0 for another file."""
    number = path.name.removeprefix(TRANSFORMS)
    return int(number) if number.isdecimal() else 0


def write_transforms(folder: Path, jobs: Iterable[Mapping[str, Floats]]) -> int:
    """Write trans.1, trans.2 ... (speakers in C order), remove those of an earlier run; return the number of jobs."""
    count = 0
    for count, job in enumerate(jobs, 1):
        speakers = sorted(job, key=str.encode)
        write_matrices(folder / f"{TRANSFORMS}{count}", ((speaker, job[speaker]) for speaker in speakers))
    for old in folder.glob(f"{TRANSFORMS}*"):
        if _number(old) > count:
            old.unlink()
    return count
