"""What a file holds, by its first bytes: a sound that is read, a sound to be converted first, or no sound.

foreign(b"\\x1aE\\xdf\\xa3...")                 # "a Matroska or WebM file"
no_sound(b"%PDF-1.4")                         # "a PDF file, no sound"
conversion("a.webm", 16000)                   # "ffmpeg -i a.webm -ac 1 -ar 16000 a.wav"
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import Any

from asr.errors import InputError

HEAD_BYTES = 4096  # of a file's beginning are examined

#: first bytes of the sounds that are read; joined sounds are found by them too
SOUND_HEADS = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM"),
    *(b".snd", b"dns.", b"NIST_1A", b"caff", b"fLaC", b"OggS"),
)

_SUFFIXES = {
    "an MP4 file (AAC)": "m4a m4b",
    "an MP4 file": "mp4",
    "a QuickTime file": "mov",
    "a 3GP file": "3gp 3g2",
    "AAC": "aac",
    "AMR": "amr awb",
    "a Windows Media file": "wma wmv asf",
    "a WebM file": "webm",
    "a Matroska file": "mkv mka",
    "Monkey's Audio": "ape",
    "WavPack": "wv",
    "True Audio": "tta",
    "shorten": "shn",
    "AC-3": "ac3 eac3",
    "DTS": "dts",
    "RealAudio": "ra",
    "RealMedia": "rm",
    "an AVI file": "avi",
    "a Flash video": "flv",
    "an MPEG transport stream": "ts",
    "Speex": "spx",
    "DSD": "dsf dff",
    "SILK": "silk slk",
    "a MIDI file": "mid",
}
#: {suffix: kind} of sounds and videos that soundfile cannot read
UNREAD_SUFFIXES = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}

_FOREIGN = (
    (rb"....ftyp(M4A|M4B|mp4|isom|iso\d|dash|mmp4|MSNV|avc1)", "an MP4 file (AAC as a rule)"),
    (rb"....ftyp3g", "a 3GP file"),
    (rb"....ftypqt", "a QuickTime file"),
    (rb"....ftyp", "an MP4 file"),
    (rb"....(moov|mdat|wide|free|skip)", "a QuickTime or MP4 file"),
    (rb"#!AMR", "AMR"),
    (rb"\x02?#!SILK", "SILK (a voice message of a messenger)"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file (wma)"),
    (rb"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (rb"ADIF", "AAC"),
    (rb"MAC ", "Monkey's Audio (ape)"),
    (rb"wvpk", "WavPack"),
    (rb"TTA[12]", "True Audio"),
    (rb"ajkg", "shorten"),
    (rb"\x0b\x77", "AC-3"),
    (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80", "DTS"),
    (rb"\.ra\xfd|\.RMF", "RealAudio"),
    (rb"DSD |FRM8", "DSD"),
    (rb"MPCK|MP\+", "Musepack"),
    (rb"OFR ", "OptimFROG"),
    (rb"tBaK", "TAK"),
    (rb"FLV\x01", "a Flash video"),
    (rb"RIFF....AVI ", "an AVI file"),
    (rb"MThd", "a MIDI file"),
    (rb"OggS.{22}.{2,256}?Speex   ", "Speex in Ogg"),
    (rb"OggS.{22}.{2,256}?(\x80theora|fishead)", "an Ogg video"),
    (rb"\x47.{187}\x47.{187}\x47", "an MPEG transport stream"),
    (rb"\x00\x00\x01\xba", "an MPEG program stream"),
)

_NO_SOUND = (
    (rb"version https://git-lfs", "a Git LFS pointer instead of the sound; fetch it: git lfs pull"),
    (rb"/annex/objects/|\.\./.*\.git/annex", "a git-annex pointer instead of the sound; fetch it: git annex get"),
    (rb"\x1f\x8b", "a gzip archive; unpack it"),
    (rb"PK\x03\x04", "a zip archive; unpack it"),
    (rb"BZh", "a bzip2 archive; unpack it"),
    (rb"\xfd7zXZ", "an xz archive; unpack it"),
    (rb"\x28\xb5\x2f\xfd", "a zstd archive; unpack it"),
    (rb"7z\xbc\xaf", "a 7z archive; unpack it"),
    (rb"Rar!", "a rar archive; unpack it"),
    (rb".{257}ustar", "a tar archive; unpack it"),
    (rb"%PDF", "a PDF file, no sound"),
    (rb"\x89PNG|\xff\xd8\xff[\xe0\xe1\xdb]|GIF8", "a picture, no sound"),
    (rb"\x93NUMPY", "a NumPy array, no sound"),
    (rb"\x7fELF", "a program, no sound"),
    (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", "an HTML page, no sound: did the download fail?"),
    (rb"(\xef\xbb\xbf)?\s*<(\?xml|[A-Za-z]+>)", "an XML file, no sound: did the download fail?"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]\s*[\"\]}{\[]", "a JSON file, no sound"),
)


class SoundError(InputError):
    """An InputError about one sound. Validation counts errors by `kind`."""

    def __init__(self, kind: str, message: str, *, file: str, key: str | None) -> None:
        super().__init__(message, file=file, key=key)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.kind, self.message, self.file, self.key)


def _rebuild(kind: str, message: str, file: str, key: str | None) -> SoundError:
    return SoundError(kind, message, file=file, key=key)


def foreign(head: bytes) -> str | None:
    """Return the coding of a file that begins with `head` if soundfile cannot read that coding, else None."""
    if _is_adts(head):
        return "AAC (ADTS)"
    return next((name for pattern, name in _FOREIGN if re.match(pattern, head, re.DOTALL)), None)


def _is_adts(head: bytes) -> bool:
    """Return whether `head` begins with two frames of streamed AAC (ADTS)."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return False
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length > 7 and head[length : length + 2] == head[:2]


