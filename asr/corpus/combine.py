"""Combine several data directories into one.

Reads Kaldi data directories and writes one with all their utterances. An utterance or a recording may be in only one
of them, a speaker in several. If only some directories have segments, each recording of the others gets one segment,
from its start to its end.

    python -m asr combine --data data/a,data/b --out data/all
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import say
from asr.corpus.data_tables import Segment
from asr.corpus.datadir import FILES, DataDir
from asr.errors import InputError
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    data: tuple[Path, ...] = option(help="data directories to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError for an utterance or a recording that is in two directories."""
    pieces = {path: DataDir.read(path, allow_pipes=settings.allow_pipes) for path in settings.data}
    whole = combine(pieces)
    whole.write(settings.out)
    say(f"{settings.out}: {len(whole.utt2spk)} utterances of {len(pieces)} directories")


def combine(pieces: dict[Path, DataDir]) -> DataDir:
    """Return the utterances of all `pieces`. Errors name the paths."""
    with_segments = any(piece.segments is not None for piece in pieces.values())
    whole = DataDir({}, {}, {}, {} if with_segments else None)
    if any(piece.perturb for piece in pieces.values()):
        whole = replace(whole, utt2uniq={}, perturb={})
    owner: dict[tuple[str, str], Path] = {}
    for path, piece in pieces.items():
        for what, keys in (("utterance", piece.utt2spk), ("recording", piece.recordings)):
            for key in keys:
                first = owner.setdefault((what, key), path)
                if first != path:
                    raise InputError(f"this {what} is in {first} too", file=path, key=key)
        whole.recordings.update(piece.recordings)
        whole.text.update(piece.text)
        whole.utt2spk.update(piece.utt2spk)
        if whole.segments is not None:
            own = piece.segments if piece.segments is not None else {key: Segment(key, 0.0) for key in piece.utt2spk}
            whole.segments.update(own)
        if whole.perturb is not None and whole.utt2uniq is not None:
            whole.perturb.update(piece.perturb or {})
            whole.utt2uniq.update(piece.utt2uniq or {key: key for key in piece.utt2spk})
    if len(pieces) < 2:
        raise InputError("--data: name at least two directories, each once")
    return whole
