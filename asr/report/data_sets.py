"""The sizes of a run's data sets: utterances, speakers, characters, hours of sound and of features.

    folders = data_folders(Path("exp/mini"))
    data_set("train", folders["train"], prepared["sets"]["train"], None, faults).utterances

Reads EXP/data/SET/{text,utt2spk,utt2num_frames,utt2dur,segments}, and of EXP/data/prepared.json what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.corpus.transcript import characters, normalise
from asr.report.recorded import number, read_optional_table, whole
from asr.report.scores import ScoredSet
from asr.tables import is_count

#: the order in which sets are shown; others follow by name
FIRST_SETS = ("train", "dev", "test")
#: the tables of a data directory that are read
TABLES = ("text", "utt2spk", "utt2num_frames", "utt2dur", "segments")
FRAMES_PER_HOUR = 360_000  # features of this project have a frame every 10 ms


@dataclass(frozen=True)
class DataSet:
    """The size of one set; what is not recorded is None. sound_hours: of the sound files; frames: of the features."""

    name: str
    utterances: int | None = None
    speakers: int | None = None
    characters: int | None = None
    sound_hours: float | None = None
    frames: int | None = None

    @property
    def feature_hours(self) -> float | None:
        """Return the hours that the features stand for."""
        return None if self.frames is None else self.frames / FRAMES_PER_HOUR


def data_folders(exp: Path) -> dict[str, Path]:
    """Return {set: its data directory} of a run, in the order in which they are shown."""
    found = {path.name: path for path in sorted(exp.glob("data/*")) if (path / "text").is_file()}
    return {name: found[name] for name in ordered(found)}


def ordered(names: Iterable[str]) -> list[str]:
    """Return train and its copies, dev, test, then the others by name."""
    place = {name: at for at, name in enumerate(FIRST_SETS)}
    return sorted(names, key=lambda name: (place.get(name, place.get(name.split("_")[0], len(place))), name))


def data_set(
    name: str, folder: Path | None, prepared: Mapping[str, Any], scored: ScoredSet | None, faults: list[str]
) -> DataSet:
    """Return the size of a set, counted in its folder if possible, otherwise as preparation recorded it.

    scored: the set's scores, which hold its number of characters.
    """
    counted: dict[str, Any] = {key: whole(prepared.get(key)) for key in ("utterances", "speakers", "characters")}
    counted["sound_hours"] = number(prepared.get("hours"))
    if folder is not None:
        text, speakers = (read_optional_table(folder / table, faults) for table in ("text", "utt2spk"))
        if text is not None:
            units = _characters(text.values()) if scored is None else scored.cer.counts.length
            counted |= {"utterances": len(text), "characters": units}
        if speakers is not None:
            counted |= {"utterances": len(speakers), "speakers": len(set(speakers.values()))}
        frames = read_optional_table(folder / "utt2num_frames", faults)
        if frames is not None and all(map(is_count, frames.values())):
            counted["frames"] = sum(map(int, frames.values()))
        if counted["sound_hours"] is None:
            counted["sound_hours"] = _sound_hours(folder, faults)
    return DataSet(name, **counted)


def _characters(texts: Iterable[str]) -> int:
    """Return how many units of CER (asr.corpus.transcript.characters) transcripts hold."""
    return sum(len(characters(normalise(text, spoken=False))) for text in texts)


def _sound_hours(folder: Path, faults: list[str]) -> float | None:
    """Return the sum of utt2dur or segments in hours, None if neither holds the length of every utterance."""
    table = read_optional_table(folder / "utt2dur", faults)
    if table is not None:
        seconds = [number(value) for value in table.values()]
    else:
        rows = [line.split() for line in (read_optional_table(folder / "segments", faults) or {}).values()]
        ends = [(number(row[1]), number(row[2])) if len(row) > 2 else (None, None) for row in rows]
        seconds = [None if start is None or end is None or end < start else end - start for start, end in ends]
    known = [value for value in seconds if value is not None]
    return sum(known) / 3600 if known and len(known) == len(seconds) else None
