"""Prepare a folder of recordings: transcripts in a table, beside each sound, or in the sounds' names.

Reads --corpus-dir: sound files at any depth, and what is said in them in one of three ways (--transcripts):
    table    TSV, CSV, JSON or `sound transcript` lines, at the top of the folder, else within it; one or several
    beside   x.txt (.lab, .trn) beside x.wav
    names    the name itself: cmn-你好.mp3
auto takes the first of these that is there. Writes OUT/{train,dev,test}, Kaldi data directories. Sets are those that
the tables, or folders called train, dev and test, tell apart; what is missing is cut from train by speaker and text.

    python recipes/folder/prepare.py --corpus-dir recordings --out exp/folder/data
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from loose import (
    Sounds,
    find_sounds,
    plain,
    read_beside,
    say_found,
    say_ignored,
    set_in,
    text_beside,
    text_in_name,
    without_pinyin,
)

from asr.corpus.datadir import Segment
from asr.corpus.gather import CorpusSettings, Found, Gathered, write_sets
from asr.corpus.listing import SUFFIXES, Row, read_listing
from asr.corpus.problems import Problem
from asr.errors import InputError
from asr.settings import as_script, option

SOUNDS_OPENED = True
WAYS = ("auto", "table", "beside", "names")
ROWS_LOOKED_AT = 1000


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder with the recordings")
    transcripts: str = option("auto", help="where the transcripts are", choices=WAYS)
    table: tuple[Path, ...] = option((), help="tables, from the folder; none: those that name its sounds")
    columns: tuple[str, ...] = option((), help="names of a table's columns: sound=NAME, text=NAME, speaker=NAME, ...")
    name_pattern: str = option("(?:[A-Za-z0-9]+[-_])?(?P<text>.+)", help="what of a name is its transcript")
    speaker_pattern: str | None = option(None, help="what of a sound's name is its speaker, as a (group)")
    channel: int | None = option(None, help="channel to take, from 0, where a sound has several")


def inputs(settings: Settings) -> list[Path]:
    """Tables and texts; the sounds as their folders list them."""
    if not settings.corpus_dir.is_dir():
        raise InputError("no such folder", file=settings.corpus_dir)
    sounds = find_sounds(settings.corpus_dir)
    beside = [text_beside(path) for path in sounds.paths] if settings.transcripts in ("auto", "beside") else []
    return [*_tables(settings, sounds), *(path for path in beside if path is not None)]


def run(settings: Settings) -> None:
    """Write the sets; InputError where nothing is found, or too much is wrong."""
    root = settings.corpus_dir
    if (root / "wav.scp").exists():
        raise InputError("this is a Kaldi data directory: take --recipe kaldi --train-dir", file=root / "wav.scp")
    _check_patterns(settings)
    sounds = find_sounds(root)
    say_ignored(sounds)
    if not sounds.paths:
        raise InputError("holds no sound (wav, flac, mp3, ogg, opus, sph)", file=root)
    tables = _tables(settings, sounds)
    if settings.transcripts == "table" and not tables:
        raise InputError(f"no table ({' '.join(SUFFIXES)}) in this folder names its sounds", file=root)
    way = settings.transcripts
    if way == "auto":
        way = "table" if tables else "beside" if any(map(text_beside, sounds.paths)) else "names"
    names = ", ".join(os.path.relpath(path, root) for path in tables[:3]) + (", ..." if len(tables) > 3 else "")
    where = {"table": names, "beside": "beside the sounds", "names": "in their names"}
    owner = "by pattern" if settings.speaker_pattern else "all one" if sounds.one_folder else "by folder"
    say_found(sounds, where[way], f"by column, else {owner}" if way == "table" else owner)
    gathered: dict[str, Gathered] = {}
    if way == "table":
        for table in tables:
            _from_table(table, sounds, settings, gathered)
    else:
        _from_sounds(sounds, way, settings, gathered)
    if "train" not in gathered:
        raise InputError(f"there is no train, only {', '.join(gathered) or 'nothing'}", file=root)
    write_sets(gathered, settings)


def _check_patterns(settings: Settings) -> None:
    for name in ("name_pattern", "speaker_pattern"):
        pattern = getattr(settings, name)
        option_name = f"--{name.replace('_', '-')}"
        try:
            compiled = re.compile(pattern or "()")
        except re.error as error:
            raise InputError(f"{option_name} '{pattern}': {error}") from error
        if name == "name_pattern" and "text" not in compiled.groupindex:
            raise InputError(f"{option_name} '{pattern}' has no group (?P<text>...)")
        if name == "speaker_pattern" and not compiled.groups:
            raise InputError(f"{option_name} '{pattern}' has no (group)")


def _tables(settings: Settings, sounds: Sounds) -> list[Path]:
    """The tables asked for, or those whose first rows name sounds: at the top of the folder, else within it."""
    if settings.table:
        return [settings.corpus_dir / path for path in settings.table]
    if settings.transcripts not in ("auto", "table"):
        return []
    beside = {text_beside(path) for path in sounds.paths}
    others = sorted(path for path in sounds.tables if path not in beside and path.is_file())
    at_top = [path for path in others if path.parent == settings.corpus_dir]
    refused: list[InputError] = []
    for candidates in (at_top, others):
        if tables := [path for path in candidates if _names_sounds(path, sounds, settings, refused)]:
            return tables
    if settings.columns and refused:
        raise refused[0]
    return []


def _names_sounds(path: Path, sounds: Sounds, settings: Settings, refused: list[InputError]) -> bool:
    """Whether a file is a table of these sounds; InputError where it is one in another encoding than --encoding."""
    errors: list[InputError] = []
    for encoding in (settings.encoding, "gb18030"):
        try:
            rows = read_listing(path, [], encoding=encoding, columns=_columns(settings))
        except InputError as error:
            errors.append(error)
            continue
        named = any(sounds.named(row.sound, path.parent) for row in rows[:ROWS_LOOKED_AT])
        if named and errors:
            raise errors[0]
        return named
    refused += errors[:1]
    return False


def _columns(settings: Settings) -> dict[str, str]:
    pairs = [item.partition("=") for item in settings.columns]
    for what, _, name in pairs:
        if not name:
            raise InputError(f"--columns {what}: write WHAT=NAME, such as sound=path")
    return {what: name for what, _, name in pairs}


def _from_table(table: Path, sounds: Sounds, settings: Settings, gathered: dict[str, Gathered]) -> None:
    """The rows of a table go to the set that they, the table's name, or the folders say."""
    problems: list[Problem] = []
    rows = read_listing(table, problems, encoding=settings.encoding, columns=_columns(settings))
    own = set_in(table.stem)
    times = Counter(row.sound for row in rows)
    for row in rows:
        paths = sounds.named(row.sound, table.parent)
        folders = sounds.set_of(paths[0] if len(paths) == 1 else table)
        one = gathered.setdefault(row.set_name or own or folders or "train", Gathered(table))
        if len(paths) == 1:
            text, several = without_pinyin(row.text), times[row.sound] > 1
            one.found.append(_found(paths[0], text, table, sounds, settings, row, several))
            continue
        message = f"{len(paths)} sounds are called so, {paths[0]} and {paths[1]}" if paths else "no such sound"
        one.problems.append(Problem("missing audio", message, table, row.line, plain(row.sound)))
    if rows or problems:
        gathered.setdefault(own or sounds.set_of(table) or "train", Gathered(table)).problems += problems


