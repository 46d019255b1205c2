"""Read a lang directory as alignment needs it, and the transcripts of a data directory as its word-ids.

lang = AlignmentLang.read(Path("exp/lang"), Path("exp/ali/.work")); lang.word_ids(Path("exp/data/train"))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.alignment.monophone import make_topology
from asr.console import warn
from asr.errors import InputError, named_first
from asr.kaldi.topology import Topology, read_topology
from asr.lang.given import oov_of
from asr.lang.lexicon import check_phones, read_lexicon, with_specials
from asr.lang.lexicon_fst import check_fst, lexicon_fst, write_fst
from asr.lang.phone_classes import PhoneClasses, read_phone_classes
from asr.lang.pieces import units_of
from asr.tables import read_symbols, read_table


@dataclass(frozen=True)
class AlignmentLang:
    """phones.txt, topology, L.fst and words.txt of a lang directory; `oov`: the word that replaces unknown words."""

    folder: Path
    classes: PhoneClasses
    topology: Topology
    lexicon: Path
    words: dict[str, int]
    oov: str

    @classmethod
    def read(cls, lang: Path, work: Path) -> AlignmentLang:
        """Read LANG. If it has no topo, Kaldi's usual one is used; if it has no L.fst, one is made in `work`.

        Raises InputError if a file is missing or two files contradict each other.
        """
        if not lang.is_dir():
            raise InputError("is not a folder; --lang takes a lang directory, as `asr lang` makes it", file=lang)
        classes = read_phone_classes(lang)
        words = read_symbols(lang / "words.txt")
        if (lang / "topo").is_file():
            topology = read_topology(lang / "topo")
            if odd := sorted(classes.names.keys() ^ set(topology.phones)):
                raise InputError(f"phone {odd[0]} is not in both this file and phones.txt", file=lang / "topo")
        else:
            topology = make_topology(max(classes.names), sorted(classes.silence))
        lexicon = lang / "L.fst"
        if lexicon.is_file():
            check_fst(lexicon)
        else:
            lexicon = _make_lexicon(lang, work, classes, words)
        return cls(lang, classes, topology, lexicon, words, oov_of(lang, words))

    def word_ids(self, data: Path) -> dict[str, list[int]]:
        """Return {utterance: its transcript's word-ids}, split as the lang stage splits text.

        A word that words.txt lacks becomes `oov`, with a warning. Raises InputError if it lacks all words.
        """
        units = units_of(self.folder, self.words, self.oov)
        texts = read_table(data / "text", allow_empty=True)
        pairs = {utterance: units.pairs(text) for utterance, text in texts.items()}
        unknown = Counter(surface for row in pairs.values() for surface, word in row if word is None)
        if unknown:
            total = sum(map(len, pairs.values()))
            some = named_first(word for word, _ in unknown.most_common())
            message = f"{unknown.total()} of {total} words are not in {self.folder / 'words.txt'}: {some}"
            if unknown.total() == total:
                raise InputError(message, file=data / "text")
            warn(f"{data / 'text'}: {message}; {self.oov} stands for them")
        return {utterance: [self.words[word or self.oov] for _, word in row] for utterance, row in pairs.items()}


def to_align(
    words: Mapping[str, list[int]], with_features: Collection[str], unusable: Mapping[str, str] | None = None
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return (the transcripts that can be aligned, {utterance: reason why another one cannot}).

    unusable: {utterance: reason why its features cannot be used}; other utterances may be in it.
    """
    faults = {name: "its transcript is empty" for name, ids in words.items() if not ids}
    for name in words:
        if name not in with_features:
            faults[name] = (unusable or {}).get(name, "has no features")
    return {name: ids for name, ids in words.items() if name not in faults}, faults


def _make_lexicon(lang: Path, work: Path, classes: PhoneClasses, words: dict[str, int]) -> Path:
    source = lang / "lexicon.txt"
    if not source.is_file():
        raise InputError("is not a complete lang directory: L.fst (or lexicon.txt) is missing", file=lang)
    lexicon = with_specials(read_lexicon(source))
    check_phones(lexicon, source, classes.names.values())
    if lacking := next((word for word, _ in lexicon if word not in words), None):
        raise InputError(f"has the word {lacking}, which words.txt lacks", file=source)
    phones = {name: number for number, name in classes.names.items()}
    fst = lexicon_fst(lexicon, phones, words, silence=classes.optional_silence, silence_probability=0.5)
    work.mkdir(parents=True, exist_ok=True)
    write_fst(fst, work / "L.fst")
    return work / "L.fst"
