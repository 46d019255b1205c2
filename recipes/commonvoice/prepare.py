"""Prepare Mozilla Common Voice as it is published, or a corpus with its layout.

Reads --corpus-dir, cv-corpus-*/zh-CN (or zh-TW, zh-HK): clips/*.mp3, and the columns client_id, path and sentence of
train.tsv, dev.tsv and test.tsv. Writes OUT/{train,dev,test}. --train-tsv validated.tsv trains on all validated clips
without the speakers and sentences of dev and test.

    python recipes/commonvoice/prepare.py --corpus-dir cv-corpus-19.0/zh-CN --resample true --out exp/commonvoice/data

The key of a clip begins with its speaker, the first twelve digits of client_id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.console import say
from asr.corpus.gather import CorpusSettings, Found, Gathered, write_sets
from asr.corpus.listing import ListingRow, read_listing
from asr.corpus.problems import Problem
from asr.errors import InputError
from asr.settings import option

SOUNDS_OPENED = True
SPEAKER_DIGITS = 12
COLUMNS = {"sound": "path", "text": "sentence", "speaker": "client_id"}


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder of a language: clips/ and the tables")
    train_tsv: str = option("train.tsv", help="table to train on, such as validated.tsv")

    @property
    def tables(self) -> dict[str, Path]:
        """Return {set: table}: test and dev of the official split, then train."""
        tables = {"test": "test.tsv", "dev": "dev.tsv", "train": self.train_tsv}
        return {name: self.corpus_dir / table for name, table in tables.items()}


def inputs(settings: Settings) -> list[Path]:
    """Return the tables."""
    return list(settings.tables.values())


def run(settings: Settings) -> None:
    """Write the sets. Raises InputError if a table or clips/ is missing, or too many clips are."""
    clips = settings.corpus_dir / "clips"
    if not clips.is_dir():
        raise InputError("is not an unpacked Common Voice: there is no clips/", file=settings.corpus_dir)
    gathered: dict[str, Gathered] = {}
    speakers: set[str] = set()
    sentences: set[str] = set()
    owners: dict[str, str] = {}
    for name, table in settings.tables.items():
        one = gathered[name] = Gathered(table)
        rows = read_listing(table, one.problems, encoding=settings.encoding, columns=COLUMNS)
        if name == "train" and settings.train_tsv != "train.tsv":
            kept = [row for row in rows if row.speaker not in speakers and row.text not in sentences]
            out = f"{len(rows) - len(kept)} of {len(rows)} clips"
            say(f"{table}: {out} left out: their speakers or sentences are in dev or test")
            rows = kept
        _add(one, rows, clips, owners)
        speakers.update(row.speaker for row in rows if row.speaker)
        sentences.update(row.text for row in rows)
    write_sets(gathered, settings)


def _add(one: Gathered, rows: Iterable[ListingRow], clips: Path, owners: dict[str, str]) -> None:
    for row in rows:
        name = Path(row.sound).name
        path = clips / (name if Path(name).suffix else f"{name}.mp3")
        client = row.speaker or ""
        speaker = client[:SPEAKER_DIGITS]
        if not client or owners.setdefault(speaker, client) != client:
            message = "has no client_id" if not client else f"two speakers begin with {speaker}"
            one.problems.append(Problem("bad speaker", message, one.name, row.line, path.stem))
            continue
        one.found.append(Found(f"{speaker}-{path.stem}", speaker, path, row.text, one.name, row.line))


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
