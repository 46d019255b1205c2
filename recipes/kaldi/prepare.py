"""Prepare data that is already in Kaldi's form: mend it, normalise its transcripts, cut a dev set.

Reads Kaldi data directories (wav.scp text utt2spk spk2utt [segments]): --train-dir, --test-dir and perhaps
--dev-dir. Writes OUT/{train,dev,test}, sorted, with absolute paths and normalised transcripts. Without --dev-dir, dev
is cut from train by speaker and text. What cannot be mended is dropped and named, up to --max-missing.

    python recipes/kaldi/prepare.py --train-dir data/train --test-dir data/test --out exp/kaldi/data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.console import say
from asr.corpus.datadir import DataDir, refuse_same
from asr.corpus.gather import TranscriptSettings
from asr.corpus.left_out import write_left_out
from asr.corpus.prepared import record
from asr.corpus.problems import Problem
from asr.corpus.repair import mend
from asr.corpus.split import split
from asr.corpus.transcript import characters
from asr.settings import option


@dataclass(frozen=True, kw_only=True)
class Settings(TranscriptSettings):
    train_dir: Path = option(help="Kaldi data directory to train on")
    test_dir: Path = option(help="Kaldi data directory to test on")
    out: Path = option(help="folder to write train, dev and test into", writes="folder")
    dev_dir: Path | None = option(None, help="Kaldi data directory to tune on; none: cut from train")
    dev_fraction: float = option(0.05, help="part of train that dev gets when it is cut from it", above=0, below=1)
    rate_hz: int = option(16000, help="sample rate that every sound has to have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are then converted on reading")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")
    max_missing: float = option(0.05, help="largest part of a set's utterances that may be dropped", least=0, most=1)
    seed: int = option(1, help="which speakers or sentences dev gets", least=0)
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


def inputs(settings: Settings) -> list[Path]:
    """What the sets depend on: the tables. Sounds are opened, not hashed."""
    folders = [settings.train_dir, settings.test_dir, settings.dev_dir]
    return [folder for folder in folders if folder is not None]


def run(settings: Settings) -> None:
    """Write the three sets; InputError where a directory is wrong beyond mending."""
    sources = {"train": settings.train_dir, "dev": settings.dev_dir, "test": settings.test_dir}
    for name in sources:
        refuse_same(settings.out / name, *inputs(settings))
    durations: dict[str, float] = {}
    lost: dict[str, list[Problem]] = {name: [] for name in sources}
    sets = {
        name: _normalised(folder, settings, lost[name], durations)
        for name, folder in sources.items()
        if folder is not None
    }
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
        units = sum(len(characters(text)) for text in data.text.values())
        say(f"{name}: {len(data.utt2spk)} utterances of {len(data.spk2utt)} speakers, {units} characters")
    record(sets, {name: sum(durations[key] for key in data.utt2spk) for name, data in sets.items()}, settings)


def _normalised(folder: Path, settings: Settings, lost: list[Problem], durations: dict[str, float]) -> DataDir:
    data = mend(
        folder,
        max_missing=settings.max_missing,
        lost=lost,
        rate_hz=settings.rate_hz,
        resample=settings.resample,
        encoding=settings.encoding,
        allow_pipes=settings.allow_pipes,
        nj=settings.nj,
        durations=durations,
    )
    return data.with_text({key: settings.written(text) for key, text in data.text.items()})


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
