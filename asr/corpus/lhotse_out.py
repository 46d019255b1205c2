"""Write a data directory as lhotse manifests.

Reads   --data: a Kaldi data directory; opens every sound for its rate and length
Writes  --out: recordings.jsonl.gz supervisions.jsonl.gz, validated by lhotse; with --cuts also cuts.jsonl.gz

    python -m asr lhotse-out --data exp/data/train --out manifests/train
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import say
from asr.corpus.datadir import DataDir, Utterance
from asr.errors import InputError
from asr.files import atomic_packed
from asr.settings import option
from asr.sound import audio
from asr.sound.source import is_pipe, located


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    out: Path = option(help="folder to write the manifests into", writes="folder")
    cuts: bool = option(False, help="also write cuts.jsonl.gz")
    allow_pipes: bool = option(False, help="run the shell commands that wav.scp holds")


def run(settings: Settings) -> None:
    """Write the manifests. Raises InputError for perturbed copies, and for sounds that cannot be opened."""
    lhotse = library()
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    if data.perturb:
        raise InputError(
            "holds perturbed copies, which manifests cannot express; name the originals", file=settings.data
        )
    recordings = {key: _recording(lhotse, key, source, settings) for key, source in data.recordings.items()}
    supervisions = [_supervision(lhotse, item, data, recordings[item.recording]) for item in data.utterances()]
    recording_set = lhotse.RecordingSet.from_recordings(recordings.values())
    supervision_set = lhotse.SupervisionSet.from_segments(supervisions)
    lhotse.validate_recordings_and_supervisions(recording_set, supervision_set)
    settings.out.mkdir(parents=True, exist_ok=True)
    _write(settings.out / "recordings.jsonl.gz", recording_set)
    _write(settings.out / "supervisions.jsonl.gz", supervision_set)
    if settings.cuts:
        cuts = lhotse.CutSet.from_manifests(recordings=recording_set, supervisions=supervision_set)
        _write(settings.out / "cuts.jsonl.gz", cuts.trim_to_supervisions(keep_overlapping=False))
    say(f"lhotse-out: {settings.out}: {len(recordings)} recordings, {len(supervisions)} supervisions")


def library() -> Any:
    """Return the module lhotse, an optional dependency. Raises InputError if it is not installed."""
    try:
        return importlib.import_module("lhotse")
    except ImportError as error:
        message = f"lhotse cannot be imported ({error}); pip install 'yibian[lhotse]' or lhotse and urllib3"
        raise InputError(message) from error


def _recording(lhotse: Any, key: str, source: str, settings: Settings) -> Any:
    if located(source)[1] is not None:
        raise InputError("is in an archive, which lhotse does not read; write wav files", file=source, key=key)
    rate_hz, channels, frames = audio.info(source, allow_pipes=settings.allow_pipes, key=key)
    kind = "command" if is_pipe(source) else "file"
    where = source.rstrip().removesuffix("|").rstrip() if kind == "command" else source
    sources = [lhotse.AudioSource(type=kind, channels=list(range(channels)), source=where)]
    return lhotse.Recording(key, sources, sampling_rate=rate_hz, num_samples=frames, duration=frames / rate_hz)


def _supervision(lhotse: Any, item: Utterance, data: DataDir, recording: Any) -> Any:
    """Return the supervision of an utterance. A segment that reaches past its recording ends with it."""
    start_s = item.start_s or 0.0
    end_s = recording.duration if item.end_s is None else min(item.end_s, recording.duration)
    return lhotse.SupervisionSegment(
        id=item.key,
        recording_id=item.recording,
        start=start_s,
        duration=round(end_s - start_s, ndigits=8),
        channel=item.channel or 0,
        text=data.text[item.key],
        language="Chinese",
        speaker=data.utt2spk[item.key],
    )


def _write(path: Path, manifest: Any) -> None:
    """Write JSON lines in lhotse's form, whole or not at all."""
    with atomic_packed(path) as handle:
        for item in manifest:
            handle.write((json.dumps(item.to_dict(), ensure_ascii=False) + "\n").encode())
