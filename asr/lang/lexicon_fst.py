"""Make the transducers of a lexicon (L, L_disambig) and of a language model (G), as OpenFst files like Kaldi's.

    write_fst(lexicon_fst(lexicon, phones, words), folder / "L.fst")
    write_grammar(folder / "lm.arpa", folder / "words.txt", folder / "G.fst")

kaldifst builds L. kaldilm makes G in a process of its own: it ends the process on a faulty file, and importing it
beside kaldifst can hang, since both carry OpenFst.
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
from asr.parallel.processes import killed_with_caller


def lexicon_fst(
    lexicon: Lexicon,
    phones: Mapping[str, int],
    words: Mapping[str, int],
    *,
    silence: str = "SIL",
    silence_probability: float = 0.5,
    silence_disambiguation: str | None = None,
) -> Any:
    """Return L as a kaldifst.StdVectorFst, sorted by word, with the structure of Kaldi's make_lexicon_fst.py.

    silence_probability: of the phone `silence` at the beginning and after every word; 0: never.
    silence_disambiguation: the symbol after an optional silence; if it is given, a loop of #0 lets G's back-off arcs
    pass. The word is on the first arc of its pronunciation.
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
    """Add the states that every lexicon has; return the start of the words and that of the optional silence."""
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
    """Write a kaldifst transducer in a folder of asr.files.replace_files. Raises OSError."""
    if not fst.write(os.fspath(path)):
        raise OSError(f"{path}: cannot be written")


def write_grammar(arpa: Path, words: Path, out: Path, source: Path | None = None) -> None:
    """Write G.fst, made from an ARPA file that read_arpa accepts. Raises InputError, of `source` if `arpa` is a copy.

    Matches Kaldi's format_lm.sh: back-off arcs have #0, <s> and </s> become epsilon, and n-grams with words that are
    not in words.txt are dropped.
    """
    command = [sys.executable, "-m", "kaldilm", "--disambig-symbol", "#0", "--max-arpa-warnings", "0"]
    command += ["--read-symbol-table", os.fspath(words), os.fspath(arpa), os.fspath(out)]
    options: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "preexec_fn": killed_with_caller(),
    }
    done = subprocess.run(command, text=True, errors="replace", **options)
    if done.returncode != 0 or not out.is_file():
        reason = " ".join(re.findall(r"\[E\]\s*(.*)", done.stderr)) or f"status {done.returncode}"
        raise InputError(f"kaldilm cannot make G.fst from it: {reason}", file=source or arpa)
    check_fst(out)


def check_fst(path: Path) -> None:
    """Raise InputError for a file that is not an OpenFst file over the tropical semiring, by its header alone."""
    try:
        with open(path, "rb") as handle:
            head = handle.read(64)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if not head.startswith(MAGIC.to_bytes(4, "little")):
        raise InputError("is not an OpenFst file (wrong first bytes)", file=path)
    if b"standard" not in head or not (b"vector" in head or b"const" in head):
        raise InputError("is neither a vector nor a const transducer with standard arcs", file=path)
