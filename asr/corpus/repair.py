"""Mend what can be mended in a data directory; name everything that has to be dropped.

Reads a Kaldi data directory and writes another one, sorted and with absolute paths: without byte-order marks, CRLF,
full-width letters, invisible characters and empty or repeated lines, in UTF-8, and with an spk2utt that
fits utt2spk. What cannot be mended is dropped and named: utterances without a transcript or a sound that can be
read, keys that occur twice with different values or not in every file. OUT/left_out.tsv lists them. Past
--max-missing nothing is written.

    python -m asr repair --data data/train --out data/train_repaired
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.console import log_only, say
from asr.corpus.datadir import FILES, DataDir, refuse_same
from asr.corpus.left_out import write_left_out
from asr.corpus.problems import Problem, by_kind, counts, named_first
from asr.corpus.validate import find_problems
from asr.settings import option

#: dropped utterances that are named on the screen; the log names all
MOST_SAID = 20


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    max_missing: float = option(0.05, help="largest part of the utterances that may be dropped", least=0, most=1)
    rate_hz: int = option(16000, help="sample rate that every sound has to have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are then converted on reading")
    encoding: str = option("utf-8", help="of the transcripts, e.g. gb18030")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")
    deep: bool = option(False, help="decode every sound to its end")
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Write `out`, or raise InputError and write nothing."""
    refuse_same(settings.out, settings.data)
    lost: list[Problem] = []
    mended = mend(
        settings.data,
        max_missing=settings.max_missing,
        lost=lost,
        rate_hz=settings.rate_hz,
        resample=settings.resample,
        encoding=settings.encoding,
        allow_pipes=settings.allow_pipes,
        deep=settings.deep,
        nj=settings.nj,
    )
    mended.write(settings.out)
    write_left_out(settings.out, lost)
    say(f"{settings.out}: {len(mended.utt2spk)} utterances")


def mend(path: Path, *, max_missing: float = 0.05, lost: list[Problem] | None = None, **options) -> DataDir:
    """The mended directory `path`; `options` are those of `validate.find_problems`. Each thing dropped is said.

    `lost` gets the problems whose utterances go.

    Raises InputError where only the user can help, or where more than `max_missing` of the utterances would go.
    """
    data, problems = find_problems(path, **options)
    return settle(path, data, problems, max_missing=max_missing, lost=lost)


def settle(
    path: Path, data: DataDir, problems: list[Problem], *, max_missing: float, lost: list[Problem] | None = None
) -> DataDir:
    """`data` (read from `path`) without the utterances that have a problem. What goes is said: all of it in the log.

    `lost` gets the problems whose utterances go. Raises InputError where only the user can help, or where more than
    `max_missing` of the utterances would go, after saying how many of each kind.
    """
    for problem in problems:
        if problem.mend == "stop":
            raise problem.error()
    dropping = [problem for problem in problems if problem.mend == "drop"]
    gone = {problem.key for problem in dropping}
    kept = data.restricted(key for key in data.utt2spk if key not in gone)
    dropped = _utterances(dropping, kept)
    for grade, mend_of in (("warning", "warn"), ("mended", "rewrite")):
        for kind, number in counts(problem for problem in problems if problem.mend == mend_of):
            say(f"{path}: {grade}, {kind}: {number}")
    total = len(kept.utt2spk) + dropped
    if dropped > max_missing * total or not kept.utt2spk:
        for kind, some in by_kind(dropping).items():
            say(f"{path}: {kind}: {len(some)}: {named_first(problem.key for problem in some)}")
        share = 100 * dropped / max(total, 1)
        raise dropping[0].error(
            f" ({dropped} of {total} utterances, {share:.1f} %, would go: more than --max-missing)"
        )
    for problem in dropping[:MOST_SAID]:
        say(f"dropped: {problem.error()}")
    for problem in dropping[MOST_SAID:]:
        log_only(f"dropped: {problem.error()}")
    if len(dropping) > MOST_SAID:
        more = ", ".join(f"{kind}: {number}" for kind, number in counts(dropping[MOST_SAID:]))
        say(f"{path}: dropped {len(dropping) - MOST_SAID} more, which the log names: {more}")
    if lost is not None:
        lost += dropping
    return kept


def _utterances(dropping: list[Problem], kept: DataDir) -> int:
    """Return how many utterances go. A row of a table that names none counts by itself, whatever it is called."""
    rows = {(str(problem.file), problem.line) for problem in dropping if problem.of_row}
    keys = {problem.key for problem in dropping if problem.key and not problem.of_row}
    return len(rows) + len(keys - kept.utt2spk.keys())
