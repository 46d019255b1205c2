"""Write an alignment directory's phones (or words) with their times, for other tools: CTM or Praat TextGrids.

Reads   --ali-dir: final.mdl num_jobs ali.*.gz phones.txt; for words --text (utterance and transcript a line) and
        --lang: words.txt lexicon.txt [oov.txt phones/optional_silence.txt]
Writes  --out: with --format ctm the file (`utterance 1 start duration phone`, gzip by .gz), the same as Kaldi's
        ali-to-phones --ctm-output with --symbols false; with --format textgrid a folder of <utterance>.TextGrid with
        the tier phones and, given --text, the tier words

    python -m asr export --ali-dir exp/ali --format textgrid --text data/train/text --lang exp/lang --out exp/grids

Words are found by their pronunciations: the phones of an utterance must be those of its words in turn, with silence
between. Other utterances are named and have no words; more than --max-missing of them stop the verb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.alignment.formats.ctm import write_ctm
from asr.alignment.formats.intervals import Interval
from asr.alignment.formats.textgrid import SUFFIX, write_textgrid
from asr.alignment.words import match_words
from asr.console import say, warn
from asr.errors import InputError
from asr.kaldi.alignments import read_alignments, to_phones
from asr.kaldi.path_check import PathCheck
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.lang.given import oov_of
from asr.lang.lexicon import by_word, read_lexicon, with_specials
from asr.lang.phone_classes import silences_between_words
from asr.lang.pieces import units_of
from asr.lang.units import WordUnits
from asr.settings import option
from asr.tables import read_symbols, read_table

Labels = list[tuple[str, int, int]]  # label, first frame, frames
LabelledFrames = tuple[str, Labels]  # utterance, labels
#: utterances that a message names
SHOWN = 3


@dataclass(frozen=True)
class Settings:
    ali_dir: Path = option(help="alignment directory: final.mdl num_jobs ali.*.gz phones.txt")
    out: Path = option(
        help="CTM file, or folder of TextGrids, to write", writes="path", makes=("*.ctm*", "*.TextGrid")
    )
    format: str = option("ctm", help="what to write", choices=("ctm", "textgrid"))
    level: str = option("phones", help="content of a line of the CTM", choices=("phones", "words"))
    symbols: bool = option(True, help="phones by name; false: by id, as Kaldi's own CTM has them")
    frame_shift_ms: float = option(10.0, help="time from one frame to the next", above=0, most=1000)
    text: Path | None = option(None, help="transcripts, for the words")
    lang: Path | None = option(None, help="lang directory whose lexicon.txt spells the words")
    max_missing: float = option(
        0.05, help="largest share of utterances without whole phones, or without words", least=0, most=1
    )


def run(settings: Settings) -> None:
    """Write the CTM or the TextGrids. Raises InputError."""
    _check_settings(settings)
    model = read_transition_model(settings.ali_dir / "final.mdl")
    finder = None
    if settings.text is not None and settings.lang is not None:
        finder = WordFinder.read(settings.text, settings.lang)
    names = _names(settings, model)
    utterances = _phones(settings, model, names)
    ids = {} if settings.symbols else {name: str(number) for number, name in names.items()}
    if settings.format == "textgrid":
        count = _write_textgrids(settings, utterances, ids, finder)
    else:
        if settings.level == "words" and finder is not None:
            rows = _words(utterances, finder, settings.max_missing)
        else:
            rows = ((key, _renamed(phones, ids)) for key, phones in utterances)
        count = write_ctm(settings.out, rows, frame_shift_ms=settings.frame_shift_ms)
    say(f"{settings.out}: {count} utterances")


def _check_settings(settings: Settings) -> None:
    """Raise InputError on settings that contradict each other."""
    if (settings.text is None) != (settings.lang is None):
        raise InputError("words require both --text and --lang")
    if settings.level == "words" and settings.text is None:
        raise InputError("--level words requires --text and --lang")
    if settings.text is not None and settings.format == "ctm" and settings.level == "phones":
        raise InputError("--text is for --level words or --format textgrid")
    if settings.format == "ctm" and settings.out.is_dir():
        raise InputError("is a folder; --format ctm writes one file", file=settings.out)
    if settings.format == "textgrid" and settings.out.is_file():
        raise InputError("is a file; --format textgrid writes a folder", file=settings.out)


def _names(settings: Settings, model: TransitionModel) -> dict[int, str]:
    """Return {phone-id: name}; ids are their own names if no names are needed and there is no phones.txt."""
    path = settings.ali_dir / "phones.txt"
    if not settings.symbols and settings.text is None and not path.is_file():
        return {number: str(number) for number in model.topology.phones}
    names = {number: name for name, number in read_symbols(path).items()}
    if lacking := [number for number in model.topology.phones if number not in names]:
        raise InputError(f"has no phone {lacking[0]}, which final.mdl has", file=path)
    return names


def _phones(settings: Settings, model: TransitionModel, names: dict[int, str]) -> Iterator[LabelledFrames]:
    """Yield the utterances that consist of whole phones.

    Raises InputError at the end, while the output is being written, if more than --max-missing do not.
    """
    faults: dict[str, str] = {}
    total, paths = 0, PathCheck(model)
    for utterance, tids in read_alignments(settings.ali_dir, model):
        total += 1
        try:
            paths.check(tids)
        except InputError as error:
            faults[utterance] = error.message
            continue
        yield utterance, [(names[number], first, frames) for number, first, frames in to_phones(tids, model)]
    _bound(faults, total, settings.max_missing, "do not consist of whole phones and are left out", settings.ali_dir)


def _bound(faults: dict[str, str], total: int, max_missing: float, what: str, file: Path | None = None) -> None:
    """Warn of the utterances in `faults`. Raises InputError if they are a larger share than `max_missing`."""
    if not faults:
        return
    some = "; ".join(f"{key}: {reason}" for key, reason in list(faults.items())[:SHOWN])
    message = f"{len(faults)} of {total} utterances {what}: {some}"
    if len(faults) > max_missing * total:
        raise InputError(f"{message}; that is more than --max-missing {max_missing:g}", file=file)
    warn(message if file is None else f"{file}: {message}")


def _renamed(phones: Labels, ids: dict[str, str]) -> Labels:
    return [(ids.get(name, name), first, frames) for name, first, frames in phones]


# ---------------------------------------------------------------- words


@dataclass
class WordFinder:
    """Finds the words of transcripts in rows of phones.

    missed: {utterance: reason why its words were not found}; found: number of utterances whose words were found.
    """

    texts: dict[str, str]
    units: WordUnits
    lexicon: dict[str, list[tuple[str, ...]]]
    silence: frozenset[str]
    missed: dict[str, str] = field(default_factory=dict)
    found: int = 0

    @classmethod
    def read(cls, text: Path, lang: Path) -> WordFinder:
        """Read a Kaldi text file and a lang directory. Raises InputError."""
        symbols = read_symbols(lang / "words.txt")
        lexicon = by_word(with_specials(read_lexicon(lang / "lexicon.txt")))
        units = units_of(lang, symbols, oov_of(lang, symbols))
        return cls(read_table(text, allow_empty=True), units, lexicon, silences_between_words(lang))

    def find(self, utterance: str, phones: Labels) -> Labels | None:
        """Return (word, first frame, frames) of each word; None, and a reason in `missed`, if they do not fit."""
        if utterance not in self.texts:
            self.missed[utterance] = "no transcript"
            return None
        words = self.units.tokenise(self.texts[utterance])
        oov = self.lexicon.get(self.units.oov, [None])[0]
        matches = match_words([name for name, _, _ in phones], words, self.lexicon, self.silence, oov)
        if matches is None:
            self.missed[utterance] = f"the phones do not spell '{' '.join(words)[:60]}'"
            return None
        self.found += 1
        result = []
        for word, _, first, count in matches:
            start, end = phones[first][1], sum(phones[first + count - 1][1:])
            result.append((word, start, end - start))
        return result

    def bound(self, max_missing: float) -> None:
        """Warn of utterances without words. Raises InputError if they are a larger share than `max_missing`."""
        _bound(self.missed, self.found + len(self.missed), max_missing, "have no words")


def _words(utterances: Iterable[LabelledFrames], finder: WordFinder, max_missing: float) -> Iterator[LabelledFrames]:
    """Yield the utterances in words. Raises InputError at the end, while the output is being written."""
    for utterance, phones in utterances:
        words = finder.find(utterance, phones)
        if words is not None:
            yield utterance, words
    finder.bound(max_missing)


# ---------------------------------------------------------------- TextGrids


def _write_textgrids(
    settings: Settings, utterances: Iterable[LabelledFrames], ids: dict[str, str], finder: WordFinder | None
) -> int:
    count = 0
    for utterance, phones in utterances:
        if "/" in utterance or utterance.startswith("."):
            raise InputError("cannot be the name of a file", file=settings.ali_dir, key=utterance)
        tiers = {"phones": _timed(_renamed(phones, ids), settings.frame_shift_ms)}
        words = finder.find(utterance, phones) if finder is not None else None
        if words is not None:
            tiers["words"] = _timed(words, settings.frame_shift_ms)
        end_s = tiers["phones"][-1].end_s if phones else 0.0
        write_textgrid(settings.out / f"{utterance}{SUFFIX}", tiers, end_s)
        count += 1
    if finder is not None:
        finder.bound(settings.max_missing)
    return count


def _timed(labels: Labels, frame_shift_ms: float) -> list[Interval]:
    return [
        Interval(label, first * frame_shift_ms / 1000, (first + frames) * frame_shift_ms / 1000)
        for label, first, frames in labels
    ]
