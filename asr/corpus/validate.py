"""Find and name all faults of a data directory.

Reads a Kaldi data directory (wav.scp text utt2spk spk2utt [segments]) and opens every sound: its header and last
sample, or with --deep all of it. Writes only --report, one line for each problem. Prints the number of problems of
each kind, and exits with status 2 if there is a fault. `python -m asr repair` corrects what can be corrected.

    python -m asr validate --data data/train --rate-hz 16000 --report problems.txt
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import DataDir
from asr.corpus.problems import Problem, counts, faults
from asr.corpus.soundcheck import SoundChecks, check_sounds
from asr.files import atomic
from asr.settings import option


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """The settings that `validate` and `repair` share."""

    data: Path = option(help="data directory to read")
    rate_hz: int = option(16000, help="sample rate that every sound must have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are converted on reading")
    encoding: str = option("utf-8", help="of the transcripts, e.g. gb18030")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")
    deep: bool = option(False, help="decode every sound to its end")
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


@dataclass(frozen=True, kw_only=True)
class Settings(CheckSettings):
    report: Path | None = option(
        None,
        help="file to list every problem in",
        writes="file",
        makes=("*.txt", "*.tsv", "*.log", "*report*", "*problem*"),
    )


def run(settings: Settings) -> None:
    """Print and report all problems. Raises InputError for the first fault."""
    checks = SoundChecks.of(settings)
    data, problems = find_problems(settings.data, checks, encoding=settings.encoding)
    if settings.report is not None:
        with atomic(settings.report) as handle:
            for problem in problems:
                grade = "warning" if problem.mend == "warn" else "fault"
                handle.write(f"{grade}\t{problem.kind}\t{problem.error()}\n")
    conclude(settings.data, data, problems)


def find_problems(
    path: Path,
    checks: SoundChecks,
    *,
    encoding: str = "utf-8",
    sounds: bool = True,
    durations: dict[str, float] | None = None,
) -> tuple[DataDir, list[Problem]]:
    """Return the tables of a directory and their problems, then those of the sounds.

    sounds: open them. They are not opened if a problem of the tables has the mend `stop`. durations: receives the
    seconds of every utterance whose sound is opened.
    """
    data, problems = DataDir.survey(path, encoding=encoding, allow_pipes=checks.allow_pipes)
    if sounds and not any(problem.mend == "stop" for problem in problems):
        problems += check_sounds(path, data, checks, durations)
    return data, problems


def conclude(path: Path, data: DataDir, problems: list[Problem]) -> None:
    """Print the number of problems of each kind. Raises InputError for the first fault."""
    for kind, number in counts(problems):
        grade = "warning, " if all(problem.mend == "warn" for problem in problems if problem.kind == kind) else ""
        say(f"{path}: {grade}{kind}: {number}")
    found = faults(problems)
    if not found:
        say(f"{path}: {data.size}, nothing wrong")
        return
    first = next((problem for problem in found if problem.mend == "stop"), found[0])
    mendable = "; python -m asr repair mends this" if first.mend == "rewrite" else ""
    others = f" ({len(found)} faults in all)" if len(found) > 1 else ""
    raise first.error(mendable + others)
