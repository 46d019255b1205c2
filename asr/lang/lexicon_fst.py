"""The lexicon and the grammar as transducers: L, L with disambiguation symbols, G; OpenFst files as Kaldi's.

kaldifst builds L. G is made by kaldilm in a process of its own: it ends the process on a file that it does not
like, and in one process with kaldifst (both carry OpenFst) the import of the second can hang.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.kaldi.fst import MAGIC
from asr.lang.lexicon import Lexicon
from asr.parallel.processes import with_this_one


def lexicon_fst(
    lexicon: Lexicon,
    phones: Mapping[str, int],
    words: Mapping[str, int],
    *,
    silence: str = "SIL",
    silence_probability: float = 0.5,
    silence_disambiguation: str | None = None,
) -> Any:
    """L as a kaldifst.StdVectorFst, sorted by word; the structure of Kaldi's make_lexicon_fst.py.

    Silence may stand at the beginning and after every word, with probability `silence_probability` (0: never).
    `silence_disambiguation`: the symbol after an optional silence. With symbols in the lexicon #0 also loops, so
    that G's back-off arcs pass. Words are on the first arc of their pronunciation.
    """
    import kaldifst

    fst = kaldifst.StdVectorFst()
    loop, silent = _silence_part(fst, phones, silence, silence_probability, silence_disambiguation)
    spoken_cost = 0.0 if silent is None else -math.log(1 - silence_probability)
    for word, sounds in lexicon:
        state, label = loop, words[word]
        for phone in sounds[:-1]:
            following = fst.add_state()
            fst.add_arc(state, kaldifst.StdArc(phones[phone], label, 0.0, following))
            state, label = following, 0
        last = phones[sounds[-1]]
        fst.add_arc(state, kaldifst.StdArc(last, label, spoken_cost, loop))
        if silent is not None:
            fst.add_arc(state, kaldifst.StdArc(last, label, -math.log(silence_probability), silent))
    if silence_disambiguation is not None:
        kaldifst.add_self_loops(fst, [phones["#0"]], [words["#0"]])
    kaldifst.arcsort(fst, sort_type="olabel")
    return fst


def _silence_part(
    fst: Any, phones: Mapping[str, int], silence: str, probability: float, disambiguation: str | None
) -> tuple[int, int | None]:
    """The states that every lexicon has; returns where words start and where an optional silence does."""
    import kaldifst

    start = fst.add_state()
    fst.start = start
    if probability == 0:
        fst.set_final(start, 0.0)
        return start, None
    loop, silent = fst.add_state(), fst.add_state()
    fst.add_arc(start, kaldifst.StdArc(0, 0, -math.log(1 - probability), loop))
    fst.add_arc(start, kaldifst.StdArc(0, 0, -math.log(probability), silent))
    if disambiguation is None:
        fst.add_arc(silent, kaldifst.StdArc(phones[silence], 0, 0.0, loop))
    else:
        between = fst.add_state()
        fst.add_arc(silent, kaldifst.StdArc(phones[silence], 0, 0.0, between))
        fst.add_arc(between, kaldifst.StdArc(phones[disambiguation], 0, 0.0, loop))
    fst.set_final(loop, 0.0)
    return loop, silent


def write_fst(fst: Any, path: Path) -> None:
    """Write a kaldifst transducer. `path` lies in a folder that is being built: see langdir.building."""
    if not fst.write(os.fspath(path)):
        raise OSError(f"{path}: could not be written")


def write_grammar(arpa: Path, words: Path, out: Path, source: Path | None = None) -> None:
    """Make G.fst of an ARPA file that read_arpa accepts. `source`: the file to blame, when `arpa` is a copy.

    As Kaldi's format_lm.sh: back-off arcs carry #0, <s> and </s> become epsilon, n-grams with words that are not in
    words.txt are left out.
    """
    command = [sys.executable, "-m", "kaldilm", "--disambig-symbol", "#0", "--max-arpa-warnings", "0"]
    command += ["--read-symbol-table", os.fspath(words), os.fspath(arpa), os.fspath(out)]
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "preexec_fn": with_this_one()}
    done = subprocess.run(command, text=True, errors="replace", **options)
    if done.returncode != 0 or not out.is_file():
        reason = " ".join(re.findall(r"\[E\]\s*(.*)", done.stderr)) or f"status {done.returncode}"
        raise InputError(f"kaldilm could not make G.fst of it: {reason}", file=source or arpa)
    check_fst(out)


def check_fst(path: Path) -> None:
    """Refuse what is no OpenFst file over the tropical semiring; the content is checked by who composes it."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(64)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if not head.startswith(MAGIC.to_bytes(4, "little")):
        raise InputError("is no OpenFst file (wrong first bytes)", file=path)
    if b"standard" not in head or not (b"vector" in head or b"const" in head):
        raise InputError("is neither a vector nor a const transducer with standard arcs", file=path)
