"""Prepare THCHS-30 as it is published.

Reads --corpus-dir, the folder data_thchs30 or the one that holds it: data/A2_0.wav with data/A2_0.wav.trn (words,
syllables, phones: a line each), and train/ dev/ test/, whose A2_0.wav.trn is a link to the former or, as many
unpacked it, a file with the link's text. With --download the corpus is fetched from OpenSLR first. Writes
OUT/{train,dev,test}.

    python recipes/thchs30/prepare.py --corpus-dir /corpora/thchs30 --out exp/thchs30/data

Keys and speakers as Kaldi's recipe has them: A2_0 is utterance A02_000 of speaker A02. The official dev set reads the
sentences of train, so a language model of train's transcripts knows them, and a weight chosen on it would rely on
that too much. So dev is cut from train and dev together, by sentence, unless --dev official.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.corpus.download.fetch import Remote
from asr.corpus.download.obtain import fetch_and_unpack, mirrors, unpacked_root
from asr.corpus.gather import CorpusSettings, Found, Gathered, transcript_lines, write_sets
from asr.corpus.problems import Problem
from asr.errors import InputError
from asr.settings import option

SOUNDS_OPENED = True
# the sum as other recipes publish it (PaddleSpeech's thchs30.py); OpenSLR itself gives none
REMOTES = (Remote("data_thchs30.tgz", mirrors("18/data_thchs30.tgz"), "2d2252bde5c8429929e1841d4cb95e90"),)
NAME = re.compile(r"([A-Z])([0-9]+)_([0-9]+)")
LINK = re.compile(r"(?:\.\./)?data/[^/]+\.trn")


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder data_thchs30, or the one that holds it")
    download: bool = option(False, help="fetch it from OpenSLR first: 7 GB, 14 unpacked", affects=False)
    dev: str = option("cut", help="cut from train and dev by sentence, or as it is", choices=("cut", "official"))


def obtain(settings: Settings) -> None:
    """The corpus in its folder, and unpacked."""
    if settings.download:
        fetch_and_unpack(REMOTES, settings.corpus_dir)


def inputs(settings: Settings) -> list[Path]:
    """The transcripts."""
    root = _root(settings)
    return sorted(path for name in ("train", "dev", "test", "data") for path in (root / name).glob("*.trn"))


def run(settings: Settings) -> None:
    """Write the sets; InputError where the layout is another one, or too much is missing."""
    root = _root(settings)
    gathered = {name: _set(root / name, root, settings.encoding) for name in ("train", "dev", "test")}
    if settings.dev == "cut":
        dev = gathered.pop("dev")
        gathered["train"].found += dev.found
        gathered["train"].problems += dev.problems
    write_sets(gathered, settings)


def _root(settings: Settings) -> Path:
    return unpacked_root(settings.corpus_dir, "data_thchs30", ("train", "dev", "test"), "THCHS-30")


def _set(folder: Path, root: Path, encoding: str) -> Gathered:
    one = Gathered(folder)
    for path in sorted(folder.glob("*.wav")):
        match = NAME.fullmatch(path.stem)
        if match is None:
            one.problems.append(Problem("bad name", "is not called as A2_0.wav is", path, None, path.stem))
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
            one.problems.append(
                Problem("missing audio", "no such sound beside this transcript", path, None, path.stem)
            )
    return one


def _words(path: Path, root: Path, encoding: str) -> tuple[str, Path]:
    """The first line of a transcript, and its file; a link's text is followed, once and within the corpus.

    Raises FileNotFoundError with the file that is missing.
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
