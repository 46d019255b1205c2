"""Read text pdf-ids, one utterance a line: `utterance 3 3 4 ...`, as Kaldi's ali-to-pdf writes them to `ark,t:`.

pdfs = dict(read_pdfs(Path("pdf.txt.gz")))      {utterance: int32 (frames)}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr.errors import InputError
from asr.tables import read_lines

MOST_DIGITS = 8
_ROW = re.compile(rf"(?:[0-9]{{1,{MOST_DIGITS}}}[ \t]+)*[0-9]{{1,{MOST_DIGITS}}}")


def read_pdfs(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, pdf-ids int32 (frames)); gunzipped if the name ends in .gz.

    Raises InputError (file, line, utterance) on an empty line, an utterance without ids, an utterance that occurs
    twice, and a word that is not a pdf-id.
    """
    seen: set[str] = set()
    for number, line in read_lines(path):
        key, *rest = line.split(None, 1)[:2] or [""]
        if not key:
            raise InputError("empty line", file=path, line=number)
        if key in seen:
            raise InputError("this utterance has occurred before", file=path, line=number, key=key)
        seen.add(key)
        text = rest[0].strip() if rest else ""
        if not text:
            raise InputError("no pdf-ids after the utterance", file=path, line=number, key=key)
        words = text.split()
        if _ROW.fullmatch(text) is None:
            wrong = next((word for word in words if _ROW.fullmatch(word) is None), text)
            raise InputError(f"'{wrong[:40]}' is not a pdf-id", file=path, line=number, key=key)
        yield key, np.array([int(word) for word in words], dtype=np.int32)
    if not seen:
        raise InputError("is empty", file=path)
