"""Write a Kaldi lang directory, but for the language model: symbol tables, topology, phone classes, lexicon and L.

    with replace_files(out) as folder:
        symbols = write_lang(folder, lexicon)

The files are those of Kaldi's prepare_lang.sh, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.files import write_lines
from asr.lang.lexicon import (
    OOV_WORD,
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
# five states, of which the middle three reach each other: it fits silences of any length and kind
_QUARTERS = "<Transition> {} 0.25 <Transition> {} 0.25 <Transition> {} 0.25 <Transition> {} 0.25 </State>\n"
ERGODIC_SILENCE = (
    "<State> 0 <PdfClass> 0 "
    + _QUARTERS.format(0, 1, 2, 3)
    + "".join(f"<State> {n} <PdfClass> {n} " + _QUARTERS.format(1, 2, 3, 4) for n in (1, 2, 3))
    + "<State> 4 <PdfClass> 4 <Transition> 4 0.75 <Transition> 5 0.25 </State>\n<State> 5 </State>\n"
)


@dataclass(frozen=True)
class Symbols:
    """{symbol: id} of phones.txt and of words.txt."""

    phones: dict[str, int]
    words: dict[str, int]

    @property
    def real_phones(self) -> list[str]:
        """Return the phones in the order of their ids, without <eps> and the disambiguation symbols."""
        return [phone for phone, number in self.phones.items() if number and not is_disambiguation(phone)]

    @property
    def silence(self) -> list[str]:
        """Return the silence phones, in all positions."""
        return [phone for phone in self.real_phones if plain(phone) in SILENCE_PHONES]

    @property
    def disambiguation(self) -> list[str]:
        """Return #0, #1, ... of phones.txt in the order of their ids."""
        return [phone for phone in self.phones if is_disambiguation(phone)]


def phone_table(
    disambiguation: int, given: Mapping[str, int] | None = None, source: Path | None = None
) -> dict[str, int]:
    """Return {phone: id} for phones.txt: <eps>, SIL, SPN, ALL_PHONES, #0 ... #`disambiguation`.

    given: the table of an alignment, of the file `source`, which keeps its ids; missing symbols are appended.
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
    """Return {word: id} for words.txt: <eps>, the words in code-point order, #0, <s>, </s>."""
    return _numbered(["<eps>", *words_of(lexicon), "#0", "<s>", "</s>"])


def _numbered(symbols: Iterable[str]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(symbols)}


def write_lang(
    folder: Path,
    lexicon: Lexicon,
    *,
    phones: Path | None = None,
    silence_probability: float = 0.5,
    lexicon_source: Path | None = None,
) -> Symbols:
    """Write the directory without its language model into `folder`, and return the symbols.

    phones: phones.txt of an alignment, whose ids are kept. If its phones depend on the position in a word, so do
    those of L.fst and phones/, while lexicon.txt has them without their marks. Raises InputError, which names the
    file `lexicon_source` and the word, for a phone that phones.txt lacks.
    """
    check_words(lexicon, lexicon_source)
    given = read_symbols(phones) if phones is not None else None
    spoken = positioned(lexicon, given) if given is not None and has_positions(given) else lexicon
    with_symbols, highest = disambiguated(spoken)
    silence_symbol = f"#{highest + 1}"
    symbols = Symbols(phone_table(highest + 1, given, phones), word_table(lexicon))
    check_phones(spoken, lexicon_source, symbols.real_phones)
    if OOV_WORD not in symbols.words:
        raise InputError(f"the lexicon lacks {OOV_WORD}, which replaces unknown words", file=lexicon_source)
    write_lexicon(folder / "lexicon.txt", lexicon)
    for name, table in (("phones.txt", symbols.phones), ("words.txt", symbols.words)):
        write_lines(folder / name, (f"{symbol} {number}" for symbol, number in table.items()))
    write_lines(folder / "oov.txt", [OOV_WORD])
    write_lines(folder / "oov.int", [str(symbols.words[OOV_WORD])])
    _write_classes(folder / "phones", symbols)
    write_word_alignment(folder, spoken, symbols.phones, symbols.words, silence=SILENCE)
    _write_topology(folder / "topo", symbols)
    for name, entries, symbol in (("L.fst", spoken, None), ("L_disambig.fst", with_symbols, silence_symbol)):
        fst = lexicon_fst(
            entries,
            symbols.phones,
            symbols.words,
            silence=SILENCE,
            silence_probability=silence_probability,
            silence_disambiguation=symbol,
        )
        write_fst(fst, folder / name)
    return symbols


def _write_classes(folder: Path, symbols: Symbols) -> None:
    """Write phones/: each class as symbols (.txt), as one id a line (.int) and as ids joined by colons (.csl)."""
    real, silence = symbols.real_phones, symbols.silence
    spoken = [phone for phone in real if phone not in silence]
    classes = {
        "silence": silence,
        "nonsilence": spoken,
        "optional_silence": [SILENCE],
        "context_indep": silence,
        "disambig": symbols.disambiguation,
    }
    for name, members in classes.items():
        numbers = [str(symbols.phones[phone]) for phone in members]
        write_lines(folder / f"{name}.txt", members)
        write_lines(folder / f"{name}.int", numbers)
        write_lines(folder / f"{name}.csl", [":".join(numbers)])
    write_lines(folder / "wdisambig.txt", ["#0"])
    write_lines(folder / "wdisambig_phones.int", [str(symbols.phones["#0"])])
    write_lines(folder / "wdisambig_words.int", [str(symbols.words["#0"])])
    sets = phone_sets(real)
    _write_both(folder, "sets", "", sets, symbols.phones)
    _write_both(folder, "roots", "shared split ", sets, symbols.phones)
    tones = [[phone for phone in spoken if re.sub(r"\D", "", phone) == tone] for tone in [*"12345", ""]]
    places = [[phone for phone in spoken if mark_of(phone) == mark] for mark in MARKS if has_positions(real)]
    if places:
        places += [[phone for phone in silence if mark_of(phone) == mark] for mark in ("", *MARKS)]
    questions = [silence, *filter(None, tones), *filter(None, places)]
    _write_both(folder, "extra_questions", "", questions, symbols.phones)


def _write_both(folder: Path, name: str, lead: str, rows: Iterable[Sequence[str]], phones: Mapping[str, int]) -> None:
    rows = list(rows)
    write_lines(folder / f"{name}.txt", (lead + " ".join(row) for row in rows))
    write_lines(folder / f"{name}.int", (lead + " ".join(str(phones[phone]) for phone in row) for row in rows))


def phone_sets(phones: Iterable[str]) -> list[list[str]]:
    """Return the groups of phones that share a tree root: a final in all its tones and positions, or an initial.

    The initial `n` and the hummed syllable n1, n2, ... are one group.
    """
    phones = list(phones)
    base = plain if has_positions(phones) else str
    sets: dict[str, list[str]] = {}
    for phone in phones:
        sets.setdefault(base(phone).rstrip("12345"), []).append(phone)
    return list(sets.values())


def _write_topology(path: Path, symbols: Symbols) -> None:
    others = [phone for phone in symbols.real_phones if phone not in symbols.silence]
    lines = ["<Topology>"]
    for phones, states in ((others, LEFT_TO_RIGHT), (symbols.silence, ERGODIC_SILENCE)):
        listed = " ".join(str(symbols.phones[phone]) for phone in phones)
        lines.append(f"<TopologyEntry>\n<ForPhones>\n{listed}\n</ForPhones>\n{states}</TopologyEntry>")
    write_lines(path, [*lines, "</Topology>"])
