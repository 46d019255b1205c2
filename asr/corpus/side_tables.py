"""The tables that a data directory may have besides wav.scp, text and utt2spk, and what is wrong with them.

utt2dur holds the seconds of utterances, reco2dur those of recordings, utt2num_frames numbers of frames; spk2gender
is f or m; feats.scp and cmvn.scp name matrices. Kaldi's own tools read them all; of these a data directory of ours
keeps utt2dur alone, so a fault in another is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from asr.corpus.problems import Problem, scan_table
from asr.tables import is_count, seconds
from asr.tables.lookalike import LookAlikes


def durations(path: Path, utterances: Iterable[str], problems: list[Problem]) -> dict[str, str] | None:
    """Return utt2dur, or None where there is none or it cannot be trusted; then it is left away and made anew."""
    faults: list[Problem] = []
    table = _checked(path, faults, _seconds)
    problems += faults
    if table is None or any(fault.mend != "warn" for fault in faults):
        return None
    missing = next((key for key in utterances if key not in table), None)
    if missing is not None:
        message = f"is not in {path.name}, which is therefore left away"
        problems.append(Problem("missing key", message, path, None, missing, "warn"))
        return None
    return table


def check_side_tables(
    folder: Path, recordings: Iterable[str], utt2spk: dict[str, str], problems: list[Problem]
) -> None:
    """Append what is wrong with the other tables: values of the wrong kind, and keys that nothing else has."""
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
        if name != "cmvn.scp" or len(strangers) < len(table or ()):  # the statistics may be an utterance's or of all
            alike = LookAlikes(known[owner])
            faults += [
                Problem("missing key", f"no {owner} is called so{alike.hint(key)}", folder / name, None, key)
                for key in strangers
            ]
        problems += [Problem(one.kind, one.message, one.file, one.line, one.key, "warn") for one in faults]


def _checked(path: Path, problems: list[Problem], check: Callable[[str], str]) -> dict[str, str] | None:
    """Return a table whose values `check` finds nothing wrong with; None where there is no such file."""
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
