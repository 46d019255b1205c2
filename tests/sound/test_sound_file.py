"""The length of a sound: its samples count, not its header, and no byte behind them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.sound import audio
from asr.sound import file as sound_file
from asr.sound import frames as sound_frames
from asr.sound import mpeg as sound_mpeg

N = 8000
VALUES = (3000 * np.sin(np.arange(N) * 0.05) + np.random.default_rng(0).normal(0, 300, N)).astype("<i2")
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"
ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
TAG = b"TAG" + bytes(125)


def encoded(kind: str, subtype: str | None = None, *, values=VALUES, rate_hz: int = 16000, **more) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, values, rate_hz, format=kind, subtype=subtype, **more)
    return stream.getvalue()


@pytest.fixture
def length(tmp_path: Path) -> Callable[[bytes], int]:
    """Return length(bytes): the samples, on which info, check and read agree. Raises SoundError."""

    def measured(data: bytes, name: str = "a.bin") -> int:
        path = tmp_path / name
        path.write_bytes(data)
        rate_hz, _, frames = audio.info(path)
        assert round(audio.check(path, rate_hz=None) * rate_hz) == frames
        assert len(audio.read(path, rate_hz=None)) == frames
        return frames

    return measured


def sized(data: bytes, place: int, size: int, form: str = "<I") -> bytes:
    return data[:place] + struct.pack(form, size) + data[place + struct.calcsize(form) :]


@pytest.mark.parametrize("behind", [b"", LIST, LIST + b"id3 " + struct.pack("<I", len(ID3)) + ID3, TAG, bytes(512)])
@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("WAV", "ULAW")])
def test_sizes_of_wav_headers(length, kind, subtype, behind):
    data = encoded(kind, subtype)
    place = data.index(b"data") + 4
    size = struct.unpack_from("<I", data, place)[0]
    data = data[: place + 4 + size]  # without the PEAK chunk and the like
    right = [size, 0, size // 2, 100, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0xFFFFFFFF - 36]
    if behind != bytes(512):  # zeros behind a size that is wrong are samples
        for wrong in [*right, size + 8, size + 36, size + 44, size + place + 4, size + place - 4]:
            assert length(sized(data, place, wrong) + behind) == N, wrong - size
    assert length(data + behind) == N
    for riff in (0, 100, 0xFFFFFFFF):
        assert length(sized(data, 4, riff) + behind) == N


@pytest.mark.parametrize(
    ("kind", "field", "unknown"),
    [
        ("WAV", b"data", "ffffffff"),
        ("WAV", b"data", "00000000"),
        ("AIFF", b"SSND", "00000000"),
        ("AU", b".snd\0\0\0\x18", "ffffffff"),
        ("CAF", b"data", "ffffffffffffffff"),
        ("RF64", b"ds64\x1c\0\0\0" + bytes(8), "0000000000000000"),
    ],
)
def test_joined_sounds_whose_writers_did_not_know_their_length(length, kind, field, unknown):
    data = encoded(kind, values=VALUES[: N // 2]) if kind != "RF64" else encoded(kind)
    if kind == "RF64":
        field = data[data.index(b"ds64") : data.index(b"ds64") + 16]
    place, size = data.index(field) + len(field), bytes.fromhex(unknown)
    one = data[:place] + size + data[place + len(size) :]
    frames = length(data)
    for behind in (b"", LIST if kind == "WAV" else b""):
        assert length((one + behind) * 3) == 3 * frames


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "CAF", "W64", "RF64", "NIST", "FLAC", "OGG", "MP3"])
def test_tags_before_and_behind_every_kind(length, kind):
    data = encoded(kind)
    assert length(ID3 + data) == length(data + TAG) == N


def test_sizes_that_cut_a_sample_in_two(length):
    data = encoded("WAV")
    for size in (2 * N - 1, 2 * N + 1):
        assert length(sized(data, 40, size)) == N
    assert length(data + b"x") == N
    odd = encoded("WAV", "PCM_U8", values=VALUES[:-1])
    for tail in (odd[44 + N - 1 :], b"", LIST, b"\0" + LIST):
        assert length(odd[: 44 + N - 1] + tail) == N - 1


def test_what_stands_behind_the_samples_is_not_heard(tmp_path: Path):
    path = tmp_path / "a.wav"
    for size in (2 * N, 0, 2 * N + 44):
        path.write_bytes(sized(encoded("WAV"), 40, size) + LIST)
        assert np.array_equal(audio.read(path), VALUES)


@pytest.mark.parametrize(
    ("kind", "more", "field", "form", "header"),
    [
        ("AIFF", {}, b"SSND", ">I", 8),
        ("AIFF", {"endian": "LITTLE"}, b"SSND", ">I", 8),
        ("AIFF", {"subtype": "ULAW"}, b"SSND", ">I", 8),
        ("WAV", {"endian": "BIG"}, b"data", ">I", 44),
        ("W64", {}, b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", "<q", 24),
    ],
)
def test_sizes_of_other_containers_of_chunks(length, kind, more, field, form, header):
    data = encoded(kind, **more)
    place = data.index(field) + len(field)
    size = struct.unpack_from(form, data, place)[0]
    unknown = (2**63 - 1, -1) if form == "<q" else (0xFFFFFFFF, 0x7F000008)
    for wrong in (size, 0, size // 2 // 8 * 8, size + header, *unknown):
        assert length(sized(data, place, wrong, form)) == N, wrong
    with pytest.raises(audio.SoundError, match="is truncated: its header promises 1000 bytes more"):
        length(data[:-1000])
    if kind == "AIFF":
        assert length(sized(data, data.index(b"COMM") + 10, 0, ">I")) == N
        assert length(data + b"ANNO\0\0\0\x04abcd") == N


def test_sizes_of_rf64_bw64_and_caf(length):
    data = encoded("RF64")
    place = data.index(b"ds64") + 16
    for wrong in (0, N, 2**64 - 1):
        assert length(sized(data, place, wrong, "<Q")) == N
    assert length(b"BW64" + data[4:]) == N and length(data + LIST) == N
    caf = encoded("CAF")
    place = caf.index(b"data") + 4
    caf = caf[: place + 8 + 4 + 2 * N]
    for wrong in (-1, 0, N, 2**63 - 1):
        assert length(sized(caf, place, wrong, ">q")) == N
    assert length(encoded("CAF", "ALAC_16")) == N
    for cut in (data, caf, caf[: len(caf) // 2 + 1000], encoded("CAF", "ALAC_16")):
        with pytest.raises(audio.SoundError, match="is truncated"):
            length(cut[:-1000])
    with pytest.raises(audio.SoundError, match=r"CAF file of 'aac '.*ffmpeg -i .*a.bin -ac 1 -ar 16000"):
        length(caf.replace(b"lpcm", b"aac "))


def test_sizes_of_au_and_nist(length):
    for more in ({}, {"endian": "LITTLE"}, {"subtype": "ULAW"}):
        data = encoded("AU", **more)
        form = "<I" if data[:4] == b"dns." else ">I"
        for wrong in (0, 0xFFFFFFFF, len(data) // 2, len(data)):
            assert length(sized(data, 8, wrong, form)) == N
        with pytest.raises(audio.SoundError, match="is truncated"):
            length(data[:-1000])
    data = encoded("NIST")
    printed = b"sample_count -i 8000\n"
    assert printed in data[:1024]
    for wrong in (b"", b"sample_count -i 0\n", b"sample_count -i 400\n", b"sample_count -i 8512\n"):
        head = data[:1024].replace(printed, wrong)
        head = head[: head.index(b"end_head") + 9].ljust(1024)
        assert length(head + data[1024:]) == N
    with pytest.raises(audio.SoundError, match="is truncated"):
        length(data[:-1000])


@pytest.mark.parametrize("word", ["shorten-v2.00", "wavpack-v1.0", "shortpack-v0"])
def test_compressed_nist_is_named_and_converted(length, word):
    head = encoded("NIST")[:1024]
    head = head.replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-" + word.encode())
    with pytest.raises(audio.SoundError, match=f"compressed by {word.split('-')[0]}.*sph2pipe -f wav .*a.bin"):
        length(head[:1024] + b"ajkg\x02" + bytes(900))


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "AIFF", "AU", "NIST", "FLAC", "OGG", "MP3"])
def test_joined_sounds_are_read_as_one(length, tmp_path, kind):
    data = encoded(kind)
    assert length(data + data) == 2 * N
    whole = audio.read(tmp_path / "a.bin")
    assert np.array_equal(whole[:N], whole[N:])
    assert np.abs(audio.read(tmp_path / "a.bin", start_s=0.4, end_s=0.7) - whole[6400:11200]).max() < 0.01
    if kind not in ("AIFF", "AU", "NIST"):
        assert length(data + encoded(kind, values=VALUES[:4000]) + data) == 2 * N + 4000
    with pytest.raises(audio.SoundError, match="2 sounds, one behind the other, of 16000 and 8000 Hz"):
        length(data + encoded(kind, rate_hz=8000))


def test_joined_wav_streams_without_sizes(length):
    data = sized(encoded("WAV"), 40, 0xFFFFFFFF)
    assert length(data + data) == 2 * N
    assert length(encoded("WAV") + LIST + encoded("WAV") + LIST) == 2 * N
    assert length(encoded("WAV") + encoded("FLAC")) == 2 * N


# ---------------------------------------------------------------- compressed


def test_flac_without_a_length_or_with_a_wrong_one(length):
    data = encoded("FLAC")
    for printed in (0, 4000):
        wrong = sized(data, 22, printed, ">I")
        assert length(wrong) == N and length(wrong + TAG) == N
    unknown = sized(data, 22, 0, ">I")
    assert length(unknown + unknown) == 2 * N
    assert length(ID3 + data) == N and length(ID3 + unknown) == N
    cut = (unknown[:-1], unknown[:-100], data[:-1], data[:-100], data[: len(data) // 2])
    for bad in (*cut, sized(data, 22, 9000, ">I")):
        with pytest.raises(audio.SoundError, match="truncated"):
            length(bad)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_cut_and_chained_ogg(length, subtype):
    data = encoded("OGG", subtype)
    assert length(data) == N and length(data + bytes(100)) == N
    for cut in (1, 2, 100, len(data) // 3):
        with pytest.raises(audio.SoundError, match="is truncated: its last page is not whole"):
            length(data[:-cut])
    assert length(encoded("OGG", "VORBIS") + encoded("OGG", "OPUS")) == 2 * N


def mp3(rate_hz: int = 16000, mode: str = "CONSTANT", values=VALUES) -> bytes:
    return encoded("MP3", values=values, rate_hz=rate_hz, bitrate_mode=mode, compression_level=0.5)


def without_info(data: bytes) -> bytes:
    first = sound_mpeg._length(data, 0)
    assert b"Xing" in data[:first] or b"Info" in data[:first]
    return data[first:]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 44100])
def test_mp3_without_its_first_frame(length, rate_hz, mode, capfd):
    data = mp3(rate_hz, mode)
    bare = without_info(data)
    most = 3 * 1152  # what the encoder puts before and behind the samples
    assert length(data) == N
    for several, least in ((bare, N), (bare + bare, 2 * N), (data + bare, 2 * N), (bare + data, 2 * N)):
        assert least <= length(several) <= least + 2 * most
    assert capfd.readouterr().err == ""


def test_mp3_with_tags_and_wrong_counts(length, capfd):
    data = mp3()
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 40, 0, 0xA0000000) + bytes(16)
    ape_end = b"APETAGEX" + struct.pack("<IIII", 2000, 40, 0, 0x80000000) + bytes(8)
    big = b"ID3\x04\0\0\0\x02\0\0" + bytes(2 << 14)
    for tagged in (ID3 + data, data + TAG, ape + ape_end + data, data + ape + ape_end, bytes(99) + data, big + data):
        assert length(tagged) == N
    assert length(ID3 + data + TAG + ID3 + data + TAG) == 2 * N
    place = max(data.find(b"Info"), data.find(b"Xing")) + 8
    frames = struct.unpack_from(">I", data, place)[0]
    for wrong in (1, frames // 2, frames - 1, frames + 1):
        assert N <= length(sized(data, place, wrong, ">I")) <= N + 3 * 1152
    with pytest.raises(audio.SoundError, match=rf"promises {2 * frames} frames, {frames} are there"):
        length(sized(data, place, 2 * frames, ">I"))
    for cut in (1, 100, len(data) // 2):
        with pytest.raises(audio.SoundError, match="is truncated"):
            length(data[:-cut])
    assert capfd.readouterr().err == ""


def test_mp3_that_begins_within_a_frame(length):
    data = without_info(mp3())
    first, second = (sound_mpeg._length(data, 0) for _ in range(2))
    frames = length(data)
    assert frames - 2 * 1152 <= length(data[first // 2 :]) < frames
    assert length(data[first + second :]) == frames - 2 * 576


def test_segments_of_an_mp3_whose_length_was_counted(tmp_path: Path):
    (tmp_path / "a.mp3").write_bytes(without_info(mp3()))
    whole = audio.read(tmp_path / "a.mp3")
    assert np.abs(whole[1600:6400] - audio.read(tmp_path / "a.mp3", start_s=0.1, end_s=0.4)).max() < 1


def test_a_large_file_is_searched_once(tmp_path: Path, monkeypatch):
    """The layout of a file is searched again when the file changes."""
    searched = []
    flac_streams = sound_frames.flac_streams
    monkeypatch.setattr(sound_file, "REMEMBERED_BYTES", 100)
    monkeypatch.setattr(sound_frames, "flac_streams", lambda *about: searched.append(1) or flac_streams(*about))
    path, flac = tmp_path / "a.flac", encoded("FLAC")
    path.write_bytes(flac)
    for start_s in (0.0, 0.1, 0.2):
        assert len(audio.read(path, start_s=start_s, end_s=0.3)) == 4800 - round(16000 * start_s)
    assert len(searched) == 1
    path.write_bytes(flac + flac)
    assert len(audio.read(path)) == 2 * N and len(searched) == 2


def test_codings_that_cannot_seek_are_read_from_the_start(length, tmp_path):
    assert N <= length(encoded("WAV", "GSM610", values=VALUES, rate_hz=8000)) <= N + 320
    whole = audio.read(tmp_path / "a.bin", rate_hz=None)
    assert np.array_equal(audio.read(tmp_path / "a.bin", rate_hz=None, start_s=0.5), whole[4000:])


# ---------------------------------------------------------------- archives and pipes


def archive(path: Path, sounds: dict[str, bytes]) -> dict[str, int]:
    """Write an archive as Kaldi's wav-copy does (key, space, wav file) and return the offsets."""
    offsets, content = {}, b""
    for key, data in sounds.items():
        content += key.encode() + b" "
        offsets[key] = len(content)
        content += data
    path.write_bytes(content)
    return offsets


