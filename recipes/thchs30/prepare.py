"""Prepare THCHS-30 as it is published.

Reads --corpus-dir, the folder data_thchs30 or its parent: data/A2_0.wav with data/A2_0.wav.trn (three lines: words,
syllables, phones), and train/ dev/ test/, whose A2_0.wav.trn is a link to the former or a file with the link's text
(some unpackers make that). With --download fetches the corpus from OpenSLR first. Writes OUT/{train,dev,test}.

    python recipes/thchs30/prepare.py --corpus-dir /corpora/thchs30 --out exp/thchs30/data

Keys and speakers are those of Kaldi's recipe: A2_0 is utterance A02_000 of speaker A02. The official dev set has the
sentences of train, so that a language model of train knows them, and a weight chosen on dev would be too high. So dev
is cut from train and dev together, by sentence, unless --dev official.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.corpus.download.fetch import Remote, mirrors
from asr.corpus.download.unpack import fetch_and_unpack, unpacked_root
from asr.corpus.gather import SETS, CorpusSettings, Found, Gathered, write_sets
from asr.corpus.problems import Problem
from asr.corpus.transcript_files import transcript_lines
from asr.errors import InputError
from asr.settings import option

SOUNDS_OPENED = True
# the sum of PaddleSpeech's thchs30.py; OpenSLR publishes none
REMOTES = (Remote("data_thchs30.tgz", mirrors("18/data_thchs30.tgz"), "2d2252bde5c8429929e1841d4cb95e90"),)
NAME = re.compile(r"([A-Z])([0-9]+)_([0-9]+)")
LINK = re.compile(r"(?:\.\./)?data/[^/]+\.trn")


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder data_thchs30, or its parent")
    download: bool = option(False, help="fetch it from OpenSLR first: 7 GB, unpacked 14", affects=False)
    dev: str = option("cut", help="cut from train and dev by sentence, or as published", choices=("cut", "official"))


def obtain(settings: Settings) -> None:
    """Fetch and unpack the corpus if asked."""
    if settings.download:
        fetch_and_unpack(REMOTES, settings.corpus_dir)


def inputs(settings: Settings) -> list[Path]:
    """Return the files of transcripts."""
    root = _root(settings)
    return sorted(path for name in (*SETS, "data") for path in (root / name).glob("*.trn"))


def run(settings: Settings) -> None:
    """Write the sets. Raises InputError if the layout is another one, or too much is missing."""
    root = _root(settings)
    gathered = {name: _set(root / name, root, settings.encoding) for name in SETS}
    if settings.dev == "cut":
        dev = gathered.pop("dev")
        gathered["train"].found += dev.found
        gathered["train"].problems += dev.problems
    write_sets(gathered, settings)


def _root(settings: Settings) -> Path:
    return unpacked_root(settings.corpus_dir, "data_thchs30", SETS, "THCHS-30")


def _set(folder: Path, root: Path, encoding: str) -> Gathered:
    one = Gathered(folder)
    for path in sorted(folder.glob("*.wav")):
        match = NAME.fullmatch(path.stem)
        if match is None:
            one.problems.append(Problem("bad name", "has no name like A2_0.wav", path, None, path.stem))
            continue
        speaker = f"{match[1]}{int(match[2]):02d}"
        key = f"{speaker}_{int(match[3]):03d}"
        try:
            text, file = _words(path.with_name(f"{path.name}.trn"), root, encoding)
        except FileNotFoundError as error:
            one.problems.append(Problem("no transcript", "no such transcript", Path(str(error)), None, key))
            continue
        one.found.append(Found(key, speaker, path, text, file, 1))
    for path in sorted(folder.glob("*.wav.trn")):
        if not path.with_suffix("").exists():
            message = "no sound beside this transcript"
            one.problems.append(Problem("missing audio", message, path, None, path.stem))
    return one


def _words(path: Path, root: Path, encoding: str) -> tuple[str, Path]:
    """Return the first line of a transcript, and its file. Follows a link's text once, within the corpus.

    Raises FileNotFoundError with the missing file.
    """
    shared = root / "data" / path.name
    file = path if path.is_file() else shared
    text = _first(file, encoding)
    if LINK.fullmatch(text):
        if Path(text).name != path.name:
            raise InputError(f"is the link of another sound: {text}", file=file, line=1)
        file, text = shared, _first(shared, encoding)
        if LINK.fullmatch(text):
            raise InputError(f"is a link to itself: {text}", file=file, line=1)
    return text, file


def _first(file: Path, encoding: str) -> str:
    if not file.is_file():
        raise FileNotFoundError(file)
    return next((line.strip() for _, line in transcript_lines(file, encoding)), "")


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
