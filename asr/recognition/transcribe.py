"""Transcribe sound files, or sound that arrives on standard input, with a packaged model.

FILE is any file that soundfile reads, of any sample rate and length; channels are averaged unless --channel selects
one. Long sound is cut at its silences. `-` reads 16-bit samples (one channel, --rate-hz) or a WAV stream as they
arrive, and other sounds (flac, mp3, ogg) when they are complete. It prints partial results (--partials), and the
final result of each segment when a pause follows.

reads   MODEL (a folder of `asr package`), FILE ... or -
writes  --out, or standard output: text (a line per segment; for several files a line per file, after its name), CTM,
        SRT or JSON; with a folder as --out one file for each sound (--force: overwrites files of other origin). SRT
        of several sounds needs a folder

Ctrl-C, SIGTERM and SIGHUP end the command with status 130, after the text that was recognised is written.

    python -m asr transcribe MODEL talk.mp3
    python -m asr transcribe MODEL *.wav --format json --out transcripts.jsonl
    python -m asr transcribe MODEL *.wav --format srt --out subtitles/
    arecord -q -f S16_LE -r 16000 -c 1 | python -m asr transcribe MODEL -
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr import declared_paths, stamp
from asr.console import log_only, wipe
from asr.errors import InputError
from asr.recognition import written
from asr.recognition.interrupt import Interrupt
from asr.recognition.output import DASH, SUFFIXES, Folder, MessageStream, OneFile, ReaderLeft, StandardOutput
from asr.settings import option

if TYPE_CHECKING:
    from asr.recognition.bundle import Bundle


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="folder of `asr package`", positional=True)
    files: tuple[Path, ...] = option((), help="sound files, or - for standard input", positional=True, sought=True)
    format: str = option("text", help="format of the output", choices=written.FORMATS)
    out: str | None = option(
        None,
        help="file, or folder for one file per sound (an existing one, or ending in /); none: standard output",
        writes="path",
    )
    channel: int | None = option(None, help="the channel to transcribe, from 0; none: the mean of all", least=0)
    rate_hz: int = option(16000, help="with -: sample rate of raw samples", least=1000, most=10**6)
    partials: bool = option(True, help="with -: print partial results too")
    most_s: float = option(20.0, help="greatest length of a segment", least=2)
    beam: float | None = option(
        None, help="how much worse than the best a path may be; none: the model's", above=0, most=10**6
    )
    nj: int = option(1, help="searching processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Transcribe. Raises InputError at the end if a file could not be read; the others are written.

    Raises KeyboardInterrupt after a signal, or if standard output has no reader any more, when the text that was
    recognised before is written.
    """
    if not settings.files:
        raise InputError("transcribe: name at least one sound file, or - for standard input")
    live = [str(path) for path in settings.files] == [DASH]
    if not live and DASH in map(str, settings.files):
        raise InputError("transcribe: pass either - for standard input, or files, not both")
    from asr.recognition.bundle import Bundle

    bundle = Bundle.read(settings.model)
    if settings.beam is not None:
        bundle = dataclasses.replace(bundle, beams=dataclasses.replace(bundle.beams, beam=settings.beam))
    with contextlib.redirect_stderr(MessageStream(sys.stderr)), Interrupt() as interrupt:
        try:
            with interrupt.after(2):
                faults = (_live if live else _files)(settings, bundle, interrupt)
        except ReaderLeft:
            raise KeyboardInterrupt("") from None
        except KeyboardInterrupt as error:
            twice = "interrupted twice: text that was not yet written is lost"
            _say(str(error) or (twice if interrupt.asked > 1 else "interrupted before any text was recognised"))
            raise KeyboardInterrupt("") from None
    if faults:
        raise faults[0] if len(faults) == 1 else InputError(f"{len(faults)} files could not be read; {faults[0]}")


def _say(text: str) -> None:
    wipe()
    print(text, file=sys.stderr, flush=True)
    log_only(text)


def _out(settings: Settings) -> tuple[Path | None, bool]:
    """Return (--out, whether it is a folder); (None, False) for standard output."""
    if settings.out in (None, DASH):
        return None, False
    assert settings.out is not None
    path = Path(settings.out)
    return path, settings.out.endswith("/") or path.is_dir()


def _folder(settings: Settings, path: Path, sounds: list[Path]) -> Folder:
    """Return the folder `path` for transcriptions of `sounds`. Raises InputError if one would replace an input."""
    model = settings.model.resolve()
    if model in (path.resolve(), *path.resolve().parents):
        raise InputError(f"is part of --model {settings.model}, which is read; write elsewhere", file=path)
    folder = Folder(path, sounds, SUFFIXES[settings.format], force=stamp.force)
    for target in folder.targets:
        declared_paths.refuse_input(target)
    return folder


# ---------------------------------------------------------------- files


def _files(settings: Settings, bundle: Bundle, interrupt: Interrupt) -> list[InputError]:
    """Transcribe files; return the faults of those that could not be read."""
    from asr.recognition.batch import Batch
    from asr.recognition.inputs import each_once

    files = each_once(settings.files)
    path, is_folder = _out(settings)
    if path is not None and is_folder:
        folder = _folder(settings, path, files)
        return Batch(settings, bundle, interrupt, files, alone=True).run(folder.write)
    if settings.format == "srt" and len(files) > 1:
        raise InputError(
            f"--format srt: subtitles belong to one sound, and {len(files)} are named: "
            "pass a folder (--out subtitles/), which gets one file for each"
        )
    with StandardOutput() if path is None else OneFile(path) as out:
        batch = Batch(settings, bundle, interrupt, files, alone=len(files) == 1)
        return batch.run(lambda _, record: out.write(record))


# ---------------------------------------------------------------- standard input


def _live(settings: Settings, bundle: Bundle, interrupt: Interrupt) -> list[InputError]:
    """Transcribe standard input as it arrives."""
    from asr.recognition.standard_input import LiveTranscription

    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input is closed: pipe sound into this command")
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal: pipe sound into this command, as arecord does")
    path, is_folder = _out(settings)
    with contextlib.ExitStack() as stack:
        if path is not None and is_folder:
            folder = _folder(settings, path, [Path("stdin")])
            path = folder.targets[0]
            stack.callback(folder.note, path)
        out: StandardOutput | OneFile = StandardOutput() if path is None else OneFile(path)
        stack.enter_context(out)
        LiveTranscription(settings, bundle, interrupt, out).run()
    return []
