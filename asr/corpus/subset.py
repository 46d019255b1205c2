"""Take some utterances of a data directory: a random number of them, some hours, some speakers', or those of a list.

Reads a Kaldi data directory and writes another one, without features: `asr features` makes them. The conditions
combine: --count takes random utterances, --hours random speakers, among those of the speakers and of the list. The
same seed takes the same utterances; a smaller count and fewer hours take some of them.

    python -m asr subset --data data/train --out data/train_1k --count 1000
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.durations import seconds_of
from asr.errors import InputError
from asr.settings import option
from asr.tables import read_lines
from asr.tables.lookalike import LookAlikes


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    count: int | None = option(None, help="number of random utterances to take", least=1)
    hours: float | None = option(
        None, help="hours to take, of speakers in random order: all utterances of each but the last", above=0
    )
    speakers: tuple[str, ...] = option((), help="take only utterances of these speakers")
    utterances: Path | None = option(None, help="file whose lines begin with the utterances to take")
    seed: int = option(1, help="which utterances --count takes, and which speakers --hours", least=0)
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError for an unknown speaker or utterance, or more of them than there are."""
    if settings.count is not None and settings.hours is not None:
        raise InputError("subset: --count and --hours exclude each other")
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
    if settings.hours is not None:
        keys = _of_hours(data, keys, settings)
    piece = data.restricted(keys)
    piece.write(settings.out)
    say(f"{settings.out}: {len(piece.utt2spk)} of {len(data.utt2spk)} utterances")


def _of_hours(data: DataDir, keys: list[str], settings: Settings) -> list[str]:
    """Return utterances of speakers in random order until they have the hours."""
    seconds = seconds_of(data.restricted(keys))
    unknown = next((key for key in keys if key not in seconds), None)
    if unknown is not None:
        raise InputError("--hours: the length of its sound is not known", file=settings.data, key=unknown)
    assert settings.hours is not None
    if (hours := sum(seconds.values()) / 3600) < settings.hours:
        raise InputError(f"--hours {settings.hours:g}: there are {hours:.2f} hours", file=settings.data)
    rng = random.Random(settings.seed)
    owned: dict[str, list[str]] = {}
    for key in keys:
        owned.setdefault(data.utt2spk[key], []).append(key)
    order = sorted(owned, key=str.encode)
    rng.shuffle(order)
    taken: list[str] = []
    missing_s = 3600 * settings.hours
    for speaker in order:
        rng.shuffle(owned[speaker])
        for key in owned[speaker]:
            if missing_s <= 0:
                return taken
            taken.append(key)
            missing_s -= seconds[key]
    return taken


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
