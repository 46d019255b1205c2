"""Read and write files: bytes, JSON, tensors. A written file or folder appears whole or not at all.

    with atomic("data/train/text") as handle: ...                    # writes beside, then fsync and rename
    with replace_files(Path("lang"), stale=("G.fst",)) as work: ...  # the files in `work` replace those in lang/
    config = read_json(Path("exp/net/config.json"))                  # {"network": ...}; InputError names the file

A new file has the rights that the umask leaves. A device, a FIFO and a descriptor (/dev/stdout) are written into. A
link stays, and the file that it points to is replaced. An error of the file system names the file.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from asr import declared_paths
from asr.errors import FILE_SYSTEM, InputError
from asr.parallel.processes import temporary

if TYPE_CHECKING:
    import torch

KEPT_OF_NAME = 60  # bytes: the name of the temporary file stays below the limit of the file system
BUILDING = ".building."  # how the folder of replace_files begins


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file beside `path`; on success fsync and rename it onto `path`, on failure remove it.

    A replaced file keeps its rights. Raises InputError if the run reads the file at `path`.
    """
    if not declared_paths.is_regular(Path(path)):
        with _opened_as_it_is(path, mode) as handle:
            yield handle
        return
    target = declared_paths.final(Path(path))
    with naming(path):
        declared_paths.refuse_input(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = _name_beside(target)
        number = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with temporary(beside), _handle(number, mode) as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            with contextlib.suppress(FileNotFoundError):
                os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
            os.replace(beside, target)
            sync(target.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise


def _name_beside(target: Path) -> Path:
    name = os.fsdecode(os.fsencode(target.name)[:KEPT_OF_NAME])
    return target.parent / f".{name}.{secrets.token_hex(4)}.tmp"


def _handle(file: int | str | os.PathLike[str], mode: str) -> IO[Any]:
    return open(file, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else "\n")


@contextlib.contextmanager
def _opened_as_it_is(path: str | os.PathLike[str], mode: str) -> Iterator[IO[Any]]:
    """Open a device, a FIFO or a descriptor of this process for writing."""
    number = declared_paths.descriptor_of(path)
    with naming(path), _handle(path if number is None else os.dup(number), mode) as handle:
        yield handle


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put `path` into an OSError of the block that names no file, or a temporary one."""
    try:
        yield
    except OSError as error:
        named = error.filename
        hidden = isinstance(named, (str, bytes, os.PathLike)) and ".tmp/" in os.fsdecode(named) + "/"
        if error.errno in FILE_SYSTEM and (named is None or hidden):
            error.filename, error.filename2 = os.fspath(path), None
        raise


@contextlib.contextmanager
def replace_files(folder: Path, *, stale: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder; when the block ends, the files in it replace those in `folder`, each of them whole.

    Removes the files that `stale` names (relative to `folder`) and that the block did not make. All other files stay.
    If the block fails, `folder` keeps the files that it had, or is not created. Raises InputError if the run reads a
    file that would be replaced.
    """
    work = folder / f"{BUILDING}{secrets.token_hex(4)}.tmp"
    try:
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{BUILDING}*"):  # by a run that was killed
                shutil.rmtree(left)
            work.mkdir()
            yield work
            _move_files(work, folder, stale)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # an empty folder is not left behind
            folder.rmdir()


def _move_files(work: Path, folder: Path, stale: Iterable[str]) -> None:
    made = sorted(item.relative_to(work) for item in work.rglob("*") if item.is_file())
    for name in made:
        declared_paths.refuse_input(folder / name)
        sync(work / name)
    for name in {Path(name) for name in stale}.difference(made):
        (folder / name).unlink(missing_ok=True)
    for name in made:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, folder / name)
    for parent in {(folder / name).parent for name in made}:
        sync(parent)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file in a folder of `replace_files`, which makes it durable. Creates the folder of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _handle(path, "w") as handle:
        handle.writelines(f"{line}\n" for line in lines)


def remove(path: Path) -> None:
    """Remove a file if it is there, and its folder if nothing else is in it."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


@contextlib.contextmanager
def folder_beside(target: Path, prefix: str) -> Iterator[Path]:
    """Yield a new hidden folder beside `target`, and remove what is left of it at the end."""
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = target.parent / f"{prefix}{secrets.token_hex(4)}.tmp"
        folder.mkdir()
    try:
        with naming(target):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def atomic_packed(path: str | os.PathLike[str]) -> Iterator[IO[Any]]:
    """Open a binary file as `atomic` does, compressed by gzip without a time stamp if `path` ends in .gz."""
    with contextlib.ExitStack() as stack:
        handle: IO[Any] = stack.enter_context(atomic(path, "wb"))
        if os.fspath(path).endswith(".gz"):
            packer: Any = gzip.GzipFile(fileobj=handle, mode="wb", filename="", mtime=0, compresslevel=6)
            handle = stack.enter_context(packer)
        yield handle


def copy_whole(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a file; `target` appears whole or not at all."""
    with open(source, "rb") as reader, atomic(target, "wb") as writer:
        shutil.copyfileobj(reader, writer)


def sync(path: Path) -> None:
    """Make a file, or the renames in a folder, durable."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file, unpacked if its name ends in .gz. Raises InputError if it cannot be read."""
    try:
        if os.fspath(path).endswith(".gz"):
            with gzip.open(path, "rb") as handle:
                return handle.read()
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError("no such file", file=path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", file=path) from error


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the JSON object that a file holds. Raises InputError if it cannot be read or holds no object."""
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", file=path) from error
    if not isinstance(content, dict):
        raise InputError("is not a JSON object", file=path)
    return content


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any], *, indent: int | None = 1) -> None:
    """Write a JSON object as UTF-8, with a line break at its end."""
    with atomic(path) as handle:
        json.dump(content, handle, ensure_ascii=False, indent=indent)
        handle.write("\n")


def read_tensors(path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file. Raises InputError if it is damaged or has another SHA-256."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = read_bytes(path)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise InputError("its hash does not fit", file=path)
    try:
        return load(data)
    except (ValueError, SafetensorError) as error:
        raise InputError(f"is not a safetensors file: {error}", file=path) from error


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor]) -> str:
    """Write a safetensors file and return its SHA-256."""
    from safetensors.torch import save

    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    with atomic(path, "wb") as handle:
        handle.write(data)
    return hashlib.sha256(data).hexdigest()
