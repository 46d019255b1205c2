"""Write a Kaldi lang directory: symbol tables, topology, phone classes, L; and the folder that is whole or absent.

with building(out) as folder:
    symbols = write_lang(folder, lexicon)        # all but lm.arpa and G.fst
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.declared_paths import refuse_input
from asr.errors import InputError
from asr.files import folder_beside, sync_directory
from asr.lang.lexicon import (
    Lexicon,
    check_phones,
    check_words,
    disambiguated,
    is_disambiguation,
    words_of,
    write_lexicon,
)
from asr.lang.lexicon_fst import lexicon_fst, write_fst
from asr.lang.positions import MARKS, has_positions, mark_of, plain, positioned
from asr.lang.pronunciation import ALL_PHONES, SILENCE, SILENCE_PHONES
from asr.lang.word_alignment import write_word_alignment
from asr.tables import read_symbols

LEFT_TO_RIGHT = """\
<State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.75 <Transition> 2 0.25 </State>
<State> 2 <PdfClass> 2 <Transition> 2 0.75 <Transition> 3 0.25 </State>
<State> 3 </State>
"""
# Five states; the middle three reach each other, so that silences of any length and kind fit.
_QUARTERS = "<Transition> {} 0.25 <Transition> {} 0.25 <Transition> {} 0.25 <Transition> {} 0.25 </State>\n"
ERGODIC_SILENCE = (
    "<State> 0 <PdfClass> 0 "
    + _QUARTERS.format(0, 1, 2, 3)
    + "".join(f"<State> {n} <PdfClass> {n} " + _QUARTERS.format(1, 2, 3, 4) for n in (1, 2, 3))
    + "<State> 4 <PdfClass> 4 <Transition> 4 0.75 <Transition> 5 0.25 </State>\n<State> 5 </State>\n"
)


@dataclass(frozen=True)
class Symbols:
    """phones.txt and words.txt of a lang directory, {symbol: id} each."""

    phones: dict[str, int]
    words: dict[str, int]

    @property
    def real_phones(self) -> list[str]:
        """All phones but <eps> and the disambiguation symbols, by id."""
        return [phone for phone, number in self.phones.items() if number and not is_disambiguation(phone)]

    @property
    def disambiguation(self) -> list[str]:
        """#0, #1, ... of phones.txt, by id."""
        return [phone for phone in self.phones if is_disambiguation(phone)]


# ---------------------------------------------------------------- a folder that is whole or as it was


@contextlib.contextmanager
def building(out: Path, stale: Sequence[str] = ()) -> Iterator[Path]:
    """A hidden folder beside the files of `out`; on success its files move there, on failure it goes away.

    Files move one by one, each as a whole; `stale` names what an earlier run may have left and this one did not make.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(".building.*"):  # of a run that was killed
        shutil.rmtree(left)
    try:
        with folder_beside(out, ".building.", within=True) as folder:
            yield folder
            made = sorted(item.relative_to(folder) for item in folder.rglob("*") if item.is_file())
            for name in made:
                refuse_input(out / name)
                _sync(folder / name)
            for old in stale:
                if Path(old) not in made:
                    (out / old).unlink(missing_ok=True)
            for name in made:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(folder / name, out / name)
            for parent in {(out / name).parent for name in made}:
                sync_directory(parent)
    finally:
        with contextlib.suppress(OSError):  # nothing was made: leave no empty folder either
            out.rmdir()


def _sync(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


# ---------------------------------------------------------------- symbols


def phone_table(
    disambiguation: int, given: Mapping[str, int] | None = None, source: Path | None = None
) -> dict[str, int]:
    """phones.txt as {phone: id}: <eps>, SIL, SPN, ALL_PHONES, #0 ... #`disambiguation`.

    `given`: an alignment's table, whose ids stay as they are; the symbols it lacks go after its last one.
    """
    table = dict(given) if given is not None else _numbered(["<eps>", *SILENCE_PHONES, *ALL_PHONES])
    if table.get("<eps>") != 0:
        raise InputError("<eps> must have the id 0", file=source)
    if lacking := [phone for phone in SILENCE_PHONES if phone not in table]:
        raise InputError(f"lacks the phone {lacking[0]}; with other phones, pass their --lang-dir", file=source)
    for number in range(disambiguation + 1):
        table.setdefault(f"#{number}", max(table.values()) + 1)
    return dict(sorted(table.items(), key=lambda item: item[1]))


def word_table(lexicon: Lexicon) -> dict[str, int]:
    """words.txt as {word: id}: <eps>, the words by code point, #0, <s>, </s>."""
    return _numbered(["<eps>", *words_of(lexicon), "#0", "<s>", "</s>"])


def _numbered(symbols: Iterable[str]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(symbols)}


# ---------------------------------------------------------------- the directory


