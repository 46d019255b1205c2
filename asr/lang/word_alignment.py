"""Write the files by which Kaldi finds word boundaries in a lattice: phones/word_boundary and phones/align_lexicon.

lattice-align-words reads word_boundary.int, which needs position-dependent phones; lattice-align-words-lexicon reads
align_lexicon.int. steps/get_ctm.sh prefers the first. The content is that of prepare_lang.sh, as .txt and .int.

    write_word_alignment(Path("exp/lang"), lexicon, phones, words, silence="SIL")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from asr.files import write_lines
from asr.lang.lexicon import Lexicon, is_disambiguation, read_lexicon
from asr.lang.positions import MARKS, has_positions, mark_of, positioned

#: file names in the folder phones/ of a lang directory and of a graph
BOUNDARY, LEXICON = "word_boundary", "align_lexicon"


def word_boundaries(phones: Iterable[str]) -> dict[str, str]:
    """Return {position-dependent phone: nonword, begin, end, internal or singleton}."""
    return {phone: MARKS.get(mark_of(phone), "nonword") for phone in phones}


def align_lexicon(lexicon: Lexicon, silence: str) -> list[tuple[str, ...]]:
    """Return the rows `word word phone phone ...` in C order, the optional silence included."""
    rows = {(word, word, *phones) for word, phones in lexicon} | {("<eps>", "<eps>", silence)}
    return sorted(rows, key=lambda row: " ".join(row).encode())


def write_word_alignment(
    lang: Path, lexicon: Lexicon | None, phones: Mapping[str, int], words: Mapping[str, int], *, silence: str
) -> None:
    """Write word_boundary for position-dependent phones, and align_lexicon unless `lexicon` is None, to LANG/phones.

    lexicon: its phones are those of `phones`, position marks included. phones, words: the symbol tables.
    """
    folder = lang / "phones"
    real = [phone for phone, number in phones.items() if number and not is_disambiguation(phone)]
    if has_positions(real):
        kinds = word_boundaries(real)
        write_lines(folder / f"{BOUNDARY}.txt", (f"{phone} {kind}" for phone, kind in kinds.items()))
        write_lines(folder / f"{BOUNDARY}.int", (f"{phones[phone]} {kind}" for phone, kind in kinds.items()))
    if lexicon is not None:
        rows = align_lexicon(lexicon, silence)
        write_lines(folder / f"{LEXICON}.txt", (" ".join(row) for row in rows))
        ids = ([words[word] for word in row[:2]] + [phones[phone] for phone in row[2:]] for row in rows)
        write_lines(folder / f"{LEXICON}.int", (" ".join(map(str, row)) for row in ids))


def complete(lang: Path, phones: Mapping[str, int], words: Mapping[str, int], silence: str) -> None:
    """Write those of the two files that a lang directory lacks; align_lexicon needs its lexicon.txt."""
    folder = lang / "phones"
    lexicon = None
    if not (folder / f"{LEXICON}.int").is_file() and (lang / "lexicon.txt").is_file():
        entries = [entry for entry in read_lexicon(lang / "lexicon.txt") if entry[0] in words]
        marked = positioned(entries, phones) if has_positions(phones) else entries
        lexicon = [entry for entry in marked if all(phone in phones for phone in entry[1])]
    if lexicon is not None or not (folder / f"{BOUNDARY}.int").is_file():
        write_word_alignment(lang, lexicon, phones, words, silence=silence)
