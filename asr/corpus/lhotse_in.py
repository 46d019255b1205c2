"""Write lhotse manifests as a data directory.

Reads   --recordings and --supervisions, or --cuts: manifests of lhotse (.jsonl .jsonl.gz .json .yaml)
Writes  --out: wav.scp text utt2spk spk2utt, and segments if an utterance is not a whole recording

    python -m asr lhotse-in --recordings recordings.jsonl.gz --supervisions supervisions.jsonl.gz --out data/train

A relative path starts from the current folder, else from the manifest's. What a data directory cannot express is
refused: sounds that are not files, recordings that lhotse changes on reading, supervisions of several channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import say, warn
from asr.corpus.data_tables import Segment
from asr.corpus.datadir import FILES, DataDir
from asr.corpus.lhotse_out import library
from asr.errors import InputError, named_first
from asr.settings import option
from asr.tables.lookalike import LookAlikes

#: seconds of a recording that a whole-recording utterance may omit, and that one may reach past the end
TOLERANCE_S = 0.005


@dataclass(frozen=True)
class Settings:
    out: Path = option(help="data directory to write", writes="folder", makes=FILES)
    recordings: Path | None = option(None, help="manifest of recordings")
    supervisions: Path | None = option(None, help="manifest of supervisions")
    cuts: Path | None = option(None, help="manifest of cuts, instead of the other two")
    allow_pipes: bool = option(False, help="accept shell commands as sounds")


def run(settings: Settings) -> None:
    """Write `out`. Raises InputError for the first item that a data directory cannot express."""
    if (settings.cuts is None) == (settings.recordings is None or settings.supervisions is None):
        raise InputError("lhotse-in: name --recordings and --supervisions, or --cuts alone")
    recordings: dict[str, tuple[Any, Path]] = {}
    segments: dict[str, Segment] = {}
    text: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    nobody, unused = 0, list[str]()
    for file, item, recording, start_s in _supervised(settings, unused):
        if item.id in segments:
            raise InputError("this supervision has occurred before", file=file, key=item.id)
        if recordings.setdefault(recording.id, (recording, file))[0] != recording:
            raise InputError("this recording has occurred before, and was another one", file=file, key=recording.id)
        end_s = start_s + item.duration
        if not (start_s >= 0 and end_s <= recording.duration + TOLERANCE_S):
            message = f"lasts from {start_s:g} to {end_s:g} s, its recording {recording.duration:g} s"
            raise InputError(message, file=file, key=item.id)
        several = sum(len(source.channels) for source in recording.sources) > 1
        number = item.channel[0] if isinstance(item.channel, list) else item.channel
        whole = start_s <= TOLERANCE_S and end_s >= recording.duration - TOLERANCE_S
        segments[item.id] = Segment(
            recording.id, 0.0 if whole else start_s, None if whole else end_s, number if several else None
        )
        text[item.id] = " ".join((item.text or "").split())
        nobody += not item.speaker
        utt2spk[item.id] = "_".join(item.speaker.split()) if item.speaker else item.id
    if nobody:
        warn(f"{nobody} of {len(segments)} supervisions have no speaker: each is its own")
    if unused:
        warn(f"{len(unused)} recordings or cuts have no supervision and are left out: {named_first(unused)}")
    sources = {key: _source(recording, file, settings) for key, (recording, file) in recordings.items()}
    data = _as_data(sources, text, utt2spk, segments)
    data.write(settings.out)
    say(f"lhotse-in: {settings.out}: {len(text)} utterances of {len(sources)} recordings")


def _as_data(
    sources: dict[str, str], text: dict[str, str], utt2spk: dict[str, str], segments: dict[str, Segment]
) -> DataDir:
    """Return the tables, without segments if every utterance is a whole recording of its own."""
    plain = all(item.end_s is None and item.channel is None for item in segments.values())
    if plain and len({item.recording for item in segments.values()}) == len(segments):
        own = {key: sources[item.recording] for key, item in segments.items()}
        return DataDir(own, text, utt2spk)
    return DataDir(sources, text, utt2spk, segments)


def _supervised(settings: Settings, unused: list[str]) -> Iterator[tuple[Path, Any, Any, float]]:
    """Yield (manifest, supervision, its recording, its start in that recording in seconds).

    unused: receives the recordings, or cuts, without a supervision.
    """
    lhotse = library()
    if settings.cuts is not None:
        for cut in _load(lhotse.CutSet, settings.cuts):
            if not hasattr(cut, "recording") or cut.recording is None:
                raise InputError("is not a cut of one recording", file=settings.cuts, key=cut.id)
            if not cut.supervisions:
                unused.append(cut.id)
            for item in cut.supervisions:
                _check(item, settings.cuts)
                yield settings.cuts, item, cut.recording, cut.start + item.start
        return
    assert settings.recordings is not None and settings.supervisions is not None
    known: dict[str, Any] = {}
    for recording in _load(lhotse.RecordingSet, settings.recordings):
        if recording.id in known:
            raise InputError("this recording has occurred before", file=settings.recordings, key=recording.id)
        known[recording.id] = recording
    used: set[str] = set()
    for item in _load(lhotse.SupervisionSet, settings.supervisions):
        _check(item, settings.supervisions)
        if item.recording_id not in known:
            hint = LookAlikes(known).hint(item.recording_id)
            message = f"its recording {item.recording_id} is not in {settings.recordings}{hint}"
            raise InputError(message, file=settings.supervisions, key=item.id)
        used.add(item.recording_id)
        yield settings.supervisions, item, known[item.recording_id], item.start
    unused += [key for key in known if key not in used]


def _load(kind: Any, path: Path) -> Iterator[Any]:
    """Yield the items of a manifest. Raises InputError with the number of the item that lhotse cannot read."""
    if not path.is_file():
        raise InputError("no such manifest", file=path)
    number = 0
    try:
        for item in kind.from_file(path):
            number += 1
            yield item
    except InputError:
        raise
    except Exception as error:  # lhotse raises what its readers raise; the file is at fault
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"lhotse cannot read item {number + 1}: {reason}", file=path) from error


def _check(item: Any, file: Path) -> None:
    if not item.id or any(char.isspace() for char in item.id):
        raise InputError("white space in a supervision's id", file=file, key=repr(item.id))
    if not (item.text or "").strip():
        raise InputError("has no text", file=file, key=item.id)
    if not all(isinstance(value, int | float) for value in (item.start, item.duration)):
        raise InputError(f"'{item.start}' and '{item.duration}' are not times in seconds", file=file, key=item.id)
    if isinstance(item.channel, list) and len(item.channel) != 1:
        raise InputError(f"has channels {item.channel}; an utterance has one", file=file, key=item.id)


def _source(recording: Any, file: Path, settings: Settings) -> str:
    """Return the entry of wav.scp."""
    if recording.transforms:
        raise InputError("is changed when lhotse reads it; save the sound itself first", file=file, key=recording.id)
    if len(recording.sources) != 1:
        message = f"has {len(recording.sources)} sources; a data directory has one"
        raise InputError(message, file=file, key=recording.id)
    source = recording.sources[0]
    if source.type == "command" and settings.allow_pipes:
        return f"{source.source} |"
    if source.type != "file":
        hint = "; pass --allow-pipes if you trust it" if source.type == "command" else ""
        raise InputError(f"its sound is a {source.type}, not a file{hint}", file=file, key=recording.id)
    path = Path(source.source)
    beside = file.parent / path
    return str(beside.absolute() if not path.exists() and beside.exists() else path.absolute())
