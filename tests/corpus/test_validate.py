"""Every fault of a data directory: validate names it in one line with exit status 2; repair corrects or drops it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from corpus_samples import sound, write_lines

from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.corpus.soundcheck import SoundChecks
from asr.corpus.validate import Settings, find_problems, run
from asr.errors import InputError


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def change(name: str, number: int, line: str | None) -> Callable[[Path], None]:
    """Return a function that replaces line `number` of table `name` by `line`, or removes it (None)."""

    def spoil(data: Path) -> None:
        lines = lines_of(data / name)
        lines[number - 1 : number] = [] if line is None else line.split("\n")
        write_lines(data / name, lines)

    return spoil


def audio_of(key: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda data: make(data.parent / "train_sounds" / f"{key}.wav") and None


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def gbk(data: Path) -> None:
    (data / "text").write_bytes((data / "text").read_text(encoding="utf-8").encode("gbk"))


def utf16(data: Path) -> None:
    (data / "text").write_bytes((data / "text").read_text(encoding="utf-8").encode("utf-16"))


def crlf(data: Path) -> None:
    (data / "text").write_bytes((data / "text").read_bytes().replace(b"\n", b"\r\n"))


def bom(data: Path) -> None:
    (data / "text").write_bytes(b"\xef\xbb\xbf" + (data / "text").read_bytes())


def segments(*lines: str) -> Callable[[Path], None]:
    def spoil(data: Path) -> None:
        write_lines(data / "wav.scp", [f"call {data.parent}/train_sounds/s1u1.wav"])
        write_lines(data / "segments", list(lines))

    return spoil


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flac_half(path: Path) -> None:
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples, rate, format="FLAC")
    half(path)


GOOD = ("s1u1 call 0 0.1", "s1u2 call 0.1 0.2", "s2u1 call 0.2 0.3")
ALL, NOT_S1U1, NONE = "s1u1 s1u2 s2u1 s2u2", "s1u2 s2u1 s2u2", ""
# name: (what spoils the data, the line, what repair keeps with --max-missing 0.5: all except s1u1 if not given; NONE:
# it fails)
FAULTS: dict[str, tuple[Any, ...]] = {
    "no wav.scp": (lambda data: (data / "wav.scp").unlink(), r"wav.scp: no such file", NONE),
    "no text": (lambda data: (data / "text").unlink(), r"text: no such file", NONE),
    "empty text": (lambda data: write_lines(data / "text", []), r"text: is empty", NONE),
    "same line twice": (
        change("text", 2, "s1u2 打开空调\ns1u2 打开空调"),
        r"text:3: s1u2: this line has occurred before; .*repair mends this",
        ALL,
    ),
    "duplicate key": (
        change("text", 1, "s1u1 今天天气很好\ns1u1 另一句话"),
        r"text:2: s1u1: this key has occurred before, with another value \(line 1\)",
    ),
    "missing in text": (change("text", 1, None), r"wav.scp:1: s1u1: is not in text"),
    "missing in wav.scp": (change("wav.scp", 1, None), r"text:1: s1u1: is not in wav.scp"),
    "missing in utt2spk": (change("utt2spk", 1, None), r"spk2utt:1: s1u1: is in spk2utt but not in utt2spk"),
    "no path": (change("wav.scp", 1, "s1u1"), r"wav.scp:1: s1u1: nothing after the key"),
    "empty line": (change("wav.scp", 1, "\n"), r"wav.scp:1: empty line"),
    "contradicting speaker": (
        change("spk2utt", 1, "s1 s1u1\ns3 s1u2"),
        r"utt2spk:2: s1u2: its speaker is s1 here and s3 in spk2utt",
        ALL,
    ),
    "speaker left out": (change("spk2utt", 1, "s1 s1u1"), r"utt2spk:2: s1u2: .* s1 here and no speaker in", ALL),
    "two speakers": (change("utt2spk", 1, "s1u1 s1 s2"), r"utt2spk:1: s1u1: more than one speaker"),
    "pipe": (change("wav.scp", 1, "s1u1 touch was_run |"), r"wav.scp:1: s1u1: is a pipe.*--allow-pipes", NONE),
    "gbk": (gbk, r"text:1: s1u1: is not UTF-8 \(GBK\?\); convert it or pass --encoding gb18030", NONE),
    "utf-16": (utf16, r"text:1: is UTF-16, not UTF-8; convert it or pass --encoding utf-16", NONE),
    "byte-order mark of the file": (bom, r"text:1: the file begins with a byte-order mark; .*repair mends this", ALL),
    "byte-order mark within": (
        change("text", 1, "s1u1 \ufeff今天天气很好"),
        r"text:1: s1u1: a byte-order mark .*repair mends this",
        ALL,
    ),
    "CRLF": (crlf, r"text:1: lines end in CRLF, as Windows writes them; .*repair mends this", ALL),
    "full-width": (change("text", 1, "s1u1 万科Ａ"), r"text:1: s1u1: full-width form Ａ .*repair mends this", ALL),
    "zero width": (change("text", 1, "s1u1 今\u200b天"), r"text:1: s1u1: invisible character U\+200B", ALL),
    "lost character": (change("text", 1, "s1u1 今\ufffd天"), r"text:1: s1u1: holds U\+FFFD"),
    "no transcript": (change("text", 1, "s1u1"), r"text:1: s1u1: the transcript is empty"),
    "only punctuation": (change("text", 1, "s1u1 ……"), r"text:1: s1u1: '……' holds no word"),
    "no sound": (audio_of("s1u1", Path.unlink), r"s1u1.wav: s1u1: no such sound file"),
    "a FIFO": (audio_of("s1u1", fifo), r"s1u1.wav: s1u1: is a FIFO, a socket or a device, not a file"),
    "zero bytes": (audio_of("s1u1", lambda path: path.write_bytes(b"")), r"s1u1: is empty \(0 bytes\)"),
    "no samples": (audio_of("s1u1", lambda path: sound(path, seconds=0)), r"it holds no samples"),
    "not a sound": (audio_of("s1u1", lambda path: path.write_text("x" * 99)), r"is not a readable sound file"),
    "truncated wav": (audio_of("s1u1", half), r"s1u1.wav: s1u1: is truncated: its header promises 4\d+ "),
    "truncated flac": (audio_of("s1u1", flac_half), r"s1u1.wav: s1u1: is truncated or damaged"),
    "8 kHz": (
        audio_of("s1u1", lambda path: sound(path, rate_hz=8000)),
        r"s1u1.wav: s1u1: is sampled at 8000 Hz, not 16000 Hz; .*pass --rate-hz 8000",
    ),
    "44.1 kHz": (
        audio_of("s1u1", lambda path: sound(path, rate_hz=44100)),
        r"s1u1: is sampled at 44100 Hz, not 16000 Hz; pass --resample",
    ),
    "stereo": (audio_of("s1u1", lambda path: sound(path, channels=2)), r"s1u1: has 2 channels \(stereo\)"),
    "segment of nothing": (
        segments(*GOOD, "s2u2 other 0 1"),
        r"segments:4: s2u2: its recording other is not in wav.scp",
        "s1u1 s1u2 s2u1",
    ),
    "segment whose times float() alone reads": (
        segments(*GOOD, "s2u2 call 0_0 0.2"),
        r"segments:4: s2u2: 'call 0_0 0.2' is not: recording, start and end in seconds",
        "s1u1 s1u2 s2u1",
    ),
    "segment of a channel below zero": (
        segments(*GOOD, "s2u2 call 0 0.2 -1"),
        r"segments:4: s2u2: 'call 0 0.2 -1' is not: recording, start and end in seconds\[, channel\]",
        "s1u1 s1u2 s2u1",
    ),
    "segment past the end": (
        segments(*GOOD, "s2u2 call 0.2 9"),
        r"s1u1.wav: s2u2: the segment 0.2-9 s is not within the sound's 0.3 s",
        "s1u1 s1u2 s2u1",
    ),
    "no segment": (
        segments(*GOOD, "s2u2 call 0.2 0.1"),
        r"segments:4: s2u2: 'call 0.2 0.1' is not",
        "s1u1 s1u2 s2u1",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, line, *rest = FAULTS[name]
    kept = rest[0] if rest else NOT_S1U1
    spoil(data)
    report, out = tmp_path / "report.txt", tmp_path / "out"
    before = {path: path.read_bytes() for path in data.iterdir()}
    assert main(["validate", "--data", str(data), "--report", str(report), "--nj", "1"]) == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1 and re.search(line, output), output
    assert not report.exists() or report.read_text(encoding="utf-8").startswith("fault\t")

    status = main(["repair", "--data", str(data), "--out", str(out), "--max-missing", "0.5", "--nj", "1"])
    output = capsys.readouterr().err
    if kept:
        assert (status, output) == (0, "")
        assert DataDir.read(out).keys == kept.split()
        assert main(["validate", "--data", str(out), "--nj", "1"]) == 0
    else:
        assert status == 2 and output.count("\n") == 1 and re.search(line, output), output
        assert not out.exists()
    assert {path: path.read_bytes() for path in data.iterdir()} == before
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
    assert not Path("was_run").exists()


def test_faultless(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--data", str(data), "--deep"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{data}: 4 utterances of 2 speakers, nothing wrong\n", "")


def test_every_problem_is_counted_and_reported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change("text", 1, "s1u1 \ufeff今天")(data)
    change("text", 2, "s1u2 \ufeff空调")(data)
    change("text", 3, "s2u1")(data)
    change("utt2spk", 4, "s2u2 someone")(data)
    (data / "spk2utt").unlink()
    report = tmp_path / "report.txt"
    assert main(["validate", "--data", str(data), "--report", str(report), "--nj", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"{data}: byte-order mark: 2",
        f"{data}: warning, speaker no prefix: 1",
        f"{data}: empty transcript: 1",
    ]
    assert printed.err.endswith("(3 faults in all)\n")
    listed = [line.split("\t") for line in lines_of(report)]
    assert [(grade, kind) for grade, kind, _ in listed] == [
        ("fault", "byte-order mark"),
        ("fault", "byte-order mark"),
        ("warning", "speaker no prefix"),
        ("fault", "empty transcript"),
    ]
    assert listed[3][2] == f"{data}/text:3: s2u1: the transcript is empty"


def test_other_encodings(data: Path, tmp_path: Path) -> None:
    for spoil, encoding in ((gbk, "gb18030"), (utf16, "utf-16")):
        spoil(data)
        assert main(["validate", "--data", str(data), "--encoding", encoding]) == 0
        assert main(["repair", "--data", str(data), "--out", str(tmp_path / encoding), "--encoding", encoding]) == 0
        (data / "text").write_bytes((tmp_path / encoding / "text").read_bytes())
        assert lines_of(data / "text")[0] == "s1u1 今天天气很好"


def test_unknown_encoding(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--data", str(data), "--encoding", "klingon"]) == 2
    assert capsys.readouterr().err == "unknown encoding klingon\n"


def test_8_khz_throughout_and_resampling(data: Path, sounds: Path) -> None:
    for path in sounds.iterdir():
        sound(path, rate_hz=8000)
    assert main(["validate", "--data", str(data), "--rate-hz", "8000"]) == 0
    assert main(["validate", "--data", str(data), "--resample"]) == 2
    for path in sounds.iterdir():
        sound(path, rate_hz=48000)
    assert main(["validate", "--data", str(data), "--resample"]) == 0


def test_allowed_pipes(data: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(data / "wav.scp", [f"{key} cat {sounds / key}.wav |" for key in ALL.split()])
    assert main(["validate", "--data", str(data), "--allow-pipes", "--deep"]) == 0
    change("wav.scp", 2, "s1u2 cat /absent.wav |")(data)
    capsys.readouterr()
    assert main(["validate", "--data", str(data), "--allow-pipes"]) == 2
    assert "s1u2: the pipe failed with status 1: cat: /absent.wav" in capsys.readouterr().err


def test_damage_in_the_middle_needs_deep(aishell_sample: Path, data: Path, sounds: Path) -> None:
    damaged = bytearray((aishell_sample / "flac" / "BAC009S0150W0001.flac").read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 200] = bytes(200)
    (sounds / "s1u1.wav").write_bytes(damaged)
    assert main(["validate", "--data", str(data)]) == 0
    assert main(["validate", "--data", str(data), "--deep"]) == 2


def test_channel_of_stereo_by_segments(data: Path, sounds: Path) -> None:
    sound(sounds / "s1u1.wav", channels=2)
    segments(*(f"{line} {channel}" for line, channel in zip(GOOD, "01A", strict=True)), "s2u2 call 0.2 0.3 1")(data)
    assert main(["validate", "--data", str(data), "--deep"]) == 0


def test_real_directories(aishell_sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The published directories have four byte-order marks and a full-width letter; repair removes them."""
    for name, line in (
        ("train", "text:65: BAC009S0150W0084: a byte"),
        ("test", "BAC009S0252W0153: full-width form Ａ"),
    ):
        assert main(["validate", "--data", str(aishell_sample / "data" / name)]) == 2
        assert line in capsys.readouterr().err
        assert main(["repair", "--data", str(aishell_sample / "data" / name), "--out", str(tmp_path / name)]) == 0
        assert main(["validate", "--data", str(tmp_path / name)]) == 0


