"""Correct what can be corrected in a data directory, and name everything that has to be dropped.

Reads a Kaldi data directory and writes another one, sorted and with absolute paths. The new one has no byte-order
marks, CRLF, full-width letters, invisible characters and empty or repeated lines; it is in UTF-8, and its spk2utt
agrees with utt2spk. Utterances are dropped if they have no transcript, no readable sound, a key that occurs twice
with different values, or a key that is not in every file. OUT/left_out.tsv lists them. Writes nothing if more than
--max-missing are dropped.

    python -m asr repair --data data/train --out data/train_repaired
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.console import log_only, say
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.prepared import write_left_out
from asr.corpus.problems import Problem, by_kind, counts
from asr.corpus.soundcheck import SoundChecks
from asr.corpus.validate import CheckSettings, find_problems
from asr.errors import named_first
from asr.settings import option

MOST_SAID = 20  # dropped utterances that are named on the screen; the log names all


@dataclass(frozen=True, kw_only=True)
class Settings(CheckSettings):
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    max_missing: float = option(0.05, help="largest share of the utterances that may be dropped", least=0, most=1)


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError as `settle` does, and writes nothing then."""
    lost: list[Problem] = []
    data, problems = find_problems(settings.data, SoundChecks.of(settings), encoding=settings.encoding)
    mended = settle(settings.data, data, problems, max_missing=settings.max_missing, lost=lost)
    mended.write(settings.out)
    write_left_out(settings.out, lost)
    say(f"{settings.out}: {len(mended.utt2spk)} utterances")


def settle(
    path: Path, data: DataDir, problems: list[Problem], *, max_missing: float, lost: list[Problem] | None = None
) -> DataDir:
    """Return `data` (read from `path`) without the utterances that have a problem.

    Prints what is corrected and dropped; the log names everything dropped. lost: receives the problems whose
    utterances are dropped. Raises InputError if only the user can correct a problem (mend `stop`), or if more than
    the share `max_missing` of the utterances, or all of them, would be dropped.
    """
    for problem in problems:
        if problem.mend == "stop":
            raise problem.error()
    dropping = [problem for problem in problems if problem.mend == "drop"]
    gone = {problem.key for problem in dropping}
    kept = data.restricted(key for key in data.utt2spk if key not in gone)
    dropped = _dropped_utterances(dropping, kept)
    for grade, mend in (("warning", "warn"), ("mended", "rewrite")):
        for kind, number in counts(problem for problem in problems if problem.mend == mend):
            say(f"{path}: {grade}, {kind}: {number}")
    total = len(kept.utt2spk) + dropped
    if dropped > max_missing * total or not kept.utt2spk:
        for kind, some in by_kind(dropping).items():
            say(f"{path}: {kind}: {len(some)}: {named_first(problem.key for problem in some)}")
        share = 100 * dropped / max(total, 1)
        raise dropping[0].error(
            f" ({dropped} of {total} utterances, {share:.1f} %, would be dropped: more than --max-missing)"
        )
    _say_dropped(path, dropping)
    if lost is not None:
        lost += dropping
    return kept


def _say_dropped(path: Path, dropping: list[Problem]) -> None:
    for place, problem in enumerate(dropping):
        (say if place < MOST_SAID else log_only)(f"dropped: {problem.error()}")
    if len(dropping) > MOST_SAID:
        more = ", ".join(f"{kind}: {number}" for kind, number in counts(dropping[MOST_SAID:]))
        say(f"{path}: dropped {len(dropping) - MOST_SAID} more, which the log names: {more}")


def _dropped_utterances(dropping: list[Problem], kept: DataDir) -> int:
    """Return how many utterances are dropped. A row of a table without an utterance counts as one."""
    rows = {(str(problem.file), problem.line) for problem in dropping if problem.of_row}
    keys = {problem.key for problem in dropping if problem.key and not problem.of_row}
    return len(rows) + len(keys - kept.utt2spk.keys())
