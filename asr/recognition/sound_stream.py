"""Reads samples from the bytes of standard input: raw samples and wav as they arrive, other sounds when complete.

A stream of 16-bit samples without a header, and a wav stream of samples that need no decoder, are converted while
they arrive. flac, Ogg, mp3, AIFF, AU, CAF, NIST and wav of other codings are stored in a temporary file up to their
end, then decoded. Other kinds of files are refused with their name.

    for samples in samples_of(blocks_of_bytes, rate_hz=16000, wanted_hz=16000): ...
"""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterable, Iterator

from asr.console import warn
from asr.decoding.arrays import Floats
from asr.errors import InputError
from asr.recognition.mixing import ByteFeed, Mixer, SampleFormat
from asr.sound import audio
from asr.sound import file as sound_file
from asr.sound import kinds as sound_kinds
from asr.sound import mpeg as sound_mpeg
from asr.sound.extent import is_metadata, never_filled_in

HEAD_BYTES = 64  # the bytes that tell the kind of a stream: two milliseconds of sound
SPOOL_BYTES = 64 << 20  # of a compressed stream that stay in memory
BLOCK_FRAMES = 1 << 16  # of a complete sound, converted at a time
_MARKER_BYTES = 16
#: bytes that are not samples: the beginning of metadata, or of another wav stream
_MARKER = re.compile(
    rb"LIST....(?:INFO|adtl)|id3 ....ID3|(?:RIFF|RF64|BW64)....WAVE(?:fmt |ds64)|APETAGEX"
    rb"|(?:bext|iXML|_PMX|axml|afsp|cart|smpl|cue |PEAK|fact)..[\0-\x0f]\0",
    re.DOTALL,
)
#: first bytes of rare kinds of sound that libsndfile reads
_RARE = re.compile(
    rb"Creative Voice File\x1a|PVF1\n| paf|fap |ALawSoundFile\*\*|Extended Instrument: |2BIT|MATLAB 5\.0 MAT-file"
    rb"|\x64\xa3[\x01-\x04]\0"
)
_WAV_ARCHIVE = re.compile(rb"[^\s\0]+ (?:RIFF|RF64)....WAVE", re.DOTALL)
_CODINGS = {
    (1, 8): "PCM_U8",
    (1, 16): "PCM_16",
    (1, 24): "PCM_24",
    (1, 32): "PCM_32",
    (3, 32): "FLOAT",
    (3, 64): "DOUBLE",
    (6, 8): "ALAW",
    (7, 8): "ULAW",
}


def samples_of(blocks: Iterable[bytes], rate_hz: int, wanted_hz: int, channel: int | None = None) -> Iterator[Floats]:
    """Yield samples, float32 in int16's scale at `wanted_hz`, of a stream of bytes in blocks of any size.

    A stream with a header has the rate and channels of its header; another one is one channel of 16-bit little-endian
    samples at `rate_hz`. Channels are averaged unless `channel`, from 0, selects one. Raises InputError: not a sound,
    damaged.
    """
    feed = ByteFeed(blocks)
    head = feed.peek(HEAD_BYTES)
    if head[:1] == b"\xff" or head[:3] == b"ID3":
        head = feed.peek(sound_kinds.HEAD_BYTES)
    if _is_wav(head):
        yield from _wav_streams(feed, wanted_hz, channel)
    elif _is_other_sound(head):
        yield from _decoded(feed, wanted_hz, channel)
    elif (what := sound_kinds.foreign(head)) is not None:
        command = sound_kinds.conversion("-", wanted_hz)
        raise InputError(f"standard input is {what}, which cannot be read; convert it: {command}")
    elif head.strip(b"\0") and (what := sound_kinds.no_sound(head)) is not None:
        raise InputError(f"standard input is {what}")
    elif _WAV_ARCHIVE.match(head):
        raise InputError("standard input is a Kaldi archive of wav files; split it with wav-copy, and name the files")
    elif sound_mpeg.begins_in_frame(feed.peek(sound_kinds.HEAD_BYTES)):
        yield from _decoded(feed, wanted_hz, channel)
    elif head:
        mixer = Mixer(SampleFormat(rate_hz, 1, "PCM_16", 2), wanted_hz, channel)
        while available := len(feed.window(1)):
            yield mixer.samples(feed.take(available))
        yield mixer.end()


