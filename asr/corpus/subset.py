"""Take some utterances of a data directory: a random number of them, those of some speakers, or those of a list.

Reads a Kaldi data directory and writes another one. The conditions combine: --count takes random utterances among
those of the speakers and of the list. The same seed takes the same utterances; a smaller count takes some of them.

    python -m asr subset --data data/train --out data/train_1k --count 1000
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import FILES, DataDir
from asr.errors import InputError
from asr.settings import option
from asr.tables import read_lines
from asr.tables.lookalike import LookAlikes


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    count: int | None = option(None, help="number of random utterances to take", least=1)
    speakers: tuple[str, ...] = option((), help="take only utterances of these speakers")
    utterances: Path | None = option(None, help="file whose lines begin with the utterances to take")
    seed: int = option(1, help="which utterances --count takes", least=0)
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError for an unknown speaker or utterance, or too large a count."""
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    keys = data.keys
    if settings.speakers:
        known = data.spk2utt
        for speaker in settings.speakers:
            if speaker not in known:
                raise InputError(f"no such speaker{LookAlikes(known).hint(speaker)}", file=settings.data, key=speaker)
        keys = [key for key in keys if data.utt2spk[key] in settings.speakers]
    if settings.utterances is not None:
        listed = _listed(settings.utterances, data)
        keys = [key for key in keys if key in listed]
    if settings.count is not None:
        if settings.count > len(keys):
            raise InputError(f"--count {settings.count}: there are {len(keys)} utterances", file=settings.data)
        random.Random(settings.seed).shuffle(keys)
        keys = keys[: settings.count]
    piece = data.restricted(keys)
    piece.write(settings.out)
    say(f"{settings.out}: {len(piece.utt2spk)} of {len(data.utt2spk)} utterances")


def _listed(path: Path, data: DataDir) -> set[str]:
    listed = set()
    for number, line in read_lines(path):
        if not line.split():
            continue
        key = line.split()[0]
        if key not in data.utt2spk:
            hint = LookAlikes(data.utt2spk).hint(key)
            raise InputError(f"no such utterance in the data directory{hint}", file=path, line=number, key=key)
        listed.add(key)
    return listed
