"""Sounds that are in several sets, whatever their names: found by their bytes.

in_several_sets({"test": test, "train": train})    ->  {("train", "utt7"): ("test", "utt2")}
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping

from asr.corpus.datadir import DataDir, is_pipe
from asr.sound.file import located

PROBE_BYTES = 4096


def in_several_sets(sets: Mapping[str, DataDir]) -> dict[tuple[str, str], tuple[str, str]]:
    """{(set, utterance): (earlier set, utterance there)} of equal sounds; sets earlier in `sets` come first.

    Files are told apart by size, then by bytes from their middle, then by all their bytes. Segments of one recording
    are equal where they begin and end at the same time on the same channel, sounds in archives where they lie at the
    same place of equal archives. Pipes and missing files are left out.
    """
    groups: dict[object, list[tuple[str, str, str]]] = {}
    for name, data in sets.items():
        for item in data.utterances():
            file, offset = located(item.source)
            if not is_pipe(item.source) and os.path.isfile(file):
                span = (offset, item.start_s or 0.0, item.end_s, item.channel)
                groups.setdefault((os.path.getsize(file), span), []).append((name, item.key, file))
    known: dict[str, str] = {}
    for told_by in (_middle, _whole):
        parted: dict[object, list[tuple[str, str, str]]] = {}
        for known_by, members in groups.items():
            if len({name for name, _, _ in members}) > 1:
                for member in members:
                    parted.setdefault((known_by, _cached(told_by, member[2], known)), []).append(member)
        groups, known = parted, {}
    result = {}
    for members in groups.values():
        first_set, first_key, _ = members[0]
        for name, key, _ in members:
            if name != first_set:
                result[name, key] = (first_set, first_key)
    return result


def _cached(told_by: Callable[[str], str], path: str, known: dict[str, str]) -> str:
    if path not in known:
        known[path] = told_by(path)
    return known[path]


def _middle(path: str) -> str:
    with open(path, "rb") as handle:
        handle.seek(max(0, os.path.getsize(path) // 2 - PROBE_BYTES // 2))
        return hashlib.sha1(handle.read(PROBE_BYTES)).hexdigest()


def _whole(path: str) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha1").hexdigest()
