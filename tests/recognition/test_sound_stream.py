"""Standard input: every kind of sound in pieces of any size, and other kinds of files, refused by name."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from asr.errors import InputError
from asr.recognition.sound_stream import long_enough, samples_of, sounding

RATE_HZ = 16000
VALUES = (2000 * np.sin(np.arange(8000) * 0.05)).astype("<i2")
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"


def encoded(
    kind: str, subtype: str | None = None, values: np.ndarray = VALUES, rate_hz: int = RATE_HZ, **more
) -> bytes:
    stream = io.BytesIO()
    if subtype in ("FLOAT", "DOUBLE"):  # soundfile writes integers there as they are
        values = values / 32768
    soundfile.write(stream, values, rate_hz, format=kind, subtype=subtype, **more)
    return stream.getvalue()


def heard(data: bytes, size: int = 1000, channel: int | None = None) -> np.ndarray:
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return np.concatenate([np.zeros(0, np.float32), *samples_of(pieces, RATE_HZ, RATE_HZ, channel)])


def with_size(data: bytes, size: int) -> bytes:
    place = data.index(b"data") + 4
    return data[:place] + struct.pack("<I", size) + data[place + 4 :]


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_samples_of_every_width_are_read(kind, subtype, size):
    np.testing.assert_allclose(heard(encoded(kind, subtype), size), VALUES, atol=0.01)


@pytest.mark.parametrize(
    ("subtype", "off_by"), [("PCM_U8", 256), ("ALAW", 70), ("ULAW", 70), ("IMA_ADPCM", 300), ("MS_ADPCM", 300)]
)
def test_wav_of_coarser_codings(subtype, off_by):
    got = heard(encoded("WAV", subtype))
    assert len(got) - len(VALUES) in range(1100)  # the last block of ADPCM is filled up
    assert np.abs(got[: len(VALUES)] - VALUES).max() <= off_by


@pytest.mark.parametrize(
    "kind", ["AIFF", "AU", "CAF", "NIST", "W64", "FLAC", "OGG", "MP3", "VOC", "PVF", "PAF", "IRCAM"]
)
def test_other_sounds_are_decoded_when_they_are_complete(kind):
    got = heard(encoded(kind))
    assert len(got) == len(VALUES)
    assert np.sqrt(np.mean((got - VALUES) ** 2)) < (150 if kind in ("OGG", "MP3") else 1)


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_raw_samples_in_any_pieces(size):
    np.testing.assert_array_equal(heard(VALUES.tobytes(), size), VALUES)


@pytest.mark.parametrize("size", [1, 45, 10_000])
def test_channels_are_averaged(size):
    values = np.stack([np.arange(500), np.arange(0, 1500, 3)], axis=1).astype("i2")
    np.testing.assert_array_equal(heard(encoded("WAV", values=values), size), np.arange(0, 1000, 2))


def test_big_endian_wav_and_stereo_flac():
    np.testing.assert_array_equal(heard(encoded("WAV", endian="BIG")), VALUES)
    both = np.stack([VALUES, VALUES // 2], axis=1)
    np.testing.assert_array_equal(heard(encoded("FLAC", values=both), channel=1), VALUES // 2)
    np.testing.assert_array_equal(heard(encoded("WAV", values=both), channel=1), VALUES // 2)
    with pytest.raises(InputError, match="has 2 channels, not number 2"):
        heard(encoded("WAV", values=both), channel=2)


@pytest.mark.parametrize(
    "promised", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 4000, 16000 + 36, 16000 + 44, 16001, 15999]
)
@pytest.mark.parametrize(
    "behind", [b"", LIST, b"bext\x5a\x02\0\0" + b"a" * 602 + LIST, b"_PMX\x64\0\0\0" + b"x" * 100]
)
@pytest.mark.parametrize("size", [3, 5000])
def test_wrong_sizes_in_wav_headers_and_chunks_after_the_samples(promised, behind, size, capsys):
    np.testing.assert_array_equal(heard(with_size(encoded("WAV"), promised) + behind, size), VALUES)
    assert capsys.readouterr().err == ""


def test_consecutive_wav_streams_are_all_read():
    slow = encoded("WAV", values=VALUES[::2], rate_hz=8000)
    assert len(heard(encoded("WAV") + LIST + slow)) == 16000
    np.testing.assert_array_equal(heard(with_size(encoded("WAV"), 0xFFFFFFFF) * 2), np.tile(VALUES, 2))
    long = encoded("RF64")
    place = long.index(b"ds64") + 8
    long = long[:place] + bytes(24) + long[place + 24 :]
    for name in (b"RF64", b"BW64"):
        np.testing.assert_array_equal(heard((name + long[4:]) * 2), np.tile(VALUES, 2))


def test_mp3_that_begins_within_a_frame_is_not_read_as_samples():
    data = encoded("MP3")
    assert abs(len(heard(data[500:])) - len(VALUES)) < 3 * 1152
    quiet = np.random.default_rng(0).normal(0, 20, 16000).astype("<i2")
    quiet[0] = -1  # as the first two bytes of MPEG audio of layer I
    np.testing.assert_array_equal(heard(quiet.tobytes()), quiet)


def test_cut_sounds_are_warned_of_or_refused(capsys):
    assert len(heard(encoded("WAV")[:-6001])) == 4999
    said = capsys.readouterr().err
    assert "ended 6001 bytes before" in said and "within a sample: its last 1 bytes" in said
    with pytest.raises(InputError, match="standard input is truncated"):
        heard(encoded("FLAC")[:-1000])
    assert len(heard(VALUES.tobytes()[:-1])) == 7999
    assert "within a sample" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(99), r"MP4 file .*ffmpeg -i - -ac 1 -ar 16000 -f wav -"),
        (b"utt1 RIFF\x24\x10\0\0WAVEfmt " + bytes(99), "archive of wav files"),
        (b"\x1aE\xdf\xa3" + bytes(99), "Matroska or WebM.*ffmpeg -i -"),
        (b"#!AMR\n" + bytes(99), "AMR.*ffmpeg -i -"),
        ((b"\xff\xf1\x50\x80\x01\x9f\xfc" + bytes(5)) * 3, "AAC.*ffmpeg -i -"),
        (b"hello\n", "a text file"),
        ("今天天气很好".encode(), "a text file"),
        (b"<!DOCTYPE html><html>" + b" " * 99, "an HTML page"),
        (encoded("WAV")[:30], "ended within the header"),
        (encoded("WAV")[:38].replace(b"fmt ", b"data"), "without a format"),
    ],
)
def test_other_kinds_of_files_are_refused_by_name(data, reason):
    with pytest.raises(InputError, match=reason):
        heard(data)


def test_raw_samples_that_begin_like_a_header_are_samples():
    rng = np.random.default_rng(0)
    for first in (-1, -1025, -3585, 0, 19282, 0x4952):  # FF FF, FF FB, FF F1, zeros, "RK", "RI"
        values = np.concatenate([[first], rng.normal(0, 3000, 999)]).astype("<i2")
        np.testing.assert_array_equal(heard(values.tobytes(), 10), values)
    assert not heard(bytes(3200)).any()


def test_an_empty_stream_is_refused():
    with pytest.raises(InputError, match="standard input is empty"):
        list(sounding([]))
    assert not len(heard(b""))
    assert list(sounding([b"ab"])) == [b"ab"]


@pytest.mark.parametrize(
    ("count", "says"), [(0, "holds no samples"), (1, "lasts"), (399, "lasts 0.0249 s, less than")]
)
def test_a_stream_shorter_than_one_window(count, says):
    data = encoded("WAV", values=VALUES[:count])
    with pytest.raises(InputError, match=f"standard input {says}"):
        list(long_enough(samples_of([data], RATE_HZ, RATE_HZ), RATE_HZ))
    assert len(list(long_enough(samples_of([VALUES[:400].tobytes()], RATE_HZ, RATE_HZ), RATE_HZ))) == 2


def test_counter_phase_is_warned_of_once_and_a_channel_can_be_selected(capsys):
    data = encoded("WAV", values=np.stack([VALUES, -VALUES], axis=1))
    assert not heard(data, 1000).any()
    assert capsys.readouterr().err.count("counter-phase") == 1
    np.testing.assert_array_equal(heard(data, channel=0), VALUES)
    assert capsys.readouterr().err == ""


def test_another_rate_is_converted_without_seams():
    """A tone of 440 Hz at 44.1 kHz in pieces of 1000 samples becomes one at 16 kHz, of the same length."""
    times = np.arange(3 * 44100) / 44100
    data = np.round(8000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()
    pieces = (data[start : start + 2000] for start in range(0, len(data), 2000))
    got = np.concatenate(list(samples_of(pieces, 44100, RATE_HZ)))
    assert len(got) == 3 * RATE_HZ
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(len(got)) / RATE_HZ)
    assert np.abs(got - expected)[100:-100].max() < 40  # half a per cent; the ends lack their neighbours