def sounding(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks. Raises InputError if they hold no byte."""
    empty = True
    for block in blocks:
        empty = empty and not block
        yield block
    if empty:
        raise InputError("standard input is empty")


def long_enough(samples: Iterable[Floats], rate_hz: int) -> Iterator[Floats]:
    """Yield the samples. Raises InputError if they are shorter than one window of features."""
    count = 0
    for block in samples:
        count += len(block)
        yield block
    if audio.is_short(count / rate_hz, rate_hz):
        reason = audio.too_short(count / rate_hz) if count else "holds no samples"
        raise InputError(f"standard input {reason}")


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] in (b"WAVE", b"")


def _is_other_sound(head: bytes) -> bool:
    known = (
        head.startswith(sound_kinds.SOUND_HEADS)
        or _RARE.match(head) is not None
        or sound_mpeg.is_mpeg(head)
        or head.startswith(b"ID3")
    )
    return known and sound_kinds.foreign(head) is None


# ---------------------------------------------------------------- wav


def _wav_streams(feed: ByteFeed, wanted_hz: int, channel: int | None) -> Iterator[Floats]:
    """Yield the samples of consecutive wav streams, without the chunks after the samples."""
    while _is_wav(feed.peek(12)):
        header, form, size = _wav_header(feed)
        if form is None:
            yield from _decoded(feed, wanted_hz, channel, header)
            return
        mixer = Mixer(form, wanted_hz, channel)
        yield from _samples_up_to(feed, size, mixer, len(header))
        yield mixer.end()


def _wav_header(feed: ByteFeed) -> tuple[bytes, SampleFormat | None, int | None]:
    """Take the header; return it, the format of the samples (None: they need a decoder), and their bytes if known."""
    header, form, long_size = feed.take(12), None, None
    while len(chunk := feed.take(8)) == 8:
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        header += chunk
        if name == b"data":
            if form is None:
                raise InputError("standard input is a WAV file without a format")
            known = long_size if long_size and size == 0xFFFFFFFF else size
            return header, form[0], None if known == 0 or never_filled_in(known) else known
        body = feed.take(size + size % 2)
        header += body
        if name == b"fmt " and len(body) >= 16:
            form = (_form(body),)
        elif name == b"ds64" and len(body) >= 16:
            long_size = struct.unpack_from("<Q", body, 8)[0]
    raise InputError("standard input ended within the header of a WAV file")


def _form(body: bytes) -> SampleFormat | None:
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind == 0xFFFE and len(body) >= 26:
        kind = struct.unpack_from("<H", body, 24)[0]
    if channels < 1 or not sound_file.RATES_HZ[0] <= rate_hz <= sound_file.RATES_HZ[1]:
        raise InputError(f"standard input is a WAV file of {channels} channels at {rate_hz} Hz")
    coding = _CODINGS.get((kind, bits))
    return None if coding is None else SampleFormat(rate_hz, channels, coding, bits // 8)


def _samples_up_to(feed: ByteFeed, size: int | None, mixer: Mixer, header_bytes: int) -> Iterator[Floats]:
    """Yield the samples of a wav stream, `size` bytes by its header, and take the chunks after them."""
    left = size
    while window := feed.window(_MARKER_BYTES):
        marker = _MARKER.search(window)
        usable = len(window) if feed.ended else len(window) - _MARKER_BYTES + 1
        usable = marker.start() if marker is not None else usable
        if left is not None and left <= usable:
            usable, left = left, 0
        elif left is not None:
            left -= usable
        if usable:
            yield mixer.samples(feed.take(usable))
        if left == 0 or (marker is not None and usable == marker.start()):
            if not _samples_go_on(feed, padded=left == 0 and bool(size and size % 2)):
                return
            left = None  # the size in the header is too small
    if left is not None and left >= mixer.block and left not in (8, 36, 44, header_bytes, header_bytes - 8):
        warn(f"standard input ended {left} bytes before the end in its WAV header")


def _samples_go_on(feed: ByteFeed, *, padded: bool) -> bool:
    """Take chunks and tags; return whether samples follow, False at the end and before another wav stream."""
    if padded and feed.peek(1) == b"\0":
        feed.skip(1)
    while head := feed.peek(_MARKER_BYTES):
        if _is_wav(head):
            return False
        if head.startswith((b"TAG", b"APETAGEX", b"ID3\x03", b"ID3\x04")):
            feed.skip(1 << 62)
        elif is_metadata(head) and len(head) >= 8:
            size = struct.unpack_from("<I", head, 4)[0]
            feed.skip(8 + size + size % 2)
        else:
            return True
    return False


# ---------------------------------------------------------------- sounds that are decoded when complete


def _decoded(feed: ByteFeed, wanted_hz: int, channel: int | None, before: bytes = b"") -> Iterator[Floats]:
    """Yield the samples of a sound that is stored up to its end, then decoded. `before`: bytes already taken."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as stored:
        try:
            stored.write(before)
            while available := len(feed.window(1)):
                stored.write(feed.take(available))
            stored.flush()
        except OSError as error:
            folder = tempfile.gettempdir()
            raise InputError(f"cannot store standard input up to its end: {error.strerror}", file=folder) from error
        try:
            with sound_file.opened(stored, "-", rate_hz=wanted_hz) as sound:
                mixer = Mixer(SampleFormat(sound.samplerate, sound.channels, "FLOAT", 4), wanted_hz, channel)
                for first in range(0, sound.frames, BLOCK_FRAMES):
                    frames = sound.read(min(BLOCK_FRAMES, sound.frames - first))
                    if not len(frames):
                        raise InputError(f"standard input is damaged: it ends before frame {sound.frames}")
                    yield mixer.mixed(frames)
                yield mixer.end()
        except sound_kinds.SoundError as error:
            raise InputError(f"standard input {error.message}") from error
        except RuntimeError as error:
            raise InputError(f"standard input is truncated or damaged: {error}") from error
