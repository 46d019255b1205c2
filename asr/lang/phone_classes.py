"""Read the phone classes of a lang directory: silence, tree roots, sets without context, extra questions.

    classes = read_phone_classes(Path("exp/lang"))
    classes.names[3], classes.roots, classes.silence

Reads LANG/phones.txt and, in LANG/phones, silence, context_indep, sets, roots, extra_questions, optional_silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.lang.langdir import phone_sets
from asr.lang.lexicon import is_disambiguation, reserved
from asr.lang.pronunciation import SILENCE
from asr.tables import is_count, read_lines, read_symbols


@dataclass(frozen=True)
class Root:
    """Phones that share a root of the tree. `shared`: they share pdf classes too; `split`: the root may be split."""

    phones: tuple[int, ...]
    shared: bool = True
    split: bool = True


@dataclass(frozen=True)
class PhoneClasses:
    """Classes of phone-ids. names: {id: phone}; sets: phones that are one phone in a monophone system.

    optional_silence: the name of the phone that may stand between words.
    """

    names: dict[int, str]
    silence: frozenset[int]
    context_independent: frozenset[int]
    sets: tuple[tuple[int, ...], ...]
    roots: tuple[Root, ...]
    questions: tuple[tuple[int, ...], ...]
    optional_silence: str


def read_phone_classes(lang: Path) -> PhoneClasses:
    """Return the phone classes of LANG; a missing file is replaced by what Kaldi's prepare_lang.sh would write.

    Raises InputError for missing silence phones, a phone-id that phones.txt lacks, and a phone that is in two roots
    or sets or in none.
    """
    table = read_symbols(lang / "phones.txt")
    names = {number: name for name, number in table.items() if number and not is_disambiguation(name)}
    silence = frozenset(class_ids(lang, "silence", table)) & names.keys()
    independent = silence
    if (lang / "phones/context_indep.int").is_file():
        independent = frozenset(class_ids(lang, "context_indep", table))
    sets = _groups(lang / "phones/sets.int", names)
    if not sets:
        sets = [(tuple(table[name] for name in group), ()) for group in phone_sets(names.values())]
    roots = _groups(lang / "phones/roots.int", names, ("shared", "not-shared", "split", "not-split")) or sets
    for name, groups in (("sets.int", sets), ("roots.int", roots)):
        _check_each_once(lang / "phones" / name, groups, names)
    return PhoneClasses(
        names,
        silence,
        independent,
        tuple(group for group, _ in sets),
        tuple(Root(group, "not-shared" not in words, "not-split" not in words) for group, words in roots),
        tuple(group for group, _ in _groups(lang / "phones/extra_questions.int", names)),
        optional_silence(lang, table),
    )


def _groups(
    path: Path, names: Mapping[int, str], keywords: tuple[str, ...] = ()
) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return (phone-ids, keywords before them) of each line; an empty list if there is no such file."""
    found = []
    for number, line in read_lines(path) if path.is_file() else ():
        items = line.split()
        words = tuple(item for item in items if item in keywords)
        members = items[len(words) :]
        for item in members:
            if not is_count(item) or int(item) not in names:
                raise InputError(f"'{item}' is not a phone of phones.txt", file=path, line=number)
        if members:
            found.append((tuple(int(item) for item in members), words))
    return found


def _check_each_once(
    path: Path, groups: Iterable[tuple[tuple[int, ...], tuple[str, ...]]], names: Mapping[int, str]
) -> None:
    members = [phone for group, _ in groups for phone in group]
    for phone, name in names.items():
        if members.count(phone) != 1:
            message = f"phone {name} ({phone}) is in {members.count(phone)} lines, and must be in one"
            raise InputError(message, file=path)


def class_ids(lang: Path, name: str, phones: Mapping[str, int]) -> list[int]:
    """Return the ids in phones/NAME.int, else in NAME.csl or NAME.txt.

    Raises InputError if there is none of the three, it is empty, or it holds anything that is not in `phones`.
    """
    files = [lang / "phones" / f"{name}{end}" for end in (".int", ".csl", ".txt")]
    path = next((file for file in files if file.is_file()), None)
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


def silences_between_words(folder: Path) -> frozenset[str]:
    """Return the phones in phones/optional_silence.txt of a lang or graph folder; SIL if there is no such file."""
    path = folder / "phones/optional_silence.txt"
    return frozenset(line.strip() for _, line in read_lines(path)) if path.is_file() else frozenset((SILENCE,))


def optional_silence(lang: Path, phones: Mapping[str, int]) -> str:
    """Return the phone in phones/optional_silence.txt, else the first silence phone. Raises InputError."""
    path = lang / "phones/optional_silence.txt"
    if not path.is_file():
        names = {number: name for name, number in phones.items()}
        return names[min(class_ids(lang, "silence", phones))]
    words = " ".join(line for _, line in read_lines(path)).split()
    if len(words) != 1 or words[0] not in phones or reserved(words[0]):
        raise InputError("must hold one phone of phones.txt", file=path)
    return words[0]
