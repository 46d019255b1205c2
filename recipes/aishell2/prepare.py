"""Prepare a corpus with the layout of AISHELL-2: one folder for each set, with wav.scp and trans.txt.

Reads --train-dir (iOS/data) and, if given, --dev-dir and --test-dir: wav.scp, whose lines are
`key<TAB>wav/C0001/IC0001W0001.wav` relative to the folder, and trans.txt, `key<TAB>transcript`. Writes
OUT/{train,dev,test}; cuts a set that is not given from train. The speaker is the first letter of the key and the
folder of the sound, as in Kaldi's recipe.

    python recipes/aishell2/prepare.py --train-dir iOS/data --test-dir iOS/test --out exp/aishell2/data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.corpus.data_tables import c_sorted
from asr.corpus.gather import CorpusSettings, Found, Gathered, write_sets
from asr.corpus.problems import Problem
from asr.corpus.transcript_files import read_keyed
from asr.errors import InputError
from asr.settings import option
from asr.sound.source import is_pipe

SOUNDS_OPENED = True


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    train_dir: Path = option(help="folder with wav.scp and trans.txt to train on")
    dev_dir: Path | None = option(None, help="the same to tune on; none: cut from train")
    test_dir: Path | None = option(None, help="the same to test on; none: cut from train")

    @property
    def folders(self) -> dict[str, Path]:
        """Return {set: folder} of the sets that are given."""
        given = {"train": self.train_dir, "dev": self.dev_dir, "test": self.test_dir}
        return {name: folder for name, folder in given.items() if folder is not None}


def inputs(settings: Settings) -> list[Path]:
    """Return the tables."""
    return [folder / name for folder in settings.folders.values() for name in ("wav.scp", "trans.txt")]


def run(settings: Settings) -> None:
    """Write the sets. Raises InputError if a table is faulty, or too much is missing."""
    write_sets({name: _set(folder, settings.encoding) for name, folder in settings.folders.items()}, settings)


def _set(folder: Path, encoding: str) -> Gathered:
    one = Gathered(folder)
    sounds = read_keyed(folder / "wav.scp", "utf-8", one.problems)
    texts = read_keyed(folder / "trans.txt", encoding, one.problems)
    for key, (line, source) in sounds.items():
        if is_pipe(source):
            raise InputError("is a pipe; this recipe reads paths", file=folder / "wav.scp", line=line, key=key)
        if key not in texts:
            one.problems.append(Problem("no transcript", "is not in trans.txt", folder / "wav.scp", line, key))
            continue
        path = folder / source
        speaker = key[:1] + path.parent.name
        speaker = speaker if key.startswith(speaker) else path.parent.name
        text_line, text = texts[key]
        one.found.append(Found(key, speaker, path, text, folder / "trans.txt", text_line))
    for key in c_sorted(texts.keys() - sounds.keys()):
        one.problems.append(Problem("missing audio", "is not in wav.scp", folder / "trans.txt", texts[key][0], key))
    return one


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