def no_sound(head: bytes) -> str | None:
    """Return what a file holds if its first bytes show that it is no sound: text, a page, an archive; else None."""
    for pattern, name in _NO_SOUND:
        if re.match(pattern, head, re.DOTALL):
            return name
    if not head.strip(b"\0"):
        return "nothing but zeros at its beginning: did a copy or a download fail?"
    return "a text file, no sound" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """Return whether bytes, cut at any place, are UTF-8 or GB 18030 without control characters."""
    for encoding in ("utf-8", "gb18030") if len(head) >= 32 else ("utf-8",):
        for cut in range(4):
            try:
                text = head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            marks = sum(1 for char in text if char.isprintable() or char in "\r\n\t\ufeff")
            if encoding == "utf-8" and marks == len(text):
                return True
            common = sum(
                1 for char in text if char.isascii() or "\u3000" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
            )
            return encoding == "gb18030" and marks == len(text) and common == len(text)
    return False


def conversion(name: str, rate_hz: int | None, *, before: str = "") -> str:
    """Return the ffmpeg command that converts `name` to a wav file. before: options of its input."""
    if name == "-":
        return f"ffmpeg -i - -ac 1 -ar {rate_hz or 16000} -f wav -"
    target = str(PurePath(name).with_suffix(".wav"))
    if target == name:
        target = f"{target.removesuffix('.wav')}.converted.wav"
    return f"ffmpeg {before}-i {shlex.quote(name)} -ac 1 -ar {rate_hz or 16000} {shlex.quote(target)}"


def unread(head: bytes, reason: str, name: str, rate_hz: int | None) -> tuple[str, str]:
    """Return (kind, message) of the error for a file that cannot be opened as a sound: what it is, how to convert it.

    head: its first bytes. reason: libsndfile's. The name's suffix decides where the content does not.
    """
    suffix = PurePath(name).suffix.lower().removeprefix(".")
    convert = f"which cannot be read; convert it: {conversion(name, rate_hz)}"
    if what := foreign(head):
        message = f"is {what}, {convert}"
    elif what := no_sound(head):
        zeros = what.startswith("nothing")
        message = f"holds {what}" if zeros else f"is not a readable sound file: it is {what}"
    elif head.startswith(SOUND_HEADS):
        return "truncated audio", f"is truncated or damaged ({reason})"
    elif suffix in UNREAD_SUFFIXES:
        message = f"is {UNREAD_SUFFIXES[suffix]} by its name, {convert}"
    elif suffix in ("raw", "pcm", "bin", "s16", "vox", "ulaw", "alaw", "g722", "g729", "gsm", ""):
        command = conversion(name, rate_hz, before=f"-f s16le -ar {rate_hz or 16000} -ac 1 ")
        unknown = "it has no header, so its rate and sample format are not known"
        message = f"is not a readable sound file: {unknown}; if it holds 16-bit samples, convert it: {command}"
    else:
        message = f"is not a readable sound file ({reason}); if ffmpeg knows it: {conversion(name, rate_hz)}"
    return "unreadable audio", message
