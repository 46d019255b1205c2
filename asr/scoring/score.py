"""Character and word error rates of one decoded set, with everything needed to see where they come from.

Reads   the reference transcripts (Kaldi text), the hypotheses (hyp.txt, one line an utterance), decode.json
        beside hyp.txt, which must say that decoding finished, and utt2spk (by default the one beside --ref)
Writes  cer wer (Kaldi's lines), per_utt per_spk ops (Kaldi's layouts, in characters), aligned.txt for
        reading, scores.json with every number, for `report`

    python -m asr score --ref exp/mini/data/test/text --hyp exp/mini/dnn/decode_test/hyp.txt \\
        --out exp/mini/dnn/decode_test

Last lines: `test %CER 12.34 [ e / n, i ins, d del, s sub ]` and `test %WER ...`. Both sides go through the one
normalisation, asr.corpus.transcript.normalise, first. The error rate is the sum of the errors over the sum of
the reference lengths. An utterance without a hypothesis counts as deletions, and is named; so are utterances with
letters that do not count, those of scripts other than Han and Latin.

Exit status 1, after a warning: no reference says anything (a set of noise alone), so that there are insertions but
no rate. Exit status 2: the references hold text, but no unit that counts.

Units. CER: a Han character is one unit, and so is a Latin word or a number; with `--latin letter` every Latin
letter and digit is one. WER: Mandarin is written without spaces, so that words exist only where the text brings
them. Where most references and most hypotheses hold spaces between words, these are the words; otherwise the
words are Han characters and Latin words, and the WER differs from the CER by `--latin letter` alone.
`--words text` and `--words character` decide it by hand.

Intervals are 95 % bootstrap intervals over utterances, seeded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.console import say, warn
from asr.corpus.spoken.numerals import YAO
from asr.corpus.survey import foreign_letters
from asr.corpus.transcript import HAN, characters, normaliser
from asr.errors import InputError
from asr.files import read_bytes
from asr.scoring.counts import Counts
from asr.scoring.results import FILES, result_lines, score_texts, write_results
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import read_table
from asr.tables.lookalike import LookAlikes

ONE_HAN = re.compile(f"[{HAN}]")
HAN_GAP_HAN = re.compile(f"[{HAN}] [{HAN}]")
HAN_PAIR = re.compile(f"[{HAN}][{HAN}]")
NAMED_AT_MOST = 5

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    ref: Path = option(help="reference transcripts: Kaldi text")
    hyp: Path = option(help="hypotheses: Kaldi text, a key alone for an empty one")
    out: Path = option(
        help="folder for the results",
        writes="folder",
        makes=FILES,
    )
    utt2spk: Path | None = option(None, help="utterance to speaker; none: utt2spk beside --ref, where there is one")
    set_name: str | None = option(None, help="name in the lines; none: from --out, decode_NAME")
    latin: str = option("word", help="what counts as one unit in CER", choices=("word", "letter"))
    words: str = option("auto", help="what counts as one unit in WER", choices=("auto", "text", "character"))
    spoken: bool = option(True, help="speak digits, dates and units out on both sides before counting")
    yao: str = option("telephone", help="which digit-by-digit numbers say 1 as 幺, as prepare.yao", choices=YAO)
    spoken_table: Path | None = option(None, help="your own `written<TAB>spoken` pairs, as prepare.spoken-table")
    allow_incomplete: bool = option(False, help="score although decoding did not finish")
    seed: int = option(1, help="of the bootstrap", least=0)


def run(settings: Settings) -> int:
    """Score one set and return the exit status, 1 where there is no rate.

    Raises InputError where decoding did not finish, the two sides do not belong together, or nothing can be counted.
    """
    _check_complete(settings)
    beside = settings.ref.parent / "utt2spk"
    utt2spk = settings.utt2spk or (beside if beside.exists() else None)
    inputs = [settings.ref, *([settings.hyp] if settings.hyp.exists() else []), *([utt2spk] if utt2spk else [])]
    inputs += [settings.spoken_table] if settings.spoken_table else []
    name = settings.set_name or settings.out.resolve().name.removeprefix("decode_")
    if not name.isprintable():
        raise InputError(f"--set-name {name!r}: no name for a line")
    stamp = Stamp(settings.out / ".done.score.json", "score", settings, inputs, revision=REVISION)
    earlier = _earlier(settings.out / "scores.json")  # run.sh ends with its lines however much it skipped
    if earlier is not None and stamp.fresh():
        return _say(*earlier)

    references, hypotheses, missing, ignored = _read(settings)
    speakers = _speakers(utt2spk, references)
    by_character = score_texts(references, hypotheses, _character_units(settings.latin), settings.seed)
    spaced = uses_words(settings.words, references.values(), hypotheses.values())
    by_word = score_texts(references, hypotheses, str.split if spaced else _character_units("word"), settings.seed)

    word_unit = "words of the text" if spaced else "Han characters and Latin words"
    lines = result_lines(name, by_character, by_word, word_unit, len(set(speakers.values())) if utt2spk else 0)
    warnings = [f"{name}: {warning}" for warning in _warnings(missing, ignored, by_character.total)]
    head = {
        "set": name,
        "reference": str(settings.ref),
        "latin": settings.latin,
        "spoken": settings.spoken,
        "word_unit": word_unit,
        "lines": lines,
        "warnings": warnings,
    }
    stamp.record(write_results(settings.out, head, by_character, by_word, speakers, missing))
    return _say(lines, warnings, by_character.total.length)


def uses_words(choice: str, references: Iterable[str], hypotheses: Iterable[str]) -> bool:
    """Whether WER counts the words that the spaces mark (True) or Han characters and Latin words (False)."""
    if choice != "auto":
        return choice == "text"
    return _segmented(references) and _segmented(hypotheses)


def _segmented(texts: Iterable[str]) -> bool:
    """Most texts of five Han characters or more hold both a space between Han characters and a word of several."""
    marked = [
        bool(HAN_GAP_HAN.search(text) and HAN_PAIR.search(text))
        for text in texts
        if len(ONE_HAN.findall(text)) >= 5  # shorter ones may well be a single word
    ]
    return sum(marked) * 2 > len(marked)


def _character_units(latin: str) -> Callable[[str], list[str]]:
    return lambda text: characters(text, latin=latin)


# ---------------------------------------------------------------- reading


def _check_complete(settings: Settings) -> None:
    """Refuse the output of a decoding that is unfinished: its error rate would be of something else."""
    if settings.allow_incomplete:
        return
    advice = "decode again, or pass --allow-incomplete to count what is missing as deletions"
    record = settings.hyp.parent / "decode.json"
    if not record.exists():
        raise InputError(f"no such file, so decoding did not finish; {advice}", file=record)
    try:
        content = json.loads(read_bytes(record))
    except ValueError as error:
        raise InputError(f"is not JSON ({error}); {advice}", file=record) from error
    if not isinstance(content, dict) or content.get("complete") is not True:
        raise InputError(f'does not say "complete": true, so decoding did not finish; {advice}', file=record)
    if not settings.hyp.exists():
        raise InputError(f"no such file, so decoding did not finish; {advice}", file=settings.hyp)


def _read(settings: Settings) -> tuple[dict[str, str], dict[str, str], list[str], dict[str, list[str]]]:
    """Return the normalised references and hypotheses by utterance in C order, and the utterances to be named.

    These are the utterances without a hypothesis, and {side: utterances with letters that do not count}.
    """
    raw_references = read_table(settings.ref, allow_empty=True)
    if not raw_references:
        raise InputError("holds no utterance", file=settings.ref)
    raw_hypotheses = read_table(settings.hyp, allow_empty=True) if settings.hyp.exists() else {}
    strangers = [(line, key) for line, key in enumerate(raw_hypotheses, 1) if key not in raw_references]
    if strangers:
        share = f"{len(strangers)} of {len(raw_hypotheses)} hypotheses are not"
        hint = LookAlikes(raw_references).hint(strangers[0][1]) or "; these hypotheses are of another set"
        raise InputError(
            f"this utterance is not in {settings.ref} ({share}){hint}",
            file=settings.hyp,
            line=strangers[0][0],
            key=strangers[0][1],
        )
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


def _speakers(path: Path | None, keys: Iterable[str]) -> dict[str, str]:
    """{utterance: speaker}; without utt2spk every utterance is its own speaker, as Kaldi has it."""
    if path is None:
        return {key: key for key in keys}
    table = read_table(path)
    for key in keys:
        if key not in table:
            raise InputError("this utterance of the reference has no speaker", file=path, key=key)
    return {key: table[key] for key in keys}


# ---------------------------------------------------------------- saying


def _warnings(missing: Sequence[str], ignored: Mapping[str, Sequence[str]], counted: Counts) -> Iterator[str]:
    """Yield what the user has to know beside the rates, each with its number and its first utterances."""
    if missing:
        yield f"without a hypothesis, counted as deletions: {len(missing)} ({_named(missing)})"
    for side, keys in ignored.items():
        if keys:
            yield f"letters of other scripts do not count: in {len(keys)} of the {side} lines ({_named(keys)})"
    if not counted.length:
        yield f"no reference holds a unit that counts, so there is no error rate; insertions: {counted.insertions}"


def _named(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - NAMED_AT_MOST} more" if len(keys) > NAMED_AT_MOST else ""
    return ", ".join(keys[:NAMED_AT_MOST]) + more


def _say(lines: Sequence[str], warnings: Sequence[str], length: int) -> int:
    """Say the result and return the exit status: 1 where the reference has no unit."""
    for warning in warnings:
        warn(warning)
    for line in lines:
        say(line)
    return 0 if length else 1


def _earlier(path: Path) -> tuple[list[str], list[str], int] | None:
    """Return what an earlier scoring said; None where scores.json is absent, damaged or of an old version."""
    try:
        record = json.loads(read_bytes(path))
        return [*record["lines"]], [*record["warnings"]], int(record["cer"]["length"])
    except (InputError, ValueError, KeyError, TypeError):
        return None
