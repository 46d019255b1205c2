"""Character and word error rates of one decoded set, with the alignments that they are counted on.

Reads   the reference transcripts (Kaldi text), the hypotheses (hyp.txt, one line an utterance), decode.json
        beside hyp.txt, which must record that decoding finished, and utt2spk (by default the one beside --ref)
Writes  cer wer (Kaldi's lines), per_utt per_spk ops (Kaldi's layouts, in characters), aligned.txt for
        reading, scores.json with every number, for `report`

    python -m asr score --ref exp/mini/data/test/text --hyp exp/mini/dnn/decode_test/hyp.txt \\
        --out exp/mini/dnn/decode_test

The last lines are `test %CER 12.34 [ e / n, i ins, d del, s sub ]` and `test %WER ...`. Both sides are normalised by
asr.corpus.transcript.normalise first. The error rate is the sum of the errors over the sum of the reference lengths.
An utterance without a hypothesis counts as deletions. Warnings name these utterances, and those with letters that do
not count, of scripts other than Han and Latin.

Exit status 1, after a warning: no reference holds speech (a set of noise alone), so that there are insertions but no
rate. Exit status 2: the references hold text, but no unit that counts.

CER: a Han character is one unit, and so is a Latin word or a number; with `--latin letter` every Latin letter and
digit is one. WER: Mandarin is written without spaces, so that only some texts mark words. If most references and most
hypotheses hold spaces between words, WER counts these words. Otherwise it counts Han characters and Latin words, and
differs from CER only with `--latin letter`. `--words text` and `--words character` override this choice.

The errors are also counted by sound: how many syllables are wrong, with and without their tone, and how many wrong
characters are homophones, or differ in the tone, the initial or the final alone (asr/scoring/sounds.py, by pinyin).

Intervals are 95 % bootstrap intervals with a fixed seed: over speakers if utt2spk names at least ten, as those of
`asr compare`, else over utterances. The lines say how many speakers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.console import say, warn
from asr.corpus.spoken.numerals import YAO
from asr.corpus.survey import foreign_letters
from asr.corpus.transcript import HAN, characters, normaliser
from asr.errors import InputError, named_first
from asr.files import read_json
from asr.scoring.counts import Counts
from asr.scoring.results import FILES, result_lines, score_texts, sound_errors, write_results
from asr.scoring.sounds import sound_lines
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import read_table
from asr.tables.lookalike import LookAlikes

ONE_HAN = re.compile(f"[{HAN}]")
HAN_GAP_HAN = re.compile(f"[{HAN}] [{HAN}]")
HAN_PAIR = re.compile(f"[{HAN}][{HAN}]")
#: the lines of a result, its warnings, and the number of reference units
Said = tuple[list[str], list[str], int]

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 3


@dataclass(frozen=True)
class Settings:
    ref: Path = option(help="reference transcripts: Kaldi text")
    hyp: Path = option(help="hypotheses: Kaldi text, a key alone for an empty one")
    out: Path = option(help="folder for the results", writes="folder", makes=FILES)
    utt2spk: Path | None = option(None, help="utterance to speaker; none: utt2spk beside --ref, if there is one")
    set_name: str | None = option(None, help="name in the lines; none: from --out, decode_NAME")
    latin: str = option("word", help="what counts as one unit in CER", choices=("word", "letter"))
    words: str = option("auto", help="what counts as one unit in WER", choices=("auto", "text", "character"))
    spoken: bool = option(True, help="write digits, dates and units as spoken, on both sides, before counting")
    yao: str = option("telephone", help="which numbers read digit by digit say 1 as 幺, as prepare.yao", choices=YAO)
    spoken_table: Path | None = option(None, help="your own `written<TAB>spoken` pairs, as prepare.spoken-table")
    allow_incomplete: bool = option(False, help="score although decoding did not finish")
    seed: int = option(1, help="seed of the bootstrap", least=0)


def run(settings: Settings) -> int:
    """Score one set and return the exit status, 1 if there is no rate.

    Raises InputError if decoding did not finish, the two sides are of different sets, or nothing can be counted.
    """
    _check_complete(settings)
    beside = settings.ref.parent / "utt2spk"
    utt2spk = settings.utt2spk or (beside if beside.exists() else None)
    optional = (settings.hyp if settings.hyp.exists() else None, utt2spk, settings.spoken_table)
    inputs = [settings.ref, *(path for path in optional if path)]
    name = settings.set_name or settings.out.resolve().name.removeprefix("decode_")
    if not name.isprintable():
        raise InputError(f"--set-name {name!r}: holds characters that cannot be printed")
    stamp = Stamp(settings.out / ".done.score.json", "score", settings, inputs, revision=REVISION)
    earlier = _earlier(settings.out / "scores.json")  # run.sh ends with these lines even if every stage is up to date
    if earlier is not None and stamp.fresh():
        return _say(*earlier)
    said, paths = _score(settings, name, utt2spk)
    stamp.record(paths)
    return _say(*said)


def _score(settings: Settings, name: str, utt2spk: Path | None) -> tuple[Said, list[Path]]:
    """Score one set; return what the user sees, and the paths of the files written."""
    references, hypotheses, missing, ignored = _read(settings)
    speakers = _speakers(utt2spk, references)
    seed, known = settings.seed, speakers if utt2spk else None
    by_character = score_texts(references, hypotheses, _character_units(settings.latin), seed, known)
    spaced = uses_words(settings.words, references.values(), hypotheses.values())
    by_word = score_texts(references, hypotheses, str.split if spaced else _character_units("word"), seed, known)
    word_unit = "words of the text" if spaced else "Han characters and Latin words"
    sounds = sound_errors(by_character).record()
    lines = sound_lines(name, sounds)
    lines += result_lines(name, by_character, by_word, word_unit, len(set(speakers.values())) if utt2spk else 0)
    warnings = [f"{name}: {warning}" for warning in _warnings(missing, ignored, by_character.total)]
    head = {
        "set": name,
        "reference": str(settings.ref),
        "latin": settings.latin,
        "spoken": settings.spoken,
        "word_unit": word_unit,
        "lines": lines,
        "warnings": warnings,
        "sounds": sounds,
    }
    paths = write_results(settings.out, head, by_character, by_word, speakers, missing)
    return (lines, warnings, by_character.total.length), paths


def uses_words(choice: str, references: Iterable[str], hypotheses: Iterable[str]) -> bool:
    """Return whether WER counts the words that spaces mark, not Han characters and Latin words."""
    if choice != "auto":
        return choice == "text"
    return _segmented(references) and _segmented(hypotheses)


def _segmented(texts: Iterable[str]) -> bool:
    """Return whether spaces mark words: most texts hold a space between Han characters, and a word of several."""
    marked = [
        bool(HAN_GAP_HAN.search(text) and HAN_PAIR.search(text))
        for text in texts
        if len(ONE_HAN.findall(text)) >= 5  # a shorter text may be a single word
    ]
    return sum(marked) * 2 > len(marked)


def _character_units(latin: str) -> Callable[[str], list[str]]:
    return functools.partial(characters, latin=latin)


# ---------------------------------------------------------------- reading


def _check_complete(settings: Settings) -> None:
    """Raise InputError if decoding did not finish: its error rate would not be of the whole set."""
    if settings.allow_incomplete:
        return
    path, problem = settings.hyp.parent / "decode.json", ""
    try:
        if read_json(path).get("complete") is not True:
            problem = 'does not say "complete": true'
        elif not settings.hyp.exists():
            path, problem = settings.hyp, "no such file"
    except InputError as error:
        problem = error.message
    if problem:
        advice = "decode again, or pass --allow-incomplete to count what is missing as deletions"
        raise InputError(f"{problem}, so decoding did not finish; {advice}", file=path)


def _read(settings: Settings) -> tuple[dict[str, str], dict[str, str], list[str], dict[str, list[str]]]:
    """Return the normalised references and hypotheses by utterance in C order, and the utterances to warn of.

    The latter are the utterances without a hypothesis, and {side: utterances with letters that do not count}.
    """
    raw_references = read_table(settings.ref, allow_empty=True)
    if not raw_references:
        raise InputError("holds no utterance", file=settings.ref)
    raw_hypotheses = read_table(settings.hyp, allow_empty=True) if settings.hyp.exists() else {}
    _check_keys(settings, raw_references, raw_hypotheses)
    order = sorted(raw_references, key=str.encode)
    written = normaliser(spoken=settings.spoken, yao=settings.yao, table=settings.spoken_table)
    references = {key: written(raw_references[key]) for key in order}
    hypotheses = {key: written(raw_hypotheses[key]) for key in order if key in raw_hypotheses}
    ignored = {
        "reference": [key for key in order if foreign_letters(raw_references[key])],
        "hypothesis": [key for key in hypotheses if foreign_letters(raw_hypotheses[key])],
    }
    if ignored["reference"] and not any(map(characters, references.values())):
        key = ignored["reference"][0]
        raise InputError(
            f"'{raw_references[key]}' holds no Han character, Latin letter or digit, nor does any other line: "
            "nothing can be counted",
            file=settings.ref,
            line=list(raw_references).index(key) + 1,
            key=key,
        )
    return references, hypotheses, [key for key in order if key not in hypotheses], ignored


def _check_keys(settings: Settings, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> None:
    """Raise InputError if a hypothesis has no reference."""
    strangers = [(line, key) for line, key in enumerate(hypotheses, 1) if key not in references]
    if strangers:
        line, key = strangers[0]
        share = f"{len(strangers)} of {len(hypotheses)} hypotheses are not"
        hint = LookAlikes(references).hint(key) or "; these hypotheses are of another set"
        raise InputError(
            f"this utterance is not in {settings.ref} ({share}){hint}", file=settings.hyp, line=line, key=key
        )


def _speakers(path: Path | None, keys: Iterable[str]) -> dict[str, str]:
    """Return {utterance: speaker}; without utt2spk every utterance is its own speaker, as in Kaldi."""
    if path is None:
        return {key: key for key in keys}
    table = read_table(path)
    for key in keys:
        if key not in table:
            raise InputError("this utterance of the reference has no speaker", file=path, key=key)
    return {key: table[key] for key in keys}


# ---------------------------------------------------------------- output


def _warnings(missing: Sequence[str], ignored: Mapping[str, Sequence[str]], counted: Counts) -> Iterator[str]:
    """Yield warnings, each with its number and its first utterances."""
    if missing:
        yield f"without a hypothesis, counted as deletions: {len(missing)} ({named_first(missing)})"
    for side, keys in ignored.items():
        if keys:
            yield f"letters of other scripts do not count: in {len(keys)} of the {side} lines ({named_first(keys)})"
    if not counted.length:
        yield f"no reference holds a unit that counts, so there is no error rate; insertions: {counted.insertions}"


def _say(lines: Sequence[str], warnings: Sequence[str], length: int) -> int:
    """Print the result. Return the exit status: 1 if the reference has no unit."""
    for warning in warnings:
        warn(warning)
    for line in lines:
        say(line)
    return 0 if length else 1


def _earlier(path: Path) -> Said | None:
    """Return the lines, warnings and length of an earlier run; None if scores.json is absent, damaged or older."""
    try:
        record = read_json(path)
        return [*record["lines"]], [*record["warnings"]], int(record["cer"]["length"])
    except (InputError, ValueError, KeyError, TypeError):
        return None