def test_an_archive_of_wav_files(tmp_path: Path, monkeypatch):
    short, long = encoded("WAV", values=VALUES[:4000]), encoded("WAV")
    offsets = archive(tmp_path / "x.ark", {"utt1": short, "utt2": long})
    assert offsets == {"utt1": 5, "utt2": 5 + len(short) + 5}
    one, two = (f"{tmp_path}/x.ark:{offset}" for offset in offsets.values())
    assert np.array_equal(audio.read(one), VALUES[:4000]) and np.array_equal(audio.read(two), VALUES)
    assert audio.check(one) == 0.25 and np.array_equal(audio.read(two, start_s=0.1, end_s=0.2), VALUES[1600:3200])
    with pytest.raises(audio.SoundError, match="not a readable sound of an archive"):
        audio.read(f"{tmp_path}/x.ark:7")
    with pytest.raises(audio.SoundError, match="ends before byte 99999999"):
        audio.read(f"{tmp_path}/x.ark:99999999")
    archive(tmp_path / "x.ark", {"utt1": sized(short, 40, 0), "utt2": long})
    with pytest.raises(audio.SoundError, match="does not say how long it is"):
        audio.read(one)
    archive(tmp_path / "x.ark", {"utt1": short, "utt2": long[:-1000]})
    with pytest.raises(audio.SoundError, match="truncated"):
        audio.read(two)
    (tmp_path / "x.ark:5").write_bytes(long)
    assert np.array_equal(audio.read(one), VALUES)  # a file of this very name


