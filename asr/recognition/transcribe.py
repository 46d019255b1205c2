"""Write down what is said in sound files, or in sound that comes on standard input, with a packaged model.

Any file that soundfile reads, of any sample rate and length; several channels are averaged unless --channel names
one. Long sound is cut at its silences. `-` reads 16-bit samples (one channel, --rate-hz, or a WAV stream) as they
come and says what it understood so far (--partials), and each stretch for good when a pause follows.

reads   MODEL (a folder of `asr package`), FILE ... or -
writes  --out, or standard output: text (a line a stretch; of several files each after its name), CTM, SRT or JSON

    python -m asr transcribe MODEL talk.mp3
    python -m asr transcribe MODEL *.wav --format json --out transcripts.jsonl
    arecord -q -f S16_LE -r 16000 -c 1 | python -m asr transcribe MODEL -
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from asr.console import warn
from asr.errors import InputError
from asr.processes import processes_for
from asr.recognition import written
from asr.settings import option

STDIN = "-"


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="folder of `asr package`", positional=True)
    files: tuple[Path, ...] = option((), help="sound files, or - for standard input", positional=True, sought=True)
    format: str = option("text", help="what to write", choices=written.FORMATS)
    out: Path | None = option(None, help="file to write; none: standard output", writes="file")
    channel: int | None = option(None, help="which channel, from 0; none: the mean of all")
    rate_hz: int = option(16000, help="with -: sample rate of raw samples")
    partials: bool = option(True, help="with -: say what was understood so far as well")
    most_s: float = option(20.0, help="longest stretch that is searched in one piece")
    beam: float | None = option(None, help="paths worse than the best by more are dropped; none: the model's")
    nj: int = option(1, help="searching processes; 0: one per core", affects=False)


def run(settings: Settings) -> None:
    """Transcribe. Raises InputError at the end where a file could not be read; the others are written."""
    if not settings.files:
        raise InputError("transcribe: name at least one sound file, or - for standard input")
    if not settings.most_s >= 2 or not (settings.beam is None or settings.beam > 0) or not settings.rate_hz > 0:
        raise InputError("transcribe: --most-s is at least 2, --beam and --rate-hz are above zero")
    live = [str(path) for path in settings.files] == [STDIN]
    if not live and STDIN in map(str, settings.files):
        raise InputError("transcribe: - stands alone: standard input or files, not both")
    from asr.recognition.bundle import Bundle

    bundle = _with_beam(Bundle.read(settings.model), settings.beam)
    with _writer(settings.out) as out:
        faults = (_live if live else _files)(settings, bundle, out)
    if faults:
        raise faults[0] if len(faults) == 1 else InputError(f"{len(faults)} files could not be read; {faults[0]}")


def _with_beam(bundle: Any, beam: float | None) -> Any:
    import dataclasses

    if beam is None:
        return bundle
    return dataclasses.replace(bundle, beams=dataclasses.replace(bundle.beams, beam=beam))


def _writer(path: Path | None) -> Any:
    import contextlib

    from asr.tables import atomic

    return atomic(path) if path is not None else contextlib.nullcontext(sys.stdout)


# ---------------------------------------------------------------- files


def _files(settings: Settings, bundle: Any, out: IO[str]) -> list[InputError]:
    """Write what is said in each file; returns what could not be read."""
    from asr.recognition.recogniser import Recogniser

    faults: list[InputError] = []
    subtitles = 1
    nj = processes_for(settings.nj, os.cpu_count() or 1)
    with Recogniser(bundle, nj, most_s=settings.most_s) as recogniser:
        for path in settings.files:
            try:
                segments, duration_s = recogniser.file(path, settings.channel)
            except InputError as error:
                faults.append(error)
                if len(settings.files) > 1:
                    warn(f"{error}; the other files are transcribed")
                continue
            for segment in segments:
                if segment.fault is not None:
                    where = f"{path}: {segment.start_s:.2f} to {segment.end_s:.2f} s"
                    warn(f"{where}: {segment.fault}; nothing is written of it")
            out.write(_written(settings, path, segments, duration_s, bundle.name, subtitles))
            out.flush()
            subtitles += len(written.cues(segments))
    return faults


def _written(settings: Settings, path: Path, segments: Any, duration_s: float, model: str, first: int) -> str:

    if settings.format == "ctm":
        return written.as_ctm(path.stem.replace(" ", "_"), segments)
    if settings.format == "srt":
        return written.as_srt(segments, first)
    if settings.format == "json":
        record = written.file_record(str(path), duration_s, segments, model)
        return json.dumps(record, ensure_ascii=False, indent=1 if len(settings.files) == 1 else None) + "\n"
    text = written.as_text(segments)
    return text if len(settings.files) == 1 else f"{path}\t{' '.join(text.split(chr(10))).strip()}\n"


# ---------------------------------------------------------------- standard input


def _live(settings: Settings, bundle: Any, out: IO[str]) -> list[InputError]:
    """Write what is said on standard input, as it comes."""
    from asr.recognition.live import LiveRecogniser
    from asr.recognition.recogniser import Recogniser
    from asr.recognition.sound_stream import long_enough, samples_of, sounding

    subtitles = 1
    with Recogniser(bundle, 1, most_s=settings.most_s) as recogniser:
        live = LiveRecogniser(recogniser)
        blocks, rate_hz = sounding(_blocks(sys.stdin.buffer)), bundle.features.rate_hz
        samples = long_enough(samples_of(blocks, settings.rate_hz, rate_hz, settings.channel), rate_hz)
        for event in live.events(samples):
            if event.final is None:
                if settings.partials:
                    _say_partial(settings, out, event)
                continue
            out.write(_final(settings, event.final, subtitles))
            out.flush()
            subtitles += len(written.cues([event.final]))
    return []


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """What is there, as soon as it is there."""
    descriptor = stream.fileno()
    while data := os.read(descriptor, 1 << 16):
        yield data


def _say_partial(settings: Settings, out: IO[str], event: Any) -> None:
    from asr.console import status

    if settings.format == "json":
        record = {"partial": event.text, "start": round(event.start_s, 3), "end": round(event.end_s, 3)}
        out.write(json.dumps(record, ensure_ascii=False) + "\n")
        out.flush()
    elif sys.stdout.isatty():
        status(event.text)
    elif settings.format == "text":
        print(f"... {event.text}", file=sys.stderr, flush=True)


def _final(settings: Settings, segment: Any, first: int) -> str:
    from asr.console import wipe

    wipe()
    if settings.format == "ctm":
        return written.as_ctm("stdin", [segment])
    if settings.format == "srt":
        return written.as_srt([segment], first)
    if settings.format == "json":
        return json.dumps(written.segment_record(segment), ensure_ascii=False) + "\n"
    return written.as_text([segment])
