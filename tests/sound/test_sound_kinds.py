"""Files that cannot be read are named by their content, else by their suffix, with a conversion command."""

from __future__ import annotations

import gzip
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_samples import sound

from asr.cli import main
from asr.errors import InputError
from asr.sound import audio
from asr.sound import mpeg as sound_mpeg
from asr.sound.decoder_noise import quiet
from asr.sound.kinds import foreign, no_sound

NOISE = np.random.default_rng(3).bytes(3000)
ADTS = (b"\xff\xf1\x50\x80\x01\x9f\xfc" + bytes(5)) * 20


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "MP4"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "MP4"),
        (b"\0\0\0\x14ftyp3gp4\0\0\0\0", "3GP"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "QuickTime"),
        (b"#!AMR\n", "AMR"),
        (b"#!AMR-WB\n", "AMR"),
        (b"\x02#!SILK_V3", "SILK"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "Windows Media"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", "Matroska or WebM"),
        (ADTS, "AAC"),
        (b"MAC \x96\x0f\0\0", "Monkey's Audio"),
        (b"wvpk\0\0\0\0", "WavPack"),
        (b"TTA1\1\0", "True Audio"),
        (b"ajkg\x02", "shorten"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"FLV\x01\x05", "Flash"),
        (b"MThd\0\0\0\6", "MIDI"),
        (b"OggS\0\2" + bytes(20) + b"\x01\x50Speex   1.2", "Speex"),
        (b"OggS\0\2" + bytes(20) + b"\x01\x2a\x80theora", "video"),
        (b"\x0b\x77" + NOISE, "AC-3"),
    ],
)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".m4a", ""])
def test_foreign_sounds_are_named_by_their_content(tmp_path: Path, head: bytes, name: str, suffix: str):
    path = tmp_path / f"a b{suffix}"
    path.write_bytes(head.ljust(2000, b"\x55"))
    target = tmp_path / ("a b.converted.wav" if suffix == ".wav" else "a b.wav")
    with pytest.raises(audio.SoundError) as caught:
        audio.check(path, rate_hz=8000)
    printed = str(caught.value)
    assert name in printed and f"convert it: ffmpeg -i '{path}' -ac 1 -ar 8000 '{target}'" in printed
    assert caught.value.kind == "unreadable audio"


@pytest.mark.parametrize(
    ("suffix", "name"),
    [(".m4a", "MP4"), (".amr", "AMR"), (".wma", "Windows"), (".webm", "WebM"), (".ape", "Monkey's"), (".aac", "AAC")],
)
def test_the_suffix_is_believed_where_the_content_says_nothing(tmp_path: Path, suffix: str, name: str):
    (tmp_path / f"a{suffix}").write_bytes(NOISE)
    with pytest.raises(audio.SoundError, match=rf"{name}.* by its name.*ffmpeg -i .*a{suffix} -ac 1 -ar 16000 "):
        audio.read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"not a sound" * 99, "a text file"),
        ("今天天气很好\n".encode() * 30, "a text file"),
        ("今天天气很好\n".encode("gb18030") * 30, "a text file"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML file"),
        (b'{"error": "not found"}', "a JSON file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (gzip.compress(NOISE), "a gzip archive; unpack it"),
        (b"PK\x03\x04" + NOISE, "a zip archive"),
        (b"%PDF-1.4\n", "a PDF"),
        (b"\x89PNG\r\n", "a picture"),
        (bytes(5000), "nothing but zeros"),
    ],
)
def test_other_files_called_wav_are_named(tmp_path: Path, data: bytes, what: str):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(audio.SoundError, match=what) as caught:
        audio.info(tmp_path / "a.wav", key="utt1")
    assert str(caught.value).startswith(f"{tmp_path}/a.wav: utt1: ") and "ffmpeg" not in str(caught.value)


def test_samples_without_a_header(tmp_path: Path):
    path = tmp_path / "a.raw"
    path.write_bytes(NOISE)
    with pytest.raises(audio.SoundError, match=r"has no header.*ffmpeg -f s16le -ar 16000 -ac 1 -i .*a\.raw"):
        audio.check(path)
    sound(path.with_suffix(".wav")).rename(path)  # a name says less than the content
    assert len(audio.read(path)) == 4800


