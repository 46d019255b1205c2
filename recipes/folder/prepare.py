"""Prepare a folder of recordings: transcripts in a table, beside each sound, or in the sounds' names.

Reads --corpus-dir: sound files at any depth, and their transcripts in one of three places (--text-from):
    table    TSV, CSV, JSON or `sound transcript` lines; one or several, at the top of the folder or below
    beside   x.txt (.lab, .trn) beside x.wav
    names    the name itself: cmn-你好.mp3
auto takes the first of these that exists; names only if they are Chinese text, and none if a table is not understood.
Writes OUT/{train,dev,test}, Kaldi data directories. The tables, or folders with names of sets, divide the sounds into
sets; a missing set is cut from train by speaker and text.

    python recipes/folder/prepare.py --corpus-dir recordings --out exp/folder/data
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from loose import Sounds, find_sounds, plain, say_ignored
from spoken_names import check_names, check_patterns, reads_as_chinese, text_in_name
from texts_beside import check_tables_agree, read_beside, text_beside, texts_alone, without_pinyin
from which_tables import find_tables, given_tables

from asr.cli import as_script
from asr.console import say, warn
from asr.corpus.data_tables import Segment
from asr.corpus.gather import CorpusSettings, Found, Gathered, write_sets
from asr.corpus.listing import SUFFIXES, ListingRow, read_listing, set_named
from asr.corpus.problems import Problem
from asr.errors import InputError, named_first
from asr.settings import option

SOUNDS_OPENED = True
WAYS = ("auto", "table", "beside", "names")


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder with the recordings")
    text_from: str = option("auto", help="where the transcripts are", choices=WAYS)
    transcripts: str = option("auto", help="the former name of --text-from", choices=WAYS)
    table: tuple[Path, ...] = option((), help="tables, relative to the folder; none: those that name its sounds")
    columns: tuple[str, ...] = option((), help="a table's columns: sound=NAME, text=NAME, speaker=NAME, ...")
    name_pattern: str = option("(?:[A-Za-z0-9]+[-_])?(?P<text>.+)", help="of a name; group text: transcript")
    speaker_pattern: str | None = option(None, help="of a sound's name; the first (group) is the speaker")
    channel: int | None = option(None, help="channel to take, from 0, if a sound has several", least=0)

    @property
    def way(self) -> str:
        """Return where the transcripts are: one of WAYS. Raises InputError if both names of the option are given."""
        if self.text_from != "auto" and self.transcripts not in ("auto", self.text_from):
            raise InputError("--transcripts is the former name of --text-from; pass only the latter")
        return self.text_from if self.text_from != "auto" else self.transcripts


def inputs(settings: Settings) -> list[Path]:
    """Return the tables and the texts beside the sounds."""
    if not settings.corpus_dir.is_dir():
        raise InputError("no such folder", file=settings.corpus_dir)
    sounds = find_sounds(settings.corpus_dir)
    beside = [text_beside(path, sounds) for path in sounds.paths] if settings.way in ("auto", "beside") else []
    return [*_tables(settings, sounds), *(path for path in beside if path is not None)]


def depends_on(settings: Settings) -> list[list[str | int]]:
    """Return the names and sizes of all sounds and texts, which change if one is added or replaced."""
    sounds = find_sounds(settings.corpus_dir)
    return [[ascii(str(path)), path.stat().st_size] for path in (*sounds.paths, *sounds.texts) if path.is_file()]


def run(settings: Settings) -> None:
    """Write the sets. Raises InputError if there is no sound, or too much is dropped."""
    root = settings.corpus_dir
    if (root / "wav.scp").exists():
        raise InputError("this is a Kaldi data directory: use --recipe kaldi --train-dir", file=root / "wav.scp")
    check_patterns(settings.name_pattern, settings.speaker_pattern)
    sounds = find_sounds(root)
    say_ignored(sounds)
    if not sounds.paths:
        if sounds.problems:
            raise sounds.problems[0].error()
        raise InputError("has no sound (wav, flac, mp3, ogg, opus, sph, aiff, ...)", file=root)
    tables = _tables(settings, sounds, aloud=True)
    way = _way(settings, sounds, tables)
    names = ", ".join(os.path.relpath(path, root) for path in tables[:3]) + (", ..." if len(tables) > 3 else "")
    where = {"table": names, "beside": "beside the sounds", "names": "in their names"}
    owner = "by pattern" if settings.speaker_pattern else "all one" if sounds.one_folder else "by folder"
    speakers = f"by column, else {owner}" if way == "table" else owner
    say(f"{root}: {len(sounds.paths)} sounds; transcripts: {where[way]}; speakers: {speakers}")
    if way == "names":
        _say_names(sounds, settings)
    gathered: dict[str, Gathered] = {}
    if way == "table":
        _from_tables(tables, sounds, settings, gathered)
        if settings.way == "auto" and not settings.table:
            check_tables_agree([item for one in gathered.values() for item in one.found], sounds, settings.encoding)
    else:
        _from_sounds(sounds, way, settings, gathered)
    if "train" not in gathered:
        raise InputError(f"there is no train, only {', '.join(gathered) or 'nothing'}", file=root)
    gathered["train"].problems += sounds.problems
    write_sets(gathered, settings)


def _way(settings: Settings, sounds: Sounds, tables: list[Path]) -> str:
    """Return where the transcripts are. Raises InputError if there are none."""
    if settings.way == "table" and not tables:
        raise InputError(f"no table ({' '.join(SUFFIXES)}) in this folder names its sounds", file=sounds.root)
    if settings.way != "auto":
        return settings.way
    if tables:
        return "table"
    if any(text_beside(path, sounds) for path in sounds.paths):
        return "beside"
    texts = {path: text_in_name(path, settings.name_pattern) for path in sounds.paths}
    check_names(sounds.root, texts, settings.max_missing)
    return "names"


def _say_names(sounds: Sounds, settings: Settings) -> None:
    """Print the transcript of one name, and warn of names that are not Chinese text."""
    texts = {path: text_in_name(path, settings.name_pattern) for path in sounds.paths}
    first = sounds.paths[0]
    say(f"{sounds.root}: the transcript of {first.name} is '{texts[first]}'")
    others = [path.name for path, text in texts.items() if not reads_as_chinese(text)]
    if others:
        warn(f"{sounds.root}: {len(others)} of {len(texts)} names are not Chinese text: {named_first(others)}")


def _tables(settings: Settings, sounds: Sounds, *, aloud: bool = False) -> list[Path]:
    """Return the tables that the user names, or those that name the sounds."""
    if settings.table:
        return given_tables(settings.corpus_dir / path for path in settings.table)
    if settings.way not in ("auto", "table"):
        return []
    return find_tables(sounds, _columns(settings), settings.encoding, aloud=aloud)


def _columns(settings: Settings) -> dict[str, str]:
    pairs = [item.partition("=") for item in settings.columns]
    for what, _, name in pairs:
        if not name:
            raise InputError(f"--columns {what}: write WHAT=NAME, such as sound=path")
    return {what: name for what, _, name in pairs}


def _from_tables(tables: list[Path], sounds: Sounds, settings: Settings, gathered: dict[str, Gathered]) -> None:
    """Gather the rows of all tables, and a problem for each sound that no table names."""
    named: set[Path] = set()
    for table in tables:
        named |= _from_table(table, sounds, settings, gathered)
    bare = {path.with_suffix("") for path in named}
    what = f"{tables[0].name} names it" if len(tables) == 1 else "the tables names it"
    for path in sounds.paths:
        if path.with_suffix("") not in bare:
            problem = Problem("no transcript", f"no row of {what}", path, None, sounds.key(path))
            _set_for(path, sounds, gathered).problems.append(problem)


def _from_table(table: Path, sounds: Sounds, settings: Settings, gathered: dict[str, Gathered]) -> set[Path]:
    """Gather the rows of a table by the set of the row, the table's name or the folders. Returns the sounds named."""
    problems: list[Problem] = []
    rows = read_listing(
        table, problems, encoding=settings.encoding, columns=_columns(settings), is_sound=sounds.is_sound
    )
    own = set_named(table.stem)
    times = Counter(row.sound for row in rows)
    named = {path for problem in problems for path in sounds.named(problem.key or "", table.parent)}
    for row in rows:
        paths = sounds.named(row.sound, table.parent)
        named.update(paths)
        folders = sounds.set_of(paths[0] if len(paths) == 1 else table)
        one = gathered.setdefault(row.set_name or own or folders or "train", Gathered(table))
        if len(paths) == 1:
            text, several = without_pinyin(row.text), times[row.sound] > 1
            one.found.append(_found(paths[0], text, table, sounds, settings, row, several))
            continue
        message = f"{len(paths)} sounds have this name, {paths[0]} and {paths[1]}" if paths else ""
        message = message or f"no such sound{sounds.look_alikes.hint(row.sound)}"
        one.problems.append(Problem("missing audio", message, table, row.line, plain(row.sound)))
    if rows or problems:
        gathered.setdefault(own or sounds.set_of(table) or "train", Gathered(table)).problems += problems
    return named


