"""Input paths: pipes, folders, devices, short sounds, names that are not UTF-8."""

import io
import json
import os
import threading

import numpy as np
import pytest
import soundfile
from tones import RATE_HZ

from asr.cli import main


def test_a_pipe_is_read_as_a_file_and_named_in_errors(packaged, write_sound, tmp_path, capsys):
    """As in `asr transcribe MODEL <(sox ...)`."""
    sound = write_sound(tmp_path / "a.flac", "甲乙").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for data, status in ((sound, 0), (b"no sound", 2), (b"", 2)):
        thread = threading.Thread(target=pipe.write_bytes, args=(data,))
        thread.start()
        assert main(["transcribe", str(packaged), str(pipe)]) == status
        thread.join()
        written = capsys.readouterr()
        assert written.out == ("甲乙\n" if status == 0 else "")
        assert status == 0 or written.err.startswith(f"{pipe}: ")


def test_paths_that_are_not_sound_files_are_named(packaged, tmp_path, refused):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE_HZ)
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    for name, reason in (
        (tmp_path / "folder", "is a folder; name the sound files in it"),
        (tmp_path / "empty.wav", "is empty"),
        (tmp_path / "none.wav", "is empty"),
        (tmp_path / "gone.wav", "no such sound file"),
        (tmp_path / "empty.wav" / "below", "cannot be read: Not a directory"),
        ("/dev/zero", "is a device"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        line = refused(["transcribe", packaged, name])
        assert line.startswith(f"{name}: ") and reason in line


@pytest.mark.parametrize("samples", [1, 399])
def test_a_sound_shorter_than_a_window_is_named_and_the_others_transcribed(
    packaged, write_sound, tmp_path, capsys, samples
):
    short, good = tmp_path / "short.wav", write_sound(tmp_path / "good.wav", "甲")
    soundfile.write(short, np.full(samples, 0.1), RATE_HZ)
    assert main(["transcribe", str(packaged), str(short), str(good)]) == 2
    written = capsys.readouterr()
    assert written.out == f"{good}\t甲\n"
    assert f"{short}: lasts {samples / RATE_HZ:.3g} s, less than one window of 0.025 s" in written.err


def test_a_name_that_is_not_utf8_is_kept(packaged, write_sound, tmp_path, capfdbinary):
    """As from an archive made on Windows: 录 in GBK."""
    path = os.fsencode(tmp_path) + b"/\xc2\xbc.wav"
    os.rename(write_sound(tmp_path / "a.wav", "甲"), path)
    other = os.fsencode(write_sound(tmp_path / "b.wav", "乙"))
    argv = ["transcribe", str(packaged), os.fsdecode(path), os.fsdecode(other)]
    assert main(argv) == 0
    assert capfdbinary.readouterr().out == path + "\t甲\n".encode() + other + "\t乙\n".encode()
    assert main([*argv, f"--out={tmp_path / 'o.json'}", "--format=json"]) == 0
    records = [json.loads(line) for line in (tmp_path / "o.json").read_text("utf-8").splitlines()]
    assert [os.fsencode(record["file"]) for record in records] == [path, other]
    assert main([*argv, f"--out={tmp_path / 'o'}/"]) == 0
    assert sorted(os.listdir(os.fsencode(tmp_path / "o"))) == [b".transcribed.sha256", b"b.txt", b"\xc2\xbc.txt"]
    assert main([*argv, f"--out={tmp_path / 'o'}/"]) == 0


def test_standard_output_that_has_no_chinese_is_refused_before_any_work(packaged, monkeypatch, refused):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert "PYTHONIOENCODING=utf-8" in refused(["transcribe", packaged, "a.wav"])