def test_a_data_directory_with_an_archive_and_segments(tmp_path: Path, monkeypatch):
    offsets = archive(tmp_path / "x.ark", {"rec1": encoded("WAV"), "rec2": encoded("WAV", values=VALUES[::-1])})
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "wav.scp").write_text("".join(f"{key} x.ark:{offset}\n" for key, offset in offsets.items()))
    (folder / "segments").write_text("s-a rec1 0.1 0.3\ns-b rec2 0 0.25\n")
    (folder / "text").write_text("s-a 今天\ns-b 明天\n", encoding="utf-8")
    (folder / "utt2spk").write_text("s-a s\ns-b s\n")
    data = DataDir.read(folder)
    assert data.recordings["rec2"] == f"{tmp_path}/x.ark:{offsets['rec2']}"
    assert main(["validate", "--data", str(folder)]) == 0
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")  # the paths that are written do not depend on the folder
    item = list(data.utterances())[1]
    assert np.array_equal(audio.read(item.source, end_s=item.end_s), VALUES[::-1][:4000])


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "NIST", "AIFF"])
def test_pipes_are_measured_as_files_are(tmp_path: Path, kind):
    data = encoded(kind)
    if kind == "WAV":
        data = sized(data, 40, 0)
    if kind == "MP3":
        data = without_info(data)
    (tmp_path / "a").write_bytes(data)
    piped = audio.read(f"cat {tmp_path}/a |", allow_pipes=True)
    assert len(piped) >= N and np.array_equal(piped, audio.read(tmp_path / "a"))