INVISIBLE = {
    "zero-width space": "\u200b",
    "no-break space": "\u00a0",
    "byte-order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "right-to-left mark": "\u200f",
    "control character": "\u0007",
    "Hangul filler": "\u3164",
}


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk", "spk2utt"])
@pytest.mark.parametrize("what", INVISIBLE)
def test_invisible_characters_in_keys_are_named_and_mended(name: str, what: str, data: Path, tmp_path: Path):
    path = data / name
    key, char = ("s1" if name == "spk2utt" else "s1u1"), INVISIBLE[what]
    path.write_text(path.read_text().replace(f"{key} ", f"{key}{char} ", 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        run(Settings(data=data, report=tmp_path / "report"))
    assert f"U+{ord(char):04X}" in str(refused.value) and "python -m asr repair mends this" in str(refused.value)
    assert DataDir.read(data).utt2spk["s1u1"] == "s1"


def test_look_alikes_in_keys_are_pointed_out(data: Path, tmp_path: Path):
    text = (data / "text").read_text()
    (data / "text").write_text(text.replace("s1u2", "s1u\uff12"), encoding="utf-8")
    with pytest.raises(InputError):
        run(Settings(data=data, report=tmp_path / "report"))
    output = (tmp_path / "report").read_text()
    assert "s1u2: is not in text; it differs from s1u２ in text only by U+0032 (2) in place of U+FF12 (２)" in output


@pytest.mark.parametrize("path", ["x" * 5000 + ".wav", "a\0b.wav"])
def test_paths_that_no_file_can_have(path: str, data: Path):
    lines = lines_of(data / "wav.scp")
    write_lines(data / "wav.scp", [f"s1u1 {path}", *lines[1:]])
    with pytest.raises(InputError, match="s1u1: "):
        run(Settings(data=data))


SIDE_TABLES = {
    "utt2dur": ("s1u1 0.3\ns1u2 long\ns2u1 0.3\ns2u2 0.3\n", "2: s1u2: 'long' is not a time in seconds"),
    "reco2dur": ("s1u1 -1\n", "1: s1u1: '-1' is not a time in seconds"),
    "utt2num_frames": ("s1u1 0\n", "1: s1u1: '0' is not a number of frames"),
    "spk2gender": ("s1 female\n", "1: s1: 'female' is neither f nor m"),
    "feats.scp": (
        "s1u\uff11 a.ark:5\n",
        " s1u１: there is no such utterance; it differs from s1u1 only by U+FF11 (１)",
    ),
}


@pytest.mark.parametrize("name", SIDE_TABLES)
def test_side_tables_are_checked(name: str, data: Path, tmp_path: Path):
    content, output = SIDE_TABLES[name]
    (data / name).write_text(content, encoding="utf-8")
    problems = find_problems(data, SoundChecks(), sounds=False)[1]
    (line,) = [str(problem.error()) for problem in problems if str(problem.file).endswith(name)]
    assert line.startswith(f"{data}/{name}:{output}")
    assert DataDir.read(data).utt2dur is None


def test_an_utt2dur_that_lacks_an_utterance_is_left_away(data: Path):
    (data / "utt2dur").write_text("s1u1 0.3\n")
    assert DataDir.read(data).utt2dur is None
    (data / "utt2dur").write_text("s1u1 0.3\ns1u2 0.3\ns2u1 0.3\ns2u2 0.3\n")
    assert DataDir.read(data).utt2dur == dict.fromkeys(("s1u1", "s1u2", "s2u1", "s2u2"), "0.3")