def test_sounds_that_are_read_are_not_foreign():
    for head in (
        b"RIFF\0\0\0\0WAVEfmt ",
        b"fLaC\0\0\0\x22",
        b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis",
        b"caff\0\1",
    ):
        assert foreign(head) is None and no_sound(head.ljust(100, b"\xfe")) is None


def test_validate_names_the_conversion(tmp_path: Path, refused):
    folder = tmp_path / "d"
    folder.mkdir()
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + NOISE)
    (folder / "wav.scp").write_text(f"u1 {tmp_path}/a.m4a\n")
    (folder / "text").write_text("u1 今天\n", encoding="utf-8")
    (folder / "utt2spk").write_text("u1 u1\n")
    line = refused(["validate", "--data", folder])
    assert line.startswith(f"{tmp_path}/a.m4a: u1: is an MP4 file")
    assert line.endswith(f"ffmpeg -i {tmp_path}/a.m4a -ac 1 -ar 16000 {tmp_path}/a.wav")


# ---------------------------------------------------------------- counter-phase


def test_channels_that_cancel_one_another(tmp_path: Path):
    one = 8000 * np.sin(np.arange(16000) * 0.05)
    noise = np.random.default_rng(0).normal(0, 20, (16000, 2))
    for other, cancels in ((-one, True), (one, False), (np.zeros(16000), False), (-0.5 * one, False)):
        soundfile.write(tmp_path / "a.wav", (np.stack([one, other], axis=1) + noise).astype(np.int16), 16000)
        assert len(audio.read(tmp_path / "a.wav", channel=1)) == 16000
        if cancels:
            with pytest.raises(audio.SoundError, match=r"counter-phase.*--channel 0"):
                audio.read(tmp_path / "a.wav", as_it_is=True)
        else:
            assert len(audio.read(tmp_path / "a.wav", as_it_is=True)) == 16000
    soundfile.write(tmp_path / "a.wav", np.array([[1, -1]] * 16000, np.int16), 16000)
    assert not audio.read(tmp_path / "a.wav", as_it_is=True).any()  # nothing that is worth a word


# ---------------------------------------------------------------- the decoder's own messages


def damaged_mp3(path: Path) -> Path:
    """Write an mp3 whose decoder writes to descriptor 2: its Xing frame has a wrong size, and frames are damaged."""
    values = (8000 * np.sin(np.arange(32000) * 0.05)).astype(np.int16)
    soundfile.write(path, values, 16000, format="MP3")
    data = bytearray(path.read_bytes())
    place = max(data.find(b"Info"), data.find(b"Xing"))
    data[place + 12 : place + 16] = struct.pack(">I", 77)
    frame = 0
    for _ in range(20):
        frame += sound_mpeg._length(bytes(data), frame)
    data[frame + 40 : frame + 70] = b"\xa5" * 30  # within a frame: its header is whole
    path.write_bytes(data)
    return path


def test_the_decoder_does_write_to_the_terminal_without_help(tmp_path: Path, capfd):
    path = damaged_mp3(tmp_path / "a.mp3")
    with soundfile.SoundFile(path) as plain:
        plain.seek(20000)
        plain.read(100)
    assert "Xing" in capfd.readouterr().err


def test_the_decoder_writes_nothing_to_the_terminal(tmp_path: Path, capfd):
    path = damaged_mp3(tmp_path / "a.mp3")
    for start_s in (None, 1.25, 0.5):
        audio.read(path, start_s=start_s)
    audio.check(path)
    assert capfd.readouterr().err == ""


def test_messages_of_others_are_kept(tmp_path: Path, capfd):
    def decode() -> None:
        for _ in range(20):
            with quiet():
                os.write(2, b"Note: Illegal Audio-MPEG-Header 0x00000000 at offset 9.\n\nwarning: ours\n")
                os.write(2, b"\nWarning: Xing stream size off by more than 1%, fuzzy seeking!\n")

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "warning: ours\n" * 80 + "after\n"