def write_lang(
    folder: Path,
    lexicon: Lexicon,
    *,
    phones: Path | None = None,
    silence_probability: float = 0.5,
    oov: str = "<SPN>",
    lexicon_source: Path | None = None,
) -> Symbols:
    """Write everything but the language model into `folder`; returns the symbols.

    `phones`: phones.txt of an alignment, whose ids are kept. Where they are position-dependent, the phones of L.fst
    and phones/ are too; lexicon.txt has them without their marks. Every phone of `lexicon` must be known, else
    InputError that names `lexicon_source` and the word.
    """
    check_words(lexicon, lexicon_source)
    given = read_symbols(phones) if phones is not None else None
    spoken = positioned(lexicon, given) if given is not None and has_positions(given) else lexicon
    with_symbols, highest = disambiguated(spoken)
    silence_symbol = f"#{highest + 1}"
    symbols = Symbols(phone_table(highest + 1, given, phones), word_table(lexicon))
    check_phones(spoken, lexicon_source, symbols.real_phones)
    if oov not in symbols.words:
        raise InputError(f"the lexicon lacks {oov}, the word that stands for unknown ones", file=lexicon_source)
    write_lexicon(folder / "lexicon.txt", lexicon)
    _write_table(folder / "phones.txt", symbols.phones)
    _write_table(folder / "words.txt", symbols.words)
    _write(folder / "oov.txt", [oov])
    _write(folder / "oov.int", [str(symbols.words[oov])])
    _write_classes(folder / "phones", symbols)
    write_word_alignment(folder, spoken, symbols.phones, symbols.words, silence=SILENCE)
    _write_topology(folder / "topo", symbols)
    without_symbols = lexicon_fst(
        spoken, symbols.phones, symbols.words, silence=SILENCE, silence_probability=silence_probability
    )
    write_fst(without_symbols, folder / "L.fst")
    determinisable = lexicon_fst(
        with_symbols,
        symbols.phones,
        symbols.words,
        silence=SILENCE,
        silence_probability=silence_probability,
        silence_disambiguation=silence_symbol,
    )
    write_fst(determinisable, folder / "L_disambig.fst")
    return symbols


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(line + "\n" for line in lines)


def _write_table(path: Path, table: Mapping[str, int]) -> None:
    _write(path, (f"{symbol} {number}" for symbol, number in table.items()))


def _write_classes(folder: Path, symbols: Symbols) -> None:
    """phones/: the classes of phones, as symbols, as ids a line, and as ids joined by colons."""
    real = symbols.real_phones
    silence = [phone for phone in real if _is_silence(phone)]
    classes = {
        "silence": silence,
        "nonsilence": [phone for phone in real if not _is_silence(phone)],
        "optional_silence": [SILENCE],
        "context_indep": silence,
        "disambig": symbols.disambiguation,
    }
    for name, members in classes.items():
        numbers = [str(symbols.phones[phone]) for phone in members]
        _write(folder / f"{name}.txt", members)
        _write(folder / f"{name}.int", numbers)
        _write(folder / f"{name}.csl", [":".join(numbers)])
    _write(folder / "wdisambig.txt", ["#0"])
    _write(folder / "wdisambig_phones.int", [str(symbols.phones["#0"])])
    _write(folder / "wdisambig_words.int", [str(symbols.words["#0"])])
    sets = phone_sets(real)
    _write_both(folder, "sets", "", sets, symbols.phones)
    _write_both(folder, "roots", "shared split ", sets, symbols.phones)
    tones = [
        [p for p in classes["nonsilence"] if re.sub(r"\D", "", p) == tone] for tone in ("1", "2", "3", "4", "5", "")
    ]
    places = [[p for p in classes["nonsilence"] if mark_of(p) == mark] for mark in MARKS if has_positions(real)]
    if places:
        places += [[p for p in silence if mark_of(p) == mark] for mark in ("", *MARKS)]
    questions = [silence, *filter(None, tones), *filter(None, places)]
    _write_both(folder, "extra_questions", "", questions, symbols.phones)


def _is_silence(phone: str) -> bool:
    return plain(phone) in SILENCE_PHONES


def _write_both(folder: Path, name: str, lead: str, rows: Iterable[Sequence[str]], phones: Mapping[str, int]) -> None:
    rows = list(rows)
    _write(folder / f"{name}.txt", (lead + " ".join(row) for row in rows))
    _write(folder / f"{name}.int", (lead + " ".join(str(phones[phone]) for phone in row) for row in rows))


def phone_sets(phones: Iterable[str]) -> list[list[str]]:
    """Group the phones that share a tree root: a final in all its tones, every initial by itself (`n` joins n1, n2).

    Position-dependent phones share theirs in all positions.
    """
    phones = list(phones)
    base = plain if has_positions(phones) else str
    sets: dict[str, list[str]] = {}
    for phone in phones:
        sets.setdefault(base(phone).rstrip("12345"), []).append(phone)
    return list(sets.values())


def _write_topology(path: Path, symbols: Symbols) -> None:
    entries = ["<Topology>\n"]
    silences = [symbols.phones[phone] for phone in symbols.real_phones if _is_silence(phone)]
    others = [symbols.phones[phone] for phone in symbols.real_phones if not _is_silence(phone)]
    for numbers, states in ((others, LEFT_TO_RIGHT), (silences, ERGODIC_SILENCE)):
        listed = " ".join(str(number) for number in numbers)
        entries.append(f"<TopologyEntry>\n<ForPhones>\n{listed}\n</ForPhones>\n{states}</TopologyEntry>\n")
    _write(path, ["".join(entries) + "</Topology>"])
