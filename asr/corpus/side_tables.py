"""Check the tables that a data directory may have besides wav.scp, text and utt2spk.

utt2dur holds the seconds of utterances, reco2dur those of recordings, utt2num_frames numbers of frames, spk2gender f
or m; feats.scp and cmvn.scp name matrices. Kaldi's tools read all of them. This project keeps only utt2dur, so that a
fault in another table is a warning.

    utt2dur = durations(Path("data/train/utt2dur"), keys, problems)        # {"utt1": "2.43", ...} or None
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from asr.corpus.problems import Problem, scan_table
from asr.tables import is_count, seconds
from asr.tables.lookalike import LookAlikes


def durations(path: Path, utterances: Iterable[str], problems: list[Problem]) -> dict[str, str] | None:
    """Return utt2dur, or None if it is missing, faulty or incomplete; it is then dropped and made again."""
    faults: list[Problem] = []
    table = _checked(path, faults, _seconds)
    problems += faults
    if table is None or any(fault.mend != "warn" for fault in faults):
        return None
    missing = next((key for key in utterances if key not in table), None)
    if missing is not None:
        message = f"is not in {path.name}, which is therefore dropped"
        problems.append(Problem("missing key", message, path, None, missing, "warn"))
        return None
    return table


def check_side_tables(
    folder: Path, recordings: Iterable[str], utt2spk: dict[str, str], problems: list[Problem]
) -> None:
    """Append the problems of the other tables: values of the wrong kind, and keys that no other table has."""
    known = {"recording": set(recordings), "utterance": set(utt2spk), "speaker": set(utt2spk.values())}
    owners: dict[str, tuple[str, Callable[[str], str]]] = {
        "reco2dur": ("recording", _seconds),
        "utt2num_frames": ("utterance", _frames),
        "spk2gender": ("speaker", _gender),
        "feats.scp": ("utterance", lambda value: ""),
        "cmvn.scp": ("speaker", lambda value: ""),
    }
    for name, (owner, check) in owners.items():
        faults: list[Problem] = []
        table = _checked(folder / name, faults, check)
        strangers = [key for key in table or () if key not in known[owner]]
        if name != "cmvn.scp" or len(strangers) < len(table or ()):  # the statistics may be of an utterance or of all
            alike = LookAlikes(known[owner])
            faults += [
                Problem("missing key", f"there is no such {owner}{alike.hint(key)}", folder / name, None, key)
                for key in strangers
            ]
        problems += [Problem(one.kind, one.message, one.file, one.line, one.key, "warn") for one in faults]


def _checked(path: Path, problems: list[Problem], check: Callable[[str], str]) -> dict[str, str] | None:
    """Return a table, None if there is no such file. `check` returns what is wrong with a value."""
    if not path.is_file():
        return None
    table = {}
    for key, entry in scan_table(path, problems).items():
        table[key] = entry.value
        if wrong := check(entry.value):
            problems.append(Problem("bad value", wrong, path, entry.line, key, "rewrite"))
    return table


def _seconds(value: str) -> str:
    try:
        seconds(value)
    except ValueError as error:
        return str(error)
    return ""


def _frames(value: str) -> str:
    return "" if is_count(value) and int(value) else f"'{value}' is not a number of frames"


def _gender(value: str) -> str:
    return "" if value in ("f", "m") else f"'{value}' is neither f nor m"
