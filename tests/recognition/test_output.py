"""The outputs of a transcription: names, folders, complete files after failures, unchanged inputs."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asr.cli import main
from asr.errors import InputError, of_file_system
from asr.recognition.output import Folder, OneFile, distinct_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.wav", "b.wav"], ["a", "b"]),
        (["x/a.wav", "b.wav"], ["a", "b"]),
        (["a.wav", "a.mp3", "b.wav"], ["a.wav", "a.mp3", "b"]),
        (["x/a.wav", "y/a.wav"], ["x_a.wav", "y_a.wav"]),
        (["/d/x/a.wav", "../x/a.wav"], ["d_x_a.wav", "x_a.wav"]),
        (["a b.wav", "a_b.wav"], ["a_b.wav", "a_b.wav-2"]),
        (["录 音\t1.wav"], ["录_音_1"]),
        (["a.wav", "x/a.wav", "x_a.wav"], ["a.wav", "x_a.wav", "x_a"]),
        (["talk.v1.wav", "talk.v2.wav", ".wav"], ["talk.v1", "talk.v2", ".wav"]),
        (["a.b.wav", "a.b.mp3", "a.b"], ["a.b.wav", "a.b.mp3", "a"]),
    ],
)
def test_names_differ(paths, names):
    assert distinct_names([Path(path) for path in paths]) == names


def test_a_failure_leaves_the_whole_records(tmp_path):
    """The second record is incomplete, as on a full disk."""
    out = tmp_path / "out.txt"
    with pytest.raises(RuntimeError, match="fault"), OneFile(out) as file:
        file.write("甲\n".encode())
        os.write(file._handle.fileno(), "乙".encode()[:2])
        raise RuntimeError("fault")
    assert out.read_text("utf-8") == "甲\n" and os.listdir(tmp_path) == ["out.txt"]


def test_a_failure_before_the_first_record_leaves_the_old_file(tmp_path):
    out = tmp_path / "out.txt"
    out.write_text("old")
    with pytest.raises(KeyboardInterrupt), OneFile(out):
        raise KeyboardInterrupt
    assert out.read_text() == "old" and os.listdir(tmp_path) == ["out.txt"]


def test_a_full_disk_is_refused_and_complete_records_are_kept(tmp_path, monkeypatch):
    out, write = tmp_path / "out.txt", os.write

    def full(descriptor, data):
        if len(data) > 4:
            return write(descriptor, data[:2])
        if bytes(data).endswith(b"\0\0"):
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError) as caught, OneFile(out) as file:
        file.write("甲\n".encode())
        file.write(b"1234\0\0")
    assert str(of_file_system(caught.value)) == f"{out}: no space left on device"
    assert out.read_text("utf-8") == "甲\n"


def test_a_pipe_and_a_device_are_written_into(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with OneFile(pipe) as file:
        file.write("甲\n".encode())
    reader.join()
    assert got == ["甲\n".encode()] and pipe.is_fifo()
    (tmp_path / "null").symlink_to(os.devnull)
    with pytest.raises(KeyboardInterrupt), OneFile(tmp_path / "null") as file:
        file.write(b"x")
        raise KeyboardInterrupt
    assert (tmp_path / "null").is_symlink() and (tmp_path / "null").is_char_device()


@pytest.mark.parametrize("kind", ["folder/below a file", "a folder"])
def test_an_impossible_output_is_refused(tmp_path, kind):
    (tmp_path / "folder").write_text("a file")
    (tmp_path / "a folder").mkdir()
    with pytest.raises(OSError) as caught, OneFile(tmp_path / kind) as file:
        file.write(b"x")
    assert str(of_file_system(caught.value)).startswith(f"{tmp_path}/{'folder' if '/' in kind else kind}")


def test_a_folder_keeps_files_of_other_origin(tmp_path):
    """A transcript made by hand is refused before any work; own files are replaced, unless edited."""
    sounds = [Path("a.wav"), Path("b.wav")]
    (tmp_path / "b.txt").write_text("by hand")
    with pytest.raises(InputError, match=r"b.txt: exists"):
        Folder(tmp_path, sounds, "txt", force=False)
    (tmp_path / "b.txt").unlink()
    folder = Folder(tmp_path, sounds, "txt", force=False)
    folder.write(0, b"one")
    folder.write(1, b"two")
    Folder(tmp_path, sounds, "txt", force=False).write(0, b"other")
    assert (tmp_path / "a.txt").read_bytes() == b"other" and (tmp_path / "b.txt").read_bytes() == b"two"
    (tmp_path / "a.txt").write_text("corrected by hand")
    with pytest.raises(InputError, match=r"a.txt: exists"):
        Folder(tmp_path, sounds, "txt", force=False)
    Folder(tmp_path, sounds, "txt", force=True)


def test_transcribe_overwrites_no_input(packaged, write_sound, tmp_path, refused):
    """Inputs: a sound under any name, a file of the model, standard input, a sound in the output folder."""
    sound = write_sound(tmp_path / "talk.wav", "甲")
    (tmp_path / "link.txt").symlink_to(sound)
    before = sound.read_bytes()
    os.link(sound, tmp_path / "hard")
    card = packaged / "README.md"
    for out in (sound, tmp_path / "link.txt", tmp_path / "hard", tmp_path / "none" / ".." / "talk.wav"):
        assert "is also the file that is read" in refused(["transcribe", packaged, sound, f"--out={out}"])
    for out in (card, packaged / "graph"):
        assert "which is read; write elsewhere" in refused(["transcribe", packaged, sound, f"--out={out}", "--force"])
    with open(sound) as opened:
        command = [sys.executable, "-m", "asr", "transcribe", packaged, "-", f"--out={sound}"]
        done = subprocess.run(command, stdin=opened, capture_output=True, text=True)
    assert done.returncode == 2 and "is also the file that is read" in done.stderr
    named = tmp_path / "note.json"
    sound.rename(named)
    assert "exists" in refused(["transcribe", packaged, named, "--format=json", f"--out={tmp_path}"])
    assert "is read (--files)" in refused(
        ["transcribe", packaged, named, "--format=json", f"--out={tmp_path}", "--force"]
    )
    assert named.read_bytes() == before and "Training speech" in card.read_text("utf-8")


def test_a_folder_of_transcripts(packaged, write_sound, tmp_path, capsys):
    """An unreadable sound does not stop the others; --out - is standard output."""
    (tmp_path / "b").mkdir()
    sounds = [write_sound(tmp_path / "a.wav", "甲乙"), write_sound(tmp_path / "b" / "a.flac", "乙")]
    out = tmp_path / "texts"
    assert main(["transcribe", str(packaged), *map(str, sounds), str(tmp_path / "none.wav"), f"--out={out}/"]) == 2
    assert (out / "a.wav.txt").read_text("utf-8") == "甲乙\n" and (out / "a.flac.txt").read_text("utf-8") == "乙\n"
    assert "none.wav: no such sound file" in capsys.readouterr().err
    assert main(["transcribe", str(packaged), str(sounds[0]), "--out=-"]) == 0
    assert capsys.readouterr().out == "甲乙\n"
