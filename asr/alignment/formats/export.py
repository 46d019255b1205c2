"""Write an alignment directory's phones (or words) with their times, for other tools: CTM or Praat TextGrids.

Reads   --ali-dir: final.mdl num_jobs ali.*.gz phones.txt; for words --text (utterance and transcript a line) and
        --lang: words.txt lexicon.txt [oov.txt phones/optional_silence.txt]
Writes  --out: with --format ctm the file (`utterance 1 start duration phone`, gzip by .gz), the same as Kaldi's
        ali-to-phones --ctm-output with --symbols false; with --format textgrid a folder of <utterance>.TextGrid with
        the tier phones and, given --text, the tier words

    python -m asr export --ali-dir exp/ali --format textgrid --text data/train/text --lang exp/lang --out exp/grids

Words are found by their pronunciations: the phones of an utterance must be those of its words in turn, with silence
between. Where they are not, the utterance is named and has no words; more than --max-missing of these stop the verb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.alignment.formats.ctm import write_ctm
from asr.alignment.formats.intervals import Interval
from asr.alignment.formats.textgrid import SUFFIX, write_textgrid
from asr.alignment.words import match_words
from asr.console import say, warn
from asr.errors import InputError
from asr.kaldi.alignments import check_path, read_alignments, to_phones
from asr.kaldi.transition_model import TransitionModel, read_transition_model
from asr.lang.given import oov_of
from asr.lang.lexicon import by_word, read_lexicon, with_specials
from asr.lang.pieces import units_of
from asr.lang.positions import mark_of, plain
from asr.lang.pronunciation import SILENCE
from asr.lang.units import WordUnits
from asr.settings import option
from asr.tables import read_lines, read_symbols, read_table

Labels = list[tuple[str, int, int]]  # label, first frame, frames
Utterance = tuple[str, Labels]
NAMED = 3


@dataclass(frozen=True)
class Settings:
    ali_dir: Path = option(help="alignment directory: final.mdl num_jobs ali.*.gz phones.txt")
    out: Path = option(
        help="CTM file, or folder of TextGrids, to write", writes="path", makes=("*.ctm*", "*.TextGrid")
    )
    format: str = option("ctm", help="what to write", choices=("ctm", "textgrid"))
    level: str = option("phones", help="what a line of the CTM is", choices=("phones", "words"))
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
    elif settings.level == "words" and finder is not None:
        rows = _words(utterances, finder, settings.max_missing)
        count = write_ctm(settings.out, rows, frame_shift_ms=settings.frame_shift_ms)
    else:
        rows = ((key, _renamed(phones, ids)) for key, phones in utterances)
        count = write_ctm(settings.out, rows, frame_shift_ms=settings.frame_shift_ms)
    say(f"{settings.out}: {count} utterances")


def _check_settings(settings: Settings) -> None:
    if (settings.text is None) != (settings.lang is None):
        raise InputError("words take both, --text and --lang")
    if settings.level == "words" and settings.text is None:
        raise InputError("--level words: give --text and --lang as well")
    if settings.text is not None and settings.format == "ctm" and settings.level == "phones":
        raise InputError("--text is for --level words or --format textgrid")
    if settings.format == "ctm" and settings.out.is_dir():
        raise InputError("is a folder; --format ctm writes one file", file=settings.out)
    if settings.format == "textgrid" and settings.out.is_file():
        raise InputError("is a file; --format textgrid writes a folder", file=settings.out)


def _names(settings: Settings, model: TransitionModel) -> dict[int, str]:
    """{phone-id: name}; ids are their own names where no name is asked for and there is no phones.txt."""
    path = settings.ali_dir / "phones.txt"
    if not settings.symbols and settings.text is None and not path.is_file():
        return {number: str(number) for number in model.topology.phones}
    names = {number: name for name, number in read_symbols(path).items()}
    if lacking := [number for number in model.topology.phones if number not in names]:
        raise InputError(f"has no phone {lacking[0]}, which final.mdl has", file=path)
    return names


def _phones(settings: Settings, model: TransitionModel, names: dict[int, str]) -> Iterator[Utterance]:
    """Yield the utterances that are rows of whole phones; names the others.

    Raises InputError at the end, inside the writing, where these are more than --max-missing.
    """
    faults: dict[str, str] = {}
    total = 0
    for utterance, tids in read_alignments(settings.ali_dir, model, check=False):
        total += 1
        try:
            check_path(tids, model)
            phones = to_phones(tids, model)
        except InputError as error:
            faults[utterance] = error.message
            continue
        yield utterance, [(names[number], first, frames) for number, first, frames in phones]
    if not faults:
        return
    some = "; ".join(f"{key}: {reason}" for key, reason in list(faults.items())[:NAMED])
    message = f"{len(faults)} of {total} utterances are no rows of whole phones: {some}"
    if len(faults) > settings.max_missing * total:
        raise InputError(
            f"{message}; that is more than --max-missing {settings.max_missing:g}", file=settings.ali_dir
        )
    warn(f"{settings.ali_dir}: {message}; they are left out")


def _renamed(phones: Labels, ids: dict[str, str]) -> Labels:
    return [(ids.get(name, name), first, frames) for name, first, frames in phones]


# ---------------------------------------------------------------- words


@dataclass
class WordFinder:
    """Finds the words of transcripts in rows of phones; `missed`: {utterance: why it has none}, `found`: how many."""

    texts: dict[str, str]
    units: WordUnits
    lexicon: dict[str, list[tuple[str, ...]]]
    silence: frozenset[str]
    missed: dict[str, str]
    found: int = 0

    @classmethod
    def read(cls, text: Path, lang: Path) -> WordFinder:
        """Of a Kaldi text file and a lang directory. Raises InputError."""
        symbols = read_symbols(lang / "words.txt")
        lexicon = by_word(with_specials(read_lexicon(lang / "lexicon.txt")))
        path = lang / "phones" / "optional_silence.txt"
        silence = frozenset(line.strip() for _, line in read_lines(path)) if path.is_file() else frozenset((SILENCE,))
        units = units_of(lang, symbols, oov_of(lang, symbols))
        return cls(read_table(text, allow_empty=True), units, lexicon, silence, {})

    def of(self, utterance: str, phones: Labels) -> Labels | None:
        """(word, first frame, frames) of each; None, noted in `missed`, where the phones do not spell the words."""
        if utterance not in self.texts:
            self.missed[utterance] = "no transcript"
            return None
        names = [name for name, _, _ in phones]
        words = self.units.tokenise(self.texts[utterance])
        found = self._match(names, words)
        if found is None and any(map(mark_of, names)):  # a_B, a_I, a_E, a_S are all a
            found = self._match([plain(name) for name in names], words)
        if found is None:
            self.missed[utterance] = f"the phones do not spell '{' '.join(words)[:60]}'"
            return None
        self.found += 1
        result = []
        for word, _, first, count in found:
            start, end = phones[first][1], sum(phones[first + count - 1][1:])
            result.append((word, start, end - start))
        return result

    def _match(self, names: list[str], words: list[str]) -> list[tuple[str, tuple[str, ...], int, int]] | None:
        oov = self.lexicon.get(self.units.oov, [None])[0]
        return match_words(names, words, self.lexicon, self.silence, oov)

    def require(self, max_missing: float) -> None:
        """Name what was missed; raises InputError where that is more than the share `max_missing`."""
        if not self.missed:
            return
        total = self.found + len(self.missed)
        some = "; ".join(f"{key}: {reason}" for key, reason in list(self.missed.items())[:NAMED])
        message = f"{len(self.missed)} of {total} utterances have no words: {some}"
        if len(self.missed) > max_missing * total:
            raise InputError(f"{message}; that is more than --max-missing {max_missing:g}")
        warn(message)


def _words(utterances: Iterable[Utterance], finder: WordFinder, max_missing: float) -> Iterator[Utterance]:
    """The utterances in words. Raises InputError at the end, inside the writing, so that no file is left behind."""
    for utterance, phones in utterances:
        words = finder.of(utterance, phones)
        if words is not None:
            yield utterance, words
    finder.require(max_missing)


# ---------------------------------------------------------------- TextGrids


def _write_textgrids(
    settings: Settings, utterances: Iterable[Utterance], ids: dict[str, str], finder: WordFinder | None
) -> int:
    count = 0
    for utterance, phones in utterances:
        if "/" in utterance or utterance.startswith("."):
            raise InputError("cannot be the name of a file", file=settings.ali_dir, key=utterance)
        tiers = {"phones": _timed(_renamed(phones, ids), settings.frame_shift_ms)}
        words = finder.of(utterance, phones) if finder is not None else None
        if words is not None:
            tiers["words"] = _timed(words, settings.frame_shift_ms)
        end_s = tiers["phones"][-1].end_s if phones else 0.0
        write_textgrid(settings.out / f"{utterance}{SUFFIX}", tiers, end_s)
        count += 1
    if finder is not None:
        finder.require(settings.max_missing)
    return count


def _timed(labels: Labels, frame_shift_ms: float) -> list[Interval]:
    return [
        Interval(label, first * frame_shift_ms / 1000, (first + frames) * frame_shift_ms / 1000)
        for label, first, frames in labels
    ]