def _from_sounds(sounds: Sounds, way: str, settings: Settings, gathered: dict[str, Gathered]) -> None:
    """Gather every sound with the text beside it, or in its name. Folders of sets divide them."""
    for path in sounds.paths:
        one = gathered.setdefault(sounds.set_of(path) or "train", Gathered(sounds.root))
        file = path if way == "names" else text_beside(path, sounds)
        if file is None:
            one.problems.append(Problem("no transcript", "no transcript beside it", path, None, sounds.key(path)))
            continue
        text = text_in_name(path, settings.name_pattern) if way == "names" else read_beside(file, settings.encoding)
        if way == "names" and settings.way == "auto" and not reads_as_chinese(text):
            one.problems.append(
                Problem("no transcript", "its name is not Chinese text", path, None, sounds.key(path))
            )
            continue
        one.found.append(_found(path, text, file, sounds, settings))
    if way == "beside":
        for path in texts_alone(sounds):
            problem = Problem("missing audio", "no sound beside this transcript", path, None, plain(path.stem))
            _set_for(path, sounds, gathered).problems.append(problem)


def _set_for(path: Path, sounds: Sounds, gathered: dict[str, Gathered]) -> Gathered:
    """Return the set that a problem with `path` counts in: that of its folder, else train, else the first."""
    return gathered.get(sounds.set_of(path) or "train") or gathered.get("train") or next(iter(gathered.values()))


