"""Prepare Kaldi data directories: correct them, normalise their transcripts, cut a dev set.

Reads Kaldi data directories (wav.scp text utt2spk spk2utt [segments]): --train-dir, --test-dir and, if given,
--dev-dir. Writes OUT/{train,dev,test}, sorted, with absolute paths and normalised transcripts. Without --dev-dir, dev
is cut from train by speaker and text. Utterances that cannot be corrected are dropped and named, up to --max-missing.

    python recipes/kaldi/prepare.py --train-dir data/train --test-dir data/test --out exp/kaldi/data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.console import say
from asr.corpus.datadir import DataDir
from asr.corpus.gather import RecipeSettings
from asr.corpus.prepared import num_characters, record, write_left_out
from asr.corpus.problems import Problem
from asr.corpus.repair import settle
from asr.corpus.soundcheck import SoundChecks
from asr.corpus.split import split
from asr.corpus.validate import find_problems
from asr.settings import option


@dataclass(frozen=True, kw_only=True)
class Settings(RecipeSettings):
    train_dir: Path = option(help="Kaldi data directory to train on")
    test_dir: Path = option(help="Kaldi data directory to test on")
    dev_dir: Path | None = option(None, help="Kaldi data directory to tune on; none: cut from train")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")


def inputs(settings: Settings) -> list[Path]:
    """Return the data directories. Their tables are hashed; sounds are opened, not hashed."""
    folders = [settings.train_dir, settings.test_dir, settings.dev_dir]
    return [folder for folder in folders if folder is not None]


def run(settings: Settings) -> None:
    """Write the three sets. Raises InputError if a directory has faults that cannot be corrected."""
    sources = {"train": settings.train_dir, "dev": settings.dev_dir, "test": settings.test_dir}
    durations: dict[str, float] = {}
    lost: dict[str, list[Problem]] = {name: [] for name in sources}
    sets: dict[str, DataDir] = {}
    for name, folder in sources.items():
        if folder is not None:
            checks = SoundChecks.of(settings)
            data, problems = find_problems(folder, checks, encoding=settings.encoding, durations=durations)
            data = settle(folder, data, problems, max_missing=settings.max_missing, lost=lost[name])
            sets[name] = settings.rewritten(data)
    if settings.dev_dir is None:
        sets["train"], sets["dev"] = split(
            sets["train"],
            fraction=settings.dev_fraction,
            max_missing=settings.max_missing,
            seed=settings.seed,
            name=settings.train_dir,
            lost=lost["train"],
        )
    for name, data in sets.items():
        data.write(settings.out / name)
        write_left_out(settings.out / name, lost[name])
        say(f"{name}: {data.size}, {num_characters(data)} characters")
    record(sets, {name: sum(durations[key] for key in data.utt2spk) for name, data in sets.items()}, settings)


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
