"""Detect the kind of alignment in a file or folder, from its names and first lines.

detect(Path("exp/tri1_ali"))      # "kaldi"
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from asr.alignment.formats.htk import MASTER, SUFFIX
from asr.alignment.formats.intervals import NUMBER
from asr.errors import InputError
from asr.tables import is_count

KINDS = ("kaldi", "ctm", "textgrid", "htk", "pdf")
_HEAD_BYTES = 1 << 16
_LINES = 20


def detect(source: Path) -> str:
    """Return one of KINDS: a folder with final.mdl or num_jobs, a CTM, TextGrids, HTK labels, text pdf-ids.

    Raises InputError if it is none of them or there is no such file.
    """
    if source.is_dir():
        return _of_folder(source)
    data = _head(source)
    if data.startswith(b"ooBinaryFile") or "ooTextFile" in data[:200].replace(b"\0", b"").decode("utf-8", "replace"):
        return "textgrid"
    if b"\0" in data:
        raise InputError(_unknown("a binary file"), file=source)
    lines = data.decode("utf-8", "replace").splitlines()
    if len(data) == _HEAD_BYTES:
        lines = lines[:-1] or lines
    rows = [line.split() for line in lines if line.split() and not line.startswith(";;")][:_LINES]
    if not rows:
        raise InputError(_unknown("an empty file"), file=source)
    if rows[0][0] == MASTER or source.suffix.lower() == SUFFIX or all(map(_is_htk, rows)):
        return "htk"
    if ".ctm" in source.suffixes or (all(map(_is_ctm, rows)) and not all(map(_is_pdfs, rows))):
        return "ctm"
    if all(map(_is_pdfs, rows)):
        return "pdf"
    raise InputError(_unknown(f"'{' '.join(rows[0])[:60]}'"), file=source)


def _of_folder(source: Path) -> str:
    if (source / "final.mdl").is_file() or (source / "num_jobs").is_file():
        return "kaldi"
    suffixes = {path.suffix.lower() for path in source.rglob("*") if not path.name.startswith(".")}
    found = [kind for kind, suffix in (("textgrid", ".textgrid"), ("htk", SUFFIX)) if suffix in suffixes]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError("holds TextGrids and .lab files; pass --ali-format to choose", file=source)
    raise InputError(_unknown("a folder without final.mdl, .TextGrid or .lab files"), file=source)


def _head(source: Path) -> bytes:
    try:
        with gzip.open(source, "rb") if source.suffix == ".gz" else open(source, "rb") as handle:
            return handle.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise InputError("no such file or folder", file=source) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", file=source) from error


def _is_htk(fields: list[str]) -> bool:
    return len(fields) >= 3 and all(is_count(field) for field in fields[:2]) and not NUMBER.fullmatch(fields[2])


def _is_ctm(fields: list[str]) -> bool:
    return 5 <= len(fields) <= 6 and all(NUMBER.fullmatch(field) for field in fields[2:4])


def _is_pdfs(fields: list[str]) -> bool:
    return len(fields) >= 2 and all(is_count(field) for field in fields[1:])


def _unknown(what: str) -> str:
    return (
        f"{what} is not a known kind of alignment: a folder with Kaldi's final.mdl and ali.*.gz, a CTM, TextGrids, "
        "HTK labels (.lab, .mlf), or text pdf-ids"
    )
