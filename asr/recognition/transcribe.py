"""Write down what is said in sound files, or in sound that comes on standard input, with a packaged model.

Any file that soundfile reads, of any sample rate and length; several channels are averaged unless --channel names
one. Long sound is cut at its silences. `-` reads 16-bit samples (one channel, --rate-hz) or a WAV stream as they
come, other sounds (flac, mp3, ogg) when they are complete, and says what it understood so far (--partials), and each
stretch for good when a pause follows.

reads   MODEL (a folder of `asr package`), FILE ... or -
writes  --out, or standard output: text (a line a stretch; of several files each after its name), CTM, SRT or JSON;
        with a folder as --out one file for each sound (--force: also over files that are not this
        verb's). SRT of several sounds needs a folder

Ctrl-C, SIGTERM and SIGHUP end the command with status 130; what was recognised before is written, --out too.

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
from typing import Any

from asr import declared_paths, stamp
from asr.console import log_only, wipe
from asr.errors import InputError
from asr.recognition import written
from asr.recognition.interrupt import Interrupt
from asr.recognition.output import DASH, SUFFIXES, Folder, OneFile, ReaderLeft, StandardOutput, Unheard
from asr.settings import option


@dataclass(frozen=True)
class Settings:
    model: Path = option(help="folder of `asr package`", positional=True)
    files: tuple[Path, ...] = option((), help="sound files, or - for standard input", positional=True, sought=True)
    format: str = option("text", help="what to write", choices=written.FORMATS)
    out: str | None = option(
        None,
        help="file to write, or folder (one that is there, or ending in /) for one file each; none: standard output",
        writes="path",
    )
    channel: int | None = option(None, help="which channel, from 0; none: the mean of all")
    rate_hz: int = option(16000, help="with -: sample rate of raw samples", least=1000, most=10**6)
    partials: bool = option(True, help="with -: say what was understood so far as well")
    most_s: float = option(20.0, help="longest stretch that is searched in one piece", least=2)
    beam: float | None = option(
        None, help="paths worse than the best by more are dropped; none: the model's", above=0, most=10**6
    )
    nj: int = option(1, help="searching processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Transcribe. Raises InputError at the end where a file could not be read; the others are written.

    Raises KeyboardInterrupt at a signal, or where the reader of standard output left; what was recognised is written.
    """
    if not settings.files:
        raise InputError("transcribe: name at least one sound file, or - for standard input")
    live = [str(path) for path in settings.files] == [DASH]
    if not live and DASH in map(str, settings.files):
        raise InputError("transcribe: - stands alone: standard input or files, not both")
    from asr.recognition.bundle import Bundle

    bundle = Bundle.read(settings.model)
    if settings.beam is not None:
        bundle = dataclasses.replace(bundle, beams=dataclasses.replace(bundle.beams, beam=settings.beam))
    with contextlib.redirect_stderr(Unheard(sys.stderr)), Interrupt() as interrupt:  # type: ignore[type-var]
        try:
            with interrupt.after(2):
                faults = (_live if live else _files)(settings, bundle, interrupt)
        except ReaderLeft:
            raise KeyboardInterrupt("") from None
        except KeyboardInterrupt as error:
            twice = "interrupted twice: what was not yet written is lost"
            _tell(str(error) or (twice if interrupt.asked > 1 else "interrupted before anything was recognised"))
            raise KeyboardInterrupt("") from None
    if faults:
        raise faults[0] if len(faults) == 1 else InputError(f"{len(faults)} files could not be read; {faults[0]}")


def _tell(text: str) -> None:
    wipe()
    print(text, file=sys.stderr, flush=True)
    log_only(text)


def _out(settings: Settings) -> tuple[Path | None, bool]:
    """(--out, whether it is a folder); (None, False): standard output."""
    if settings.out in (None, DASH):
        return None, False
    assert settings.out is not None
    path = Path(settings.out)
    return path, settings.out.endswith("/") or path.is_dir()


def _folder(settings: Settings, path: Path, sounds: list[Path]) -> Folder:
    """Return the folder `path` for transcriptions of `sounds`. Raises InputError where one would replace an input."""
    model = settings.model.resolve()
    if model in (path.resolve(), *path.resolve().parents):
        raise InputError(f"is part of --model {settings.model}, which is read; write elsewhere", file=path)
    folder = Folder(path, sounds, SUFFIXES[settings.format], force=stamp.force)
    for target in folder.targets:
        declared_paths.refuse_input(target)
    return folder


# ---------------------------------------------------------------- files


def _files(settings: Settings, bundle: Any, interrupt: Interrupt) -> list[InputError]:
    """Write what is said in each file; returns what could not be read."""
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
            "give --out a folder (--out subtitles/), one file each is written there"
        )
    with StandardOutput() if path is None else OneFile(path) as out:
        batch = Batch(settings, bundle, interrupt, files, alone=len(files) == 1)
        return batch.run(lambda _, record: out.write(record))


# ---------------------------------------------------------------- standard input


def _live(settings: Settings, bundle: Any, interrupt: Interrupt) -> list[InputError]:
    """Write what is said on standard input, as it comes."""
    from asr.recognition.stream import Stream

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
        Stream(settings, bundle, interrupt, out).run()
    return []
