"""Signals and closed pipes during files and standard input: the recognised text is written."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from repository import ROOT
from tones import sound

from asr.cli import main
from asr.recognition.interrupt import SIGNALS, Interrupt
from asr.recognition.recogniser import Recogniser


def ask(number: int = signal.SIGINT) -> None:
    """Send this process a signal."""
    signal.raise_signal(number)


def test_a_signal_takes_effect_only_within_its_block():
    reached = []
    with Interrupt() as interrupt:
        ask()
        ask(signal.SIGTERM)
        reached.append("the signals did nothing here")
        assert interrupt.asked == 2
        with pytest.raises(KeyboardInterrupt), interrupt.after(1):
            reached.append("never")
        with interrupt.after(3):
            reached.append("two signals are not three")
            with pytest.raises(KeyboardInterrupt):
                ask(signal.SIGHUP)
    assert reached == ["the signals did nothing here", "two signals are not three"]


def test_handlers_are_restored_and_ignored_signals_stay_ignored():
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            ask(signal.SIGHUP)
            assert interrupt.asked == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[2])
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_bytes_in_a_pipe_are_read_after_a_signal_without_waiting():
    ours, theirs = os.pipe()
    with Interrupt() as interrupt:
        os.write(theirs, b"before")
        blocks = interrupt.blocks(ours)
        assert next(blocks) == b"before"
        os.write(theirs, b"said, but not read yet")
        ask()
        assert list(blocks) == [b"said, but not read yet"]
    os.close(ours)
    os.close(theirs)


def test_a_regular_file_is_not_read_after_a_signal(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 18))
    with open(tmp_path / "a", "rb") as file, Interrupt() as interrupt:
        blocks = interrupt.blocks(file.fileno())
        next(blocks)
        ask()
        assert list(blocks) == []


# ---------------------------------------------------------------- files


@pytest.fixture
def interrupted_after(monkeypatch):
    """Return the function (n, number) that sends the signal after n segments have been searched."""

    def arrange(count: int, number: int) -> None:
        real, seen = Recogniser.reading, [0]

        def reading(self, path, channel=None):
            duration_s, pieces = real(self, path, channel)

            def counted():
                for piece in pieces:
                    if seen[0] == count:
                        ask(number)
                    seen[0] += 1
                    yield piece

            return duration_s, counted()

        monkeypatch.setattr(Recogniser, "reading", reading)

    return arrange


@pytest.mark.parametrize(("form", "expected"), [("text", "{0}\t甲乙\n{1}\t甲\n"), ("json", ""), ("ctm", "")])
def test_complete_files_and_segments_are_written(
    packaged, write_sound, tmp_path, capsys, interrupted_after, form, expected
):
    """The signal comes after the first file and the first of two segments of the second of three files."""
    files = [write_sound(tmp_path / f"{n}.wav", text) for n, text in enumerate(("甲乙", "甲   乙", "乙"))]
    out = tmp_path / "out"
    interrupted_after(2, signal.SIGTERM)
    assert (
        main(["transcribe", str(packaged), *map(str, files), f"--out={out}", "--most-s=2", f"--format={form}"]) == 130
    )
    error = capsys.readouterr().err
    assert "interrupted: 1 of 3 files are transcribed, and " in error and "1.wav up to 0." in error
    assert "goes on" not in error
    text = out.read_text("utf-8")
    if form == "json":
        records = [json.loads(line) for line in text.splitlines()]
        assert [record["text"] for record in records] == ["甲乙", "甲"]
        assert "transcribed_to" not in records[0] and 0 < records[1]["transcribed_to"] < records[1]["duration"]
    elif form == "ctm":
        assert [(row.split()[0], row.split()[4]) for row in text.splitlines()] == [
            ("0", "甲"),
            ("0", "乙"),
            ("1", "甲"),
        ]
    else:
        assert text == expected.format(*files)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_complete_files_of_a_folder_are_written(packaged, write_sound, tmp_path, capsys, interrupted_after):
    files = [write_sound(tmp_path / f"{n}.wav", "甲乙") for n in range(3)]
    interrupted_after(1, signal.SIGHUP)
    argv = ["transcribe", str(packaged), *map(str, files), f"--out={tmp_path / 'o'}/", "--format=srt", "--nj=2"]
    assert main(argv) == 130
    assert [path.name for path in sorted((tmp_path / "o").glob("*.srt"))] == ["0.srt"]
    assert "甲乙" in (tmp_path / "o" / "0.srt").read_text("utf-8")


def test_without_results_the_old_file_is_kept(packaged, write_sound, tmp_path, capsys, interrupted_after):
    path, out = write_sound(tmp_path / "a.wav", "甲"), tmp_path / "out.txt"
    out.write_text("old")
    interrupted_after(0, signal.SIGINT)
    assert main(["transcribe", str(packaged), str(path), f"--out={out}"]) == 130
    assert out.read_text() == "old" and "0 of 1 files are transcribed" in capsys.readouterr().err


# ---------------------------------------------------------------- standard input


@pytest.fixture
def spoken_then_interrupted(monkeypatch):
    """Return the function (text, number) that makes standard input speak and stay open, then sends the signal."""
    ends = []

    def arrange(text: str, number: int) -> None:
        ours, theirs = os.pipe()
        ends.extend((os.fdopen(ours, "rb"), os.fdopen(theirs, "wb", buffering=0)))
        monkeypatch.setattr("sys.stdin", ends[0])
        data = (sound(text) * 32767).astype("<i2").tobytes()

        def speak():
            ends[1].write(data)
            os.kill(os.getpid(), number)

        threading.Thread(target=speak, daemon=True).start()

    yield arrange
    for end in ends:
        end.close()


@pytest.mark.parametrize("number", SIGNALS)
def test_the_open_segment_is_written_after_a_signal(packaged, tmp_path, capsys, spoken_then_interrupted, number):
    """Two segments with a pause between them, and none after the second."""
    spoken_then_interrupted("甲乙乙 乙甲", number)
    out = tmp_path / "out.txt"
    assert main(["transcribe", str(packaged), "-", "--partials=false", f"--out={out}"]) == 130
    written = capsys.readouterr()
    assert out.read_text("utf-8") == "甲乙乙\n乙甲\n" and written.out == ""
    assert written.err == "interrupted: 3.2 s of sound are transcribed\n"


def test_standard_output_is_whole_after_ctrl_c(packaged, capsys, spoken_then_interrupted):
    spoken_then_interrupted("甲乙 乙", signal.SIGINT)
    assert main(["transcribe", str(packaged), "-", "--partials=false", "--format=srt"]) == 130
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [block.splitlines()[0::2] for block in blocks] == [["1", "甲乙"], ["2", "乙"]]


def test_a_closed_pipe_ends_the_command_without_a_message(packaged, write_sound, tmp_path):
    """`| head -1`"""
    command = [sys.executable, "-m", "asr", "transcribe", str(packaged), str(write_sound(tmp_path / "a.wav", "甲乙"))]
    gone, end = os.pipe()
    os.close(gone)
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(end)
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_closed_stderr_does_not_end_the_command(packaged, write_sound, tmp_path, monkeypatch):
    """`2>&1 | head -1` with --out: a warning without a reader, then the other file."""
    path, out = write_sound(tmp_path / "a.wav", "甲乙"), tmp_path / "out.txt"
    gone, end = os.pipe()
    os.close(gone)
    with os.fdopen(end, "w", buffering=1) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        status = main(["transcribe", str(packaged), str(tmp_path / "none.wav"), str(path), f"--out={out}"])
    assert status == 2 and out.read_text("utf-8") == f"{path}\t甲乙\n"


def test_an_empty_standard_input_is_one_line(packaged, monkeypatch, tmp_path, refused):
    (tmp_path / "in").write_bytes(b"")
    with open(tmp_path / "in", "rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert "standard input is empty" in refused(["transcribe", packaged, "-"])
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input is closed" in refused(["transcribe", packaged, "-"])


def test_standard_input_without_speech_is_warned_of(packaged, monkeypatch, tmp_path, capsys):
    (tmp_path / "in").write_bytes(bytes(2 * 16000 * 2))
    with open(tmp_path / "in", "rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert main(["transcribe", str(packaged), "-"]) == 0
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "warning: standard input: nothing was recognised in 2.0 s of sound\n"