def _from_sounds(sounds: Sounds, way: str, settings: Settings, gathered: dict[str, Gathered]) -> None:
    """Every sound with the text beside it, or in its name. Sets are folders, where all sounds lie in such."""
    for path in sounds.paths:
        one = gathered.setdefault(sounds.set_of(path) or "train", Gathered(sounds.root))
        file = path if way == "names" else text_beside(path)
        if file is None:
            one.problems.append(Problem("no transcript", "no transcript beside it", path, None, sounds.key(path)))
            continue
        text = text_in_name(path, settings.name_pattern) if way == "names" else read_beside(file, settings.encoding)
        one.found.append(_found(path, text, file, sounds, settings))


def _found(
    path: Path,
    text: str,
    file: Path,
    sounds: Sounds,
    settings: Settings,
    row: Row | None = None,
    several: bool = False,
) -> Found:
    """The utterance of a sound, or of a row that may be a part of it. Its key begins with its speaker."""
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


def _speaker(path: Path, sounds: Sounds, settings: Settings, row: Row | None) -> str:
    """By column, by pattern, by folder where there are several, or one for all."""
    if row is not None and row.speaker:
        return plain(row.speaker)
    if settings.speaker_pattern:
        match = re.search(settings.speaker_pattern, path.stem)
        if match is None or not match[1]:
            raise InputError(f"its name does not match --speaker-pattern '{settings.speaker_pattern}'", file=path)
        return plain(match[1])
    return plain("-".join(sounds.folders(path)) or sounds.root.resolve().name)


if __name__ == "__main__":
    as_script(Settings, "prepare", run, __doc__)
