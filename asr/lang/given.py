"""Check and copy a complete lang directory, made by Kaldi or by this project (`asr lang --lang-dir`).

names = check_given(Path("data/lang_test"), phones=Path("exp/tri3_ali/phones.txt"))
copy_given(Path("data/lang_test"), folder, names)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from asr.errors import InputError
from asr.files import read_bytes, write_lines
from asr.lang.lexicon import is_disambiguation, reserved
from asr.lang.lexicon_fst import check_fst
from asr.lang.phone_classes import class_ids, optional_silence
from asr.lang.units import OOV_NAMES
from asr.lang.word_alignment import complete
from asr.tables import read_symbols

REQUIRED = ("L_disambig.fst", "G.fst", "words.txt", "phones.txt")
CLASSES = ("disambig", "silence")  # in phones/, as .int, or as .csl or .txt, from which .int is made


def check_given(lang: Path, phones: Path | None = None) -> list[Path]:
    """Return the files of LANG and of LANG/phones that are to be copied, relative to LANG. Raises InputError.

    phones: phones.txt of the alignment that is used with LANG; its phones and ids must be the same.
    """
    if not lang.is_dir():
        raise InputError("is not a folder; --lang-dir names a Kaldi lang directory", file=lang)
    for name in REQUIRED:
        if not (lang / name).is_file():
            hint = "; utils/format_lm.sh adds a grammar to a lang directory" if name == "G.fst" else ""
            raise InputError(f"is not a complete lang directory: {name} is missing{hint}", file=lang)
    for name in ("L_disambig.fst", "G.fst"):
        check_fst(lang / name)
    words, table = read_symbols(lang / "words.txt"), read_symbols(lang / "phones.txt")
    if "#0" not in words:
        raise InputError("lacks #0, so G's back-off arcs cannot pass L", file=lang / "words.txt")
    for symbols, name in ((words, "words.txt"), (table, "phones.txt")):
        if symbols.get("<eps>") != 0:
            raise InputError("<eps> must have the id 0", file=lang / name)
    for name in CLASSES:
        _check_class(lang, name, table)
    if phones is not None:
        _check_same(lang / "phones.txt", table, phones)
    folders = [folder for folder in (lang, lang / "phones") if folder.is_dir()]
    files = sorted(item for folder in folders for item in folder.iterdir() if item.is_file())
    return [item.relative_to(lang) for item in files if not item.name.startswith(".")]


def _check_class(lang: Path, name: str, table: dict[str, int]) -> None:
    """Raise InputError for a silence phone that is #1 or <eps>, and for a disambiguation symbol that is a phone."""
    names = {number: phone for phone, number in table.items()}
    for number in class_ids(lang, name, table):
        if reserved(names[number]) != (name == "disambig"):
            kind = "not a disambiguation symbol" if name == "disambig" else "a symbol of Kaldi's own, not a phone"
            raise InputError(f"'{names[number]}' is {kind}", file=lang / "phones" / f"{name}.int")


def _check_same(path: Path, ours: dict[str, int], alignment: Path) -> None:
    pairs = [
        {(phone, number) for phone, number in table.items() if not is_disambiguation(phone)}
        for table in (ours, read_symbols(alignment))
    ]
    if odd := sorted(pairs[0] ^ pairs[1], key=lambda pair: (pair[1], pair[0])):
        raise InputError(
            f"differs from the phone table of {alignment} (see phone {odd[0][0]}); pass the lang directory that the "
            "alignments were made with",
            file=path,
        )


def copy_given(lang: Path, folder: Path, names: list[Path]) -> dict[str, int]:
    """Copy the named files, write the missing ones of phones/, and return {word: id} of words.txt.

    Missing may be disambig.int, silence.int and the files by which Kaldi finds word boundaries (word_alignment).
    """
    (folder / "phones").mkdir()
    for name in names:
        try:
            shutil.copyfile(lang / name, folder / name)
        except OSError as error:
            raise InputError(f"cannot be copied: {error.strerror}", file=lang / name) from error
    phones, words = read_symbols(lang / "phones.txt"), read_symbols(lang / "words.txt")
    for kind in CLASSES:
        target = folder / "phones" / f"{kind}.int"
        if not target.is_file():
            write_lines(target, map(str, class_ids(lang, kind, phones)))
    complete(folder, phones, words, optional_silence(folder, phones))
    return words


def oov_of(lang: Path, words: dict[str, int]) -> str:
    """Return the word that replaces unknown ones: that of oov.txt, else the first of OOV_NAMES in words.txt."""
    if (lang / "oov.txt").is_file():
        found = read_bytes(lang / "oov.txt").decode("utf-8", "replace").strip()
        if found not in words:
            raise InputError(f"'{found}' is not in words.txt", file=lang / "oov.txt")
        return found
    if found := next((name for name in OOV_NAMES if name in words), ""):
        return found
    raise InputError("there is no oov.txt, and words.txt has none of " + " ".join(OOV_NAMES), file=lang)