def test_an_error_within_leaves_the_descriptor_as_it_was(capfd):
    with pytest.raises(InputError), quiet():
        os.write(2, b"[src/libmpg123/layer3.c:INT123_do_layer3():1771] error: dequantization failed!\n")
        raise InputError("no")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


# ---------------------------------------------------------------- too short for a window


def short_data(folder: Path, shortest: int, count: int = 20) -> Path:
    """Write a data directory of `count` sounds of 0.1 s, the first one of `shortest` samples."""
    folder.mkdir()
    rows = []
    for number in range(count):
        path = folder / f"s{number:02}.wav"
        soundfile.write(path, np.random.default_rng(number).normal(0, 900, 1600).astype(np.int16), 16000)
        rows.append((f"s{number:02}", path))
    soundfile.write(rows[0][1], np.ones(shortest, np.int16), 16000)
    (folder / "wav.scp").write_text("".join(f"{key} {path}\n" for key, path in rows))
    (folder / "text").write_text("".join(f"{key} 今天\n" for key, _ in rows), encoding="utf-8")
    (folder / "utt2spk").write_text("".join(f"{key} {key}\n" for key, _ in rows))
    return folder


@pytest.mark.parametrize(("shortest", "says"), [(0, "no samples"), (1, "less than one"), (399, "less than one")])
def test_short_sounds_are_named_counted_and_bounded(tmp_path: Path, refused, capsys, shortest: int, says: str):
    data, out = short_data(tmp_path / "d", shortest), tmp_path / "o"
    line = refused(["validate", "--data", data])
    assert line.startswith(f"{data}/s00.wav: s00: ") and says in line
    assert main(["repair", "--data", str(data), "--out", str(out)]) == 0
    assert "s00" in capsys.readouterr().out and "s00" not in (out / "text").read_text(encoding="utf-8")
    line = refused(["repair", "--data", data, "--out", tmp_path / "p", "--max-missing", "0.04"])
    assert line.startswith(f"{data}/s00.wav: s00: ") and "1 of 20 utterances" in line


def test_copies_that_speed_makes_too_short_are_left_out(tmp_path: Path, refused, capsys):
    data, out = short_data(tmp_path / "d", 416), tmp_path / "o"  # 26 ms; 24 ms at 1.1
    assert main(["validate", "--data", str(data)]) == 0
    assert main(["perturb", "--data", str(data), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "dropped: " in printed
    assert "sp1.1-s00: lasts 0.0236 s at speed 1.1, less than one window of 0.025 s" in printed
    keys = {line.split()[0] for line in (out / "utt2spk").read_text().splitlines()}
    assert len(keys) == 59 and "sp0.9-s00" in keys and "sp1.1-s00" not in keys
    assert main(["validate", "--data", str(out)]) == 0
    line = refused(["perturb", "--data", data, "--out", tmp_path / "p", "--max-missing", "0.01"])
    assert "sp1.1-s00" in line and "1 of 60" in line and not (tmp_path / "p").exists()
    # a directory of other hands: the feature stage names the copy
    (out / "perturb").write_text((out / "perturb").read_text().replace("sp0.9-s00 speed=0.9", "sp0.9-s00 speed=1.1"))
    assert "sp0.9-s00: lasts 0.0236 s at speed 1.1" in refused(["validate", "--data", out])
    assert main(["features", "--data", str(out), "--out", str(tmp_path / "f"), "--pitch", "false", "--nj", "1"]) == 0
    captured = capsys.readouterr()
    assert "sp0.9-s00: 379 samples are shorter" in captured.err and "1 left out" in captured.out


def test_the_shortest_copy_that_has_a_frame(tmp_path: Path):
    data = short_data(tmp_path / "d", 439)  # 399.09 samples at 1.1, rounded up
    assert main(["perturb", "--data", str(data), "--out", str(tmp_path / "o"), "--speeds", "1.1"]) == 0
    assert len((tmp_path / "o" / "utt2spk").read_text().splitlines()) == 20
