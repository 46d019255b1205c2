"""Take over a lang directory that Kaldi (or this project) made: check that it is complete, and copy it.

names = check_given(Path("data/lang_test"), phones=Path("exp/tri3_ali/phones.txt"))
copy_given(Path("data/lang_test"), folder, names)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from asr.errors import InputError
from asr.files import read_bytes
from asr.lang.lexicon import is_disambiguation, reserved
from asr.lang.lexicon_fst import check_fst
from asr.lang.units import OOV_NAMES
from asr.lang.word_alignment import complete
from asr.tables import is_count, read_lines, read_symbols

REQUIRED = ("L_disambig.fst", "G.fst", "words.txt", "phones.txt")
CLASSES = ("disambig", "silence")  # of phones/; as .int, or what gives it: .csl or .txt


def check_given(lang: Path, phones: Path | None = None) -> list[Path]:
    """What of `lang` is to be copied: its files and those of phones/, relative. InputError for what is missing.

    `phones`: phones.txt of the alignment that goes with it; the phones and their ids must be the same.
    """
    if not lang.is_dir():
        raise InputError("is no folder; --lang-dir names a Kaldi lang directory", file=lang)
    for name in REQUIRED:
        if not (lang / name).is_file():
            hint = (
                "; a lang directory without a grammar is made usable by utils/format_lm.sh" if name == "G.fst" else ""
            )
            raise InputError(f"is not a complete lang directory: {name} is missing{hint}", file=lang)
    for name in ("L_disambig.fst", "G.fst"):
        check_fst(lang / name)
    words = read_symbols(lang / "words.txt")
    if "#0" not in words:
        raise InputError("lacks #0, so G's back-off arcs cannot pass L", file=lang / "words.txt")
    table = read_symbols(lang / "phones.txt")
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
    """Refuse a silence phone that is #1 or <eps>, and a disambiguation symbol that is a phone."""
    names = {number: phone for phone, number in table.items()}
    for number in class_ids(lang, name, table):
        if reserved(names[number]) != (name == "disambig"):
            kind = "is no disambiguation symbol" if name == "disambig" else "is a symbol of Kaldi's own and no phone"
            raise InputError(f"'{names[number]}' {kind}", file=lang / "phones" / f"{name}.int")


def _check_same(path: Path, ours: dict[str, int], alignment: Path) -> None:
    pairs = [
        {(phone, number) for phone, number in table.items() if not is_disambiguation(phone)}
        for table in (ours, read_symbols(alignment))
    ]
    if odd := sorted(pairs[0] ^ pairs[1], key=lambda pair: (pair[1], pair[0])):
        raise InputError(
            f"is not the phone table of {alignment} (see phone {odd[0][0]}); the lang directory must be the one that "
            "the alignments were made with",
            file=path,
        )


def class_ids(lang: Path, name: str, phones: dict[str, int]) -> list[int]:
    """The ids of phones/NAME.int, or of NAME.csl or NAME.txt where there is no .int; every one must be a phone."""
    folder = lang / "phones"
    path = next(
        (folder / f"{name}{end}" for end in (".int", ".csl", ".txt") if (folder / f"{name}{end}").is_file()), None
    )
    if path is None:
        raise InputError(f"is not a complete lang directory: phones/{name}.int is missing", file=lang)
    known = set(phones.values())
    result = []
    for number, line in read_lines(path):
        for item in line.replace(":", " ").split():
            value = phones.get(item, -1) if path.suffix == ".txt" else int(item) if is_count(item) else -1
            if value not in known:
                raise InputError(f"'{item}' is not in {lang / 'phones.txt'}", file=path, line=number)
            result.append(value)
    if not result:
        raise InputError("is empty", file=path)
    return result


def copy_given(lang: Path, folder: Path, names: list[Path]) -> dict[str, int]:
    """Copy the named files and complete phones/; returns words.txt as {word: id}.

    Completed are disambig.int and silence.int, and what Kaldi aligns words in lattices with (word_alignment).
    """
    (folder / "phones").mkdir()
    for name in names:
        try:
            shutil.copyfile(lang / name, folder / name)
        except OSError as error:
            raise InputError(f"cannot be copied: {error.strerror}", file=lang / name) from error
    phones = read_symbols(lang / "phones.txt")
    for kind in CLASSES:
        target = folder / "phones" / f"{kind}.int"
        if not target.is_file():
            target.write_text("".join(f"{number}\n" for number in class_ids(lang, kind, phones)), encoding="utf-8")
    words = read_symbols(lang / "words.txt")
    complete(folder, phones, words, _optional_silence(folder, phones))
    return words


def _optional_silence(lang: Path, phones: dict[str, int]) -> str:
    """Return the phone of phones/optional_silence.txt, else the first silence phone."""
    path = lang / "phones/optional_silence.txt"
    named = " ".join(line for _, line in read_lines(path)).split() if path.is_file() else []
    names = {number: name for name, number in phones.items()}
    return named[0] if named and named[0] in phones else names[min(class_ids(lang, "silence", phones))]


def oov_of(lang: Path, words: dict[str, int]) -> str:
    """The word that stands for unknown ones: oov.txt's, else the first usual name that words.txt has."""
    if (lang / "oov.txt").is_file():
        found = read_bytes(lang / "oov.txt").decode("utf-8", "replace").strip()
        if found not in words:
            raise InputError(f"'{found}' is not in words.txt", file=lang / "oov.txt")
        return found
    if found := next((name for name in OOV_NAMES if name in words), ""):
        return found
    raise InputError("there is no oov.txt, and words.txt has none of " + " ".join(OOV_NAMES), file=lang)
