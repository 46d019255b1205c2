"""Find and name everything that is wrong with a data directory.

Reads a Kaldi data directory (wav.scp text utt2spk spk2utt [segments]) and opens every sound: its header and last
sample, or with --deep all of it. Writes nothing but --report, a line for every problem. Says how many problems of
each kind there are; the first fault ends it with exit status 2. `python -m asr repair` mends what can be mended.

    python -m asr validate --data data/train --rate-hz 16000 --report problems.txt
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import DataDir
from asr.corpus.problems import Problem, counts, faults
from asr.corpus.soundcheck import check_sounds
from asr.corpus.survey import survey
from asr.files import atomic
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory")
    rate_hz: int = option(16000, help="sample rate that every sound has to have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are then converted on reading")
    encoding: str = option("utf-8", help="of the transcripts, e.g. gb18030")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")
    deep: bool = option(False, help="decode every sound to its end")
    report: Path | None = option(
        None,
        help="file to list every problem in",
        writes="file",
        makes=("*.txt", "*.tsv", "*.log", "*report*", "*problem*"),
    )
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Raise InputError for the first fault, after counting all of them."""
    data, problems = find_problems(
        settings.data,
        rate_hz=settings.rate_hz,
        resample=settings.resample,
        encoding=settings.encoding,
        allow_pipes=settings.allow_pipes,
        deep=settings.deep,
        nj=settings.nj,
    )
    if settings.report is not None:
        with atomic(settings.report) as handle:
            for problem in problems:
                grade = "warning" if problem.mend == "warn" else "fault"
                handle.write(f"{grade}\t{problem.kind}\t{problem.error()}\n")
    conclude(settings.data, data, problems)


def find_problems(
    path: Path,
    *,
    rate_hz: int | None = 16000,
    resample: bool = False,
    encoding: str = "utf-8",
    allow_pipes: bool = False,
    deep: bool = False,
    sounds: bool = True,
    nj: int = 0,
    durations: dict[str, float] | None = None,
) -> tuple[DataDir, list[Problem]]:
    """Return the tables' problems, then the sounds'. Sounds are left alone where the tables already say stop.

    `durations` gets the seconds of every utterance whose sound is opened.
    """
    data, problems = survey(path, encoding=encoding, allow_pipes=allow_pipes)
    if sounds and not any(problem.mend == "stop" for problem in problems):
        problems += check_sounds(
            path,
            data,
            rate_hz=rate_hz,
            resample=resample,
            allow_pipes=allow_pipes,
            deep=deep,
            nj=nj,
            durations=durations,
        )
    return data, problems


def conclude(path: Path, data: DataDir, problems: list[Problem]) -> None:
    """Say how many problems of each kind there are; InputError for the first fault."""
    for kind, number in counts(problems):
        grade = "warning, " if all(problem.mend == "warn" for problem in problems if problem.kind == kind) else ""
        say(f"{path}: {grade}{kind}: {number}")
    found = faults(problems)
    if not found:
        say(f"{path}: {len(data.utt2spk)} utterances of {len(data.spk2utt)} speakers, nothing wrong")
        return
    first = next((problem for problem in found if problem.mend == "stop"), found[0])
    mendable = "; python -m asr repair mends this" if first.mend == "rewrite" else ""
    others = f" ({len(found)} faults in all)" if len(found) > 1 else ""
    raise first.error(mendable + others)
