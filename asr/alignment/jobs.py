"""Cut alignments into jobs as Kaldi cuts their data directory, so that ali.N.gz belongs to DATA/splitM/N.

Kaldi's steps read ali.N.gz beside part N of `utils/split_data.sh DATA num_jobs`, which never divides a speaker. The
same rule therefore cuts the archives of this project, over the utt2spk of the training set. The dev set is cut in the
same way into the same archives; Kaldi's steps skip utterances that the training set does not have.

Reads   utt2spk and utt2num_frames of the data directories

    for job in cut(alignments, [Path("exp/data/train"), Path("exp/data/dev")], most=8): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from asr.files import copy_whole
from asr.kaldi.alignments import archive_paths, read_alignments, remove_alignments, write_alignments
from asr.kaldi.transition_model import Ints
from asr.tables import read_table

T = TypeVar("T")
Rows = Mapping[str, Ints]  # {utterance: transition-ids}


def split_by_speaker(utt2spk: Mapping[str, str], jobs: int) -> list[list[str]] | None:
    """Return the utterances of each job, as Kaldi's utils/split_scp.pl --utt2spk has them.

    The speakers, in the order of their first utterance, are divided into jobs of about as many speakers. Then a job's
    last speaker moves to the next job, or its first to the previous one, as long as that makes the two more equal.
    Returns None if Kaldi refuses: fewer speakers than jobs, or a job without a speaker.
    """
    speakers: dict[str, list[str]] = {}
    for utterance, speaker in utt2spk.items():
        speakers.setdefault(speaker, []).append(utterance)
    if not 1 <= jobs <= len(speakers):
        return None
    parts: list[list[str]] = [[] for _ in range(jobs)]
    for number, speaker in enumerate(speakers):
        parts[number * jobs // len(speakers)].append(speaker)
    _balance(parts, {speaker: len(utterances) for speaker, utterances in speakers.items()})
    if not all(parts):
        return None
    return [[utterance for speaker in part for utterance in speakers[speaker]] for part in parts]


def _balance(parts: list[list[str]], size: Mapping[str, int]) -> None:
    """Move speakers between neighbouring parts as long as that makes the two more equal."""
    counts = [sum(size[speaker] for speaker in part) for part in parts]

    def nearer(one: int, other: int, moved: int) -> bool:
        """Return whether moving `moved` utterances from `one` to `other` makes them more equal."""
        difference = counts[other] - counts[one]
        return abs(difference + 2 * moved) < abs(difference)

    changed = True
    while changed:
        changed = False
        for place, part in enumerate(parts):
            if part and place + 1 < len(parts) and nearer(place, place + 1, moved := size[part[-1]]):
                parts[place + 1].insert(0, part.pop())
                counts[place] -= moved
                counts[place + 1] += moved
                changed = True
            if part and place > 0 and nearer(place, place - 1, moved := size[part[0]]):
                parts[place - 1].append(part.pop(0))
                counts[place] -= moved
                counts[place - 1] += moved
                changed = True


def job_of(folders: Sequence[Path], most: int) -> tuple[dict[str, int], int]:
    """Return ({utterance: its job, from 0}, the number of jobs) for data directories, the training set first.

    There are `most` jobs, or as many as Kaldi can cut the training set into by speaker. A later set with too few
    speakers is cut into fewer. Without utt2spk each utterance of utt2num_frames is its own speaker.
    """
    place: dict[str, int] = {}
    number = 0
    for folder in folders:
        utt2spk = _utt2spk(folder)
        highest = min(number or most, len(set(utt2spk.values())))
        tried = (split_by_speaker(utt2spk, jobs) for jobs in range(highest, 0, -1))
        parts: list[list[str]] = next((parts for parts in tried if parts), [[]])
        number = number or len(parts)
        place |= {utterance: job for job, part in enumerate(parts) for utterance in part}
    return place, number


def _utt2spk(folder: Path) -> dict[str, str]:
    """Read utt2spk in C order, as Kaldi has it, without the utterances that have no features.

    utils/fix_data_dir.sh and `asr kaldi-out` remove those before Kaldi cuts the directory.
    """
    table = {utterance: utterance for utterance in read_table(folder / "utt2num_frames")}
    if (folder / "utt2spk").is_file():
        table = {key: speaker for key, speaker in read_table(folder / "utt2spk").items() if key in table}
    return dict(sorted(table.items(), key=lambda item: item[0].encode()))


def cut(parts: Iterable[Rows], folders: Sequence[Path], most: int) -> list[dict[str, Ints]]:
    """Return the alignments in `parts` job by job, without utterances that are in none of `folders`."""
    place, number = job_of(folders, most)
    jobs: list[dict[str, Ints]] = [{} for _ in range(number)]
    for part in parts:
        for utterance, tids in part.items():
            if utterance in place:
                jobs[place[utterance]][utterance] = tids
    return jobs


def cut_speakers(of_speakers: Mapping[str, T], folders: Sequence[Path], most: int) -> list[dict[str, T]]:
    """Return what belongs to speakers (trans.N) job by job; a speaker of two sets belongs to the first one's job.

    Speakers who are in none of `folders` are left out.
    """
    place, number = job_of(folders, most)
    jobs: list[dict[str, T]] = [{} for _ in range(number)]
    done: set[str] = set()
    for folder in folders:
        for utterance, speaker in _utt2spk(folder).items():
            if speaker in of_speakers and speaker not in done:
                jobs[place[utterance]][speaker] = of_speakers[speaker]
                done.add(speaker)
    return jobs


def copy_archives(ali_dir: Path, out: Path, folders: Sequence[Path], archives: Mapping[str, str]) -> list[Path]:
    """Copy num_jobs and ali.*.gz of an alignment directory and remove archives of an earlier run; return the copies.

    Archives that are not cut as Kaldi cuts the training set are written anew, without utterances that are in none of
    `folders`. archives: {utterance: name of its archive}.
    """
    paths = archive_paths(ali_dir)
    place, jobs = job_of(folders, len(paths))
    names = [f"ali.{job}.gz" for job in range(1, jobs + 1)]
    remove_alignments(out, set(names))
    if jobs == len(paths) and all(archives[key] == names[job] for key, job in place.items() if key in archives):
        for source in (*paths, ali_dir / "num_jobs"):
            copy_whole(source, out / source.name)
    else:
        rows = ({key: tids} for key, tids in read_alignments(ali_dir))
        write_alignments(out, cut(rows, folders, len(paths)))
    return [*(out / name for name in names), out / "num_jobs"]