def _found(
    path: Path,
    text: str,
    file: Path,
    sounds: Sounds,
    settings: Settings,
    row: ListingRow | None = None,
    several: bool = False,
) -> Found:
    """Return the utterance of a sound, or of a row, which may be a part of it. Its key begins with its speaker."""
    speaker, key = _speaker(path, sounds, settings, row), sounds.key(path)
    channel = row.channel if row is not None and row.channel is not None else settings.channel
    segment = None
    if row is not None and (row.start_s is not None or row.end_s is not None or several):
        start_s = row.start_s or 0.0
        segment = Segment(key, start_s, row.end_s, channel)
        end = "end" if row.end_s is None else f"{round(100 * row.end_s):07d}"
        name = f"{key}-{round(100 * start_s):07d}-{end}{'' if row.channel is None else f'-{row.channel}'}"
    else:
        name = key
        segment = None if channel is None else Segment(key, 0.0, None, channel)
    name = name if name.startswith(speaker) else f"{speaker}-{name}"
    return Found(name, speaker, path, text, file, None if row is None else row.line, segment)


def _speaker(path: Path, sounds: Sounds, settings: Settings, row: ListingRow | None) -> str:
    """Return the speaker: by column, by pattern, by folder if there are several, or one for all."""
    if row is not None and row.speaker:
        return plain(row.speaker)
    if settings.speaker_pattern:
        match = re.search(settings.speaker_pattern, path.stem)
        if match is None or not match[1]:
            raise InputError(f"its name does not match --speaker-pattern '{settings.speaker_pattern}'", file=path)
        return plain(match[1])
    return plain("-".join(sounds.folders(path)) or sounds.root.resolve().name)


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
