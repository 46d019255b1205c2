"""Whole-or-absent files and folders: rights, links, devices, full disks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from repository import ROOT

from asr import declared_paths
from asr.errors import InputError, of_file_system
from asr.files import (
    atomic,
    atomic_packed,
    copy_whole,
    folder_beside,
    read_bytes,
    read_json,
    read_tensors,
    replace_files,
    write_json,
    write_tensors,
)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775), (0o022, 0o644, 0o755)]
)
def test_new_files_and_folders_have_the_rights_of_the_umask(tmp_path, mask, file, folder):
    old = os.umask(mask)
    try:
        with atomic(tmp_path / "made" / "file") as handle:
            handle.write("x")
        with folder_beside(tmp_path / "made", ".work.") as work:
            work.rename(tmp_path / "folder")
    finally:
        os.umask(old)
    assert rights(tmp_path / "made" / "file") == file
    assert rights(tmp_path / "folder") == rights(tmp_path / "made") == folder


def test_a_replaced_file_keeps_its_rights(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o640)
    copy_whole(__file__, tmp_path / "file")
    assert rights(tmp_path / "file") == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    (tmp_path / "real").mkdir()
    if there:
        (tmp_path / "real" / "file").write_text("old")
    (tmp_path / "link").symlink_to("real/file")
    with atomic(tmp_path / "link") as handle:
        handle.write("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "file").read_text() == "new"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["file"]


def test_devices_stay_devices():
    with atomic("/dev/null") as handle:
        handle.write("x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    with atomic(tmp_path / "fifo") as handle:
        handle.write("一二")
    reader.join(10)
    assert got == ["一二".encode()] and stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_a_descriptor_is_written_into_and_not_truncated(tmp_path, name):
    """`--out /dev/stdout > file` keeps the text before and after in the file."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    code = f"""
from asr.files import atomic
print('before', flush=True)
with atomic({name!r}) as handle:
    handle.write('within\\n')
print('after')
"""
    with open(tmp_path / "file", "w") as out:
        subprocess.run(
            [sys.executable, "-c", code],
            stdout=out,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert (tmp_path / "file").read_text() == "before\nwithin\nafter\n"


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught, atomic(tmp_path / "out") as handle:
        handle.write("x")
        raise OSError(28, "No space left on device")
    assert str(of_file_system(caught.value)) == f"{tmp_path}/out: no space left on device"
    assert not list(tmp_path.iterdir())


def test_the_longest_name_of_the_file_system_is_written(tmp_path):
    with atomic(tmp_path / ("x" * 255)) as handle:
        handle.write("x")
    with pytest.raises(OSError) as caught, atomic(tmp_path / ("x" * 256)):
        pass
    assert "file name too long" in str(of_file_system(caught.value))


def test_a_link_in_a_folder_that_the_run_writes_is_replaced(tmp_path):
    """A data directory of links to somebody else's tables: theirs stay as they are."""
    from test_declared_paths import InPlace

    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "feats.scp").symlink_to("../theirs")
    declared_paths.declare(InPlace(tmp_path / "data", tmp_path / "out"))
    try:
        with atomic(tmp_path / "data" / "feats.scp") as handle:
            handle.write("ours")
    finally:
        declared_paths.forget()
    assert (tmp_path / "theirs").read_text() == "theirs" and (tmp_path / "data" / "feats.scp").read_text() == "ours"


def test_atomic_leaves_the_old_file_when_writing_fails(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(RuntimeError), atomic(tmp_path / "f") as handle:
        handle.write("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_new_files_replace_those_of_a_folder_whole_or_not_at_all(tmp_path):
    out = tmp_path / "lang"
    with replace_files(out) as work:
        (work / "phones").mkdir()
        for name in ("words.txt", "old.txt", "phones/a.int"):
            (work / name).write_text("first")
    with pytest.raises(RuntimeError), replace_files(out, stale=("old.txt",)) as work:
        (work / "words.txt").write_text("second")
        raise RuntimeError
    assert (out / "words.txt").read_text() == (out / "old.txt").read_text() == "first"
    (out / ".building.killed").mkdir()
    with replace_files(out, stale=("old.txt", "words.txt", "never")) as work:
        (work / "words.txt").write_text("third")
    assert sorted(str(item.relative_to(out)) for item in out.rglob("*")) == ["phones", "phones/a.int", "words.txt"]
    assert (out / "words.txt").read_text() == "third"


def test_a_folder_that_could_not_be_filled_is_not_left_behind(tmp_path):
    with pytest.raises(OSError) as caught, replace_files(tmp_path / "a" / "lang") as work:
        raise OSError(28, "No space left on device", str(work / "G.fst"))
    assert str(of_file_system(caught.value)) == f"{tmp_path}/a/lang: no space left on device"
    assert not (tmp_path / "a" / "lang").exists()


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_packed_file_has_the_same_bytes_each_time(tmp_path, name):
    for folder in ("one", "two"):
        with atomic_packed(tmp_path / folder / name) as handle:
            handle.write("一二".encode() * 99)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert read_bytes(tmp_path / "one" / name) == "一二".encode() * 99


def test_json_is_written_and_read(tmp_path):
    write_json(tmp_path / "a.json", {"b": "一", "a": [1]})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n "b": "一",\n "a": [\n  1\n ]\n}\n'
    assert read_json(tmp_path / "a.json") == {"b": "一", "a": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"[1]", "is not a JSON object"),
        (b"{", "is not JSON: "),
        (b"\xff", "is not JSON: "),
        (b"[" * 99999, "is not JSON: "),
    ],
)
def test_a_file_that_is_not_a_json_object_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "a.json")
    assert str(caught.value).startswith(f"{tmp_path}/a.json: {message}")


def test_tensors_are_written_and_read_and_checked(tmp_path):
    path = tmp_path / "a.safetensors"
    digest = write_tensors(path, {"w": torch.arange(6.0).reshape(2, 3).T})
    assert read_tensors(path, digest)["w"].tolist() == [[0, 3], [1, 4], [2, 5]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"a\.safetensors: its hash does not fit"):
        read_tensors(path, digest)
    with pytest.raises(InputError, match=r"a\.safetensors: is not a safetensors file"):
        read_tensors(path)
