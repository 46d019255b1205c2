"""What a lang directory's phones/ says of the phones: which share a root, which have no context, extra questions.

classes = read_phone_classes(Path("exp/lang")); classes.names[3], classes.roots, classes.silence
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.lang.given import class_ids
from asr.lang.langdir import phone_sets
from asr.lang.lexicon import is_disambiguation
from asr.tables import is_count, read_lines, read_symbols


@dataclass(frozen=True)
class Root:
    """Phones that share a root of the tree; `shared`: their pdf classes too; `split`: whether it may be split."""

    phones: tuple[int, ...]
    shared: bool = True
    split: bool = True


@dataclass(frozen=True)
class PhoneClasses:
    """Phone-ids throughout. names: {id: phone}; sets: phones that are one in a monophone system."""

    names: dict[int, str]
    silence: frozenset[int]
    context_independent: frozenset[int]
    sets: tuple[tuple[int, ...], ...]
    roots: tuple[Root, ...]
    questions: tuple[tuple[int, ...], ...]


def read_phone_classes(lang: Path) -> PhoneClasses:
    """Read LANG/phones.txt and LANG/phones/; what is not there is made as prepare_lang.sh would.

    Raises InputError: no silence, a phone-id that phones.txt lacks, or a phone in two roots or sets or in none.
    """
    table = read_symbols(lang / "phones.txt")
    names = {number: name for name, number in table.items() if number and not is_disambiguation(name)}
    silence = frozenset(class_ids(lang, "silence", table)) & names.keys()
    independent = silence
    if (lang / "phones/context_indep.int").is_file():
        independent = frozenset(class_ids(lang, "context_indep", table))
    sets = _groups(lang / "phones/sets.int", names, ())
    if not sets:
        sets = [(tuple(table[name] for name in group), ()) for group in phone_sets(names.values())]
    roots = _groups(lang / "phones/roots.int", names, ("shared", "not-shared", "split", "not-split"))
    for what, groups in (("sets.int", sets), ("roots.int", roots or sets)):
        _each_once(lang / "phones" / what, groups, names)
    return PhoneClasses(
        names,
        silence,
        independent,
        tuple(group for group, _ in sets),
        tuple(Root(group, "not-shared" not in said, "not-split" not in said) for group, said in roots or sets),
        tuple(group for group, _ in _groups(lang / "phones/extra_questions.int", names, ())),
    )


def _groups(
    path: Path, names: dict[int, str], words: tuple[str, ...]
) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """(phone-ids, words before them) of each line; nothing where there is no such file."""
    found = []
    for number, line in read_lines(path) if path.is_file() else ():
        items = line.split()
        said = tuple(item for item in items if item in words)
        members = items[len(said) :]
        for item in members:
            if not is_count(item) or int(item) not in names:
                raise InputError(f"'{item}' is no phone of phones.txt", file=path, line=number)
        if members:
            found.append((tuple(int(item) for item in members), said))
    return found


def _each_once(path: Path, groups: Iterable[tuple[tuple[int, ...], tuple[str, ...]]], names: dict[int, str]) -> None:
    members = [phone for group, _ in groups for phone in group]
    for phone, name in names.items():
        if members.count(phone) != 1:
            raise InputError(
                f"phone {name} ({phone}) is in {members.count(phone)} lines, and must be in one", file=path
            )


def optional_silence(lang: Path, classes: PhoneClasses) -> str:
    """The phone that may stand between words: of phones/optional_silence.txt, else the first silence phone."""
    path = lang / "phones/optional_silence.txt"
    if not path.is_file():
        return classes.names[min(classes.silence)]
    words = " ".join(line for _, line in read_lines(path)).split()
    if len(words) != 1 or words[0] not in classes.names.values():
        raise InputError("does not hold one phone of phones.txt", file=path)
    return words[0]
