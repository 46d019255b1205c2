"""Prepare AISHELL-1 as it is published: its train, dev and test.

Reads --corpus-dir, the folder data_aishell or its parent: transcript/aishell_transcript_v0.8.txt and
wav/{train,dev,test}/S????/*.wav. Unpacks the speakers' archives in wav/ there. With --download fetches the corpus
from OpenSLR into --corpus-dir first. Writes OUT/{train,dev,test}.

    python recipes/aishell/prepare.py --corpus-dir /corpora/aishell --out exp/aishell/data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.console import warn
from asr.corpus.data_tables import c_sorted
from asr.corpus.download.fetch import Remote, mirrors
from asr.corpus.download.unpack import SUFFIXES, fetch_and_unpack, unpack_nested, unpacked_root
from asr.corpus.gather import SETS, CorpusSettings, Found, Gathered, write_sets
from asr.corpus.problems import Problem
from asr.corpus.transcript_files import read_keyed
from asr.errors import InputError, named_first
from asr.settings import option

SOUNDS_OPENED = True
TRANSCRIPTS = Path("transcript/aishell_transcript_v0.8.txt")
# the sum of PaddleSpeech's aishell.py; OpenSLR publishes none
REMOTES = (Remote("data_aishell.tgz", mirrors("33/data_aishell.tgz"), "2f494334227864a8a8fec932999db9d8"),)


@dataclass(frozen=True, kw_only=True)
class Settings(CorpusSettings):
    corpus_dir: Path = option(help="folder data_aishell, or its parent")
    download: bool = option(
        False, help="fetch it from OpenSLR into --corpus-dir first: 16 GB, unpacked 35", affects=False
    )


def obtain(settings: Settings) -> None:
    """Fetch the corpus if asked, and unpack the speakers' archives."""
    if settings.download:
        fetch_and_unpack(REMOTES, settings.corpus_dir)
    wav = _root(settings) / "wav"
    if wav.is_dir() and any(path.name.endswith(SUFFIXES) for path in wav.iterdir()):
        unpack_nested(wav)


def inputs(settings: Settings) -> list[Path]:
    """Return the file of transcripts. Sounds are opened, not hashed."""
    return [_root(settings) / TRANSCRIPTS]


def run(settings: Settings) -> None:
    """Write the sets. Raises InputError if the layout is another one, or too much is missing."""
    root = _root(settings)
    table = root / TRANSCRIPTS
    problems: list[Problem] = []
    texts = read_keyed(table, settings.encoding, problems)
    if problems:
        raise problems[0].error()
    gathered = {name: _set(root / "wav" / name, texts, table) for name in SETS}
    sounds = {item.key for one in gathered.values() for item in one.found}
    _check_silent({key: line for key, (line, _) in texts.items() if key not in sounds}, len(texts), table, settings)
    write_sets(gathered, settings)


def _check_silent(silent: dict[str, int], total: int, table: Path, settings: Settings) -> None:
    """Warn of transcripts without a sound. Raises InputError if they are too many: some archives are not unpacked."""
    if not silent:
        return
    first = named_first(c_sorted(silent))
    if len(silent) > settings.max_missing * total and len(silent) < total:
        key = min(silent, key=silent.__getitem__)
        share = f"{len(silent)} of {total} transcripts have none: more than --max-missing"
        raise InputError(f"has no sound; are all archives unpacked? ({share})", file=table, line=silent[key], key=key)
    warn(f"{table}: {len(silent)} transcripts have no sound, such as {first}")


def _root(settings: Settings) -> Path:
    return unpacked_root(settings.corpus_dir, "data_aishell", ("wav",), "AISHELL-1")


def _set(folder: Path, texts: dict[str, tuple[int, str]], table: Path) -> Gathered:
    """Return the utterances of a set. Several hundred sounds of the corpus have no transcript and are left out."""
    one = Gathered(folder)
    if not folder.is_dir():
        raise InputError("no such folder: are all archives unpacked?", file=folder)
    for path in sorted(folder.glob("*/*.wav")):
        key = path.stem
        if key in texts:
            line, text = texts[key]
            one.found.append(Found(key, key.partition("W")[0], path, text, table, line))
        else:
            one.problems.append(Problem("no transcript", f"has no transcript in {table.name}", path, None, key))
    return one


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
