"""Find sounds that are in several sets under any names, by their bytes.

in_several_sets({"test": test, "train": train})    # {("train", "utt7"): ("test", "utt2")}
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping

from asr.corpus.datadir import DataDir
from asr.sound.source import is_pipe, located

PROBE_BYTES = 4096


def in_several_sets(sets: Mapping[str, DataDir]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return {(set, utterance): (earlier set, utterance there)} of equal sounds, in the order of `sets`.

    Files are compared by size, then by bytes from their middle, then by all bytes. Segments of a recording are equal
    if times and channel are equal, sounds in archives if equal archives have them at the same place. Pipes and
    missing files are skipped.
    """
    groups: dict[object, list[tuple[str, str, str]]] = {}
    for name, data in sets.items():
        for item in data.utterances():
            file, offset = located(item.source)
            if not is_pipe(item.source) and os.path.isfile(file):
                span = (offset, item.start_s or 0.0, item.end_s, item.channel)
                groups.setdefault((os.path.getsize(file), span), []).append((name, item.key, file))
    for digest in (_middle, _whole):
        known = functools.cache(digest)
        divided: dict[object, list[tuple[str, str, str]]] = {}
        for group, members in groups.items():
            if len({name for name, _, _ in members}) > 1:
                for member in members:
                    divided.setdefault((group, known(member[2])), []).append(member)
        groups = divided
    result = {}
    for members in groups.values():
        first_set, first_key, _ = members[0]
        for name, key, _ in members:
            if name != first_set:
                result[name, key] = (first_set, first_key)
    return result


def _middle(path: str) -> str:
    with open(path, "rb") as handle:
        handle.seek(max(0, os.path.getsize(path) // 2 - PROBE_BYTES // 2))
        return hashlib.sha1(handle.read(PROBE_BYTES)).hexdigest()


def _whole(path: str) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha1").hexdigest()
