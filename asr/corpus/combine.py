"""Put several data directories together into one.

Reads Kaldi data directories and writes one with all their utterances. An utterance or a recording that is in two
of them is refused; a speaker may be in several. Where only some have segments, the others' recordings get
a segment each, from their start to their end.

    python -m asr combine --data data/a,data/b --out data/all
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import say
from asr.corpus.datadir import FILES, DataDir, Segment, refuse_same
from asr.errors import InputError
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    data: tuple[Path, ...] = option(help="data directories to read")
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    allow_pipes: bool = option(False, help="accept shell commands in wav.scp")


def run(settings: Settings) -> None:
    """Write `out`; InputError for whatever is in two directories."""
    refuse_same(settings.out, *settings.data)
    pieces = {path: DataDir.read(path, allow_pipes=settings.allow_pipes) for path in settings.data}
    whole = combine(pieces)
    whole.write(settings.out)
    say(f"{settings.out}: {len(whole.utt2spk)} utterances of {len(pieces)} directories")


def combine(pieces: dict[Path, DataDir]) -> DataDir:
    """All of `pieces` in one; the paths are named in errors."""
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
