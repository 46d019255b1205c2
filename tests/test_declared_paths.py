"""Declared paths: a run overwrites no file that it reads, and ends before any work if it cannot write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from asr import declared_paths
from asr.errors import InputError
from asr.files import atomic
from asr.settings import option


@dataclass(frozen=True)
class Example:
    data: Path = option(help="folder that is read")
    table: Path | None = option(None, help="file that is read")
    out: Path | None = option(None, help="folder", writes="folder", makes=("words.txt",))
    page: Path | None = option(None, help="file", writes="file", makes=("*.html",))


@dataclass(frozen=True)
class InPlace:
    data: Path = option(help="folder that is read and written", updates=True)
    out: Path = option(help="folder", writes="folder")


@pytest.fixture(autouse=True)
def forgotten():
    yield
    declared_paths.forget()


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("words.txt", "text", "old.html"):
        (folder / name).write_text("content\n")
    (folder / "sound").write_bytes(b"RIFF\0\0")
    return folder


def refusal(settings, log=None):
    """Return the error of declaring `settings`."""
    with pytest.raises(InputError) as caught:
        declared_paths.declare(settings, log)
    return str(caught.value)


def test_a_folder_that_is_read_is_not_written_by_any_name(data, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(data)
    monkeypatch.chdir(data)
    for name in (data, tmp_path / "link", data / ".." / "data", Path(".")):
        assert "is also the directory that is read (--data)" in refusal(Example(data, out=name))
    declared_paths.declare(Example(data, out=data / "new"))


def test_a_file_that_is_read_is_not_written_by_any_name(data, tmp_path):
    table = tmp_path / "table"
    table.write_text("a b\n")
    (tmp_path / "soft").symlink_to(table)
    os.link(table, tmp_path / "hard")
    for name in (table, tmp_path / "soft", tmp_path / "hard", data / ".." / "table"):
        assert "is also the file that is read (--table)" in refusal(Example(data, table, page=name))
        assert "is also the file that is read (--table)" in refusal(Example(data, table), log=name)
    assert table.read_text() == "a b\n"


def test_a_file_in_a_folder_that_is_read_is_written_only_if_its_name_is_one_that_the_verb_makes(data):
    assert "is part of --data" in refusal(Example(data, page=data / "text"))
    assert "is part of --data" in refusal(Example(data), log=data / "text")
    declared_paths.declare(Example(data, page=data / "old.html"))
    declared_paths.declare(Example(data, page=data / "new"), log=data / "new.log")


def test_a_file_that_is_not_text_is_not_overwritten(data, tmp_path):
    (tmp_path / "sound").write_bytes(b"RIFF\0\0")
    assert "is not text: --page does not overwrite it" in refusal(Example(data, page=tmp_path / "sound"))


def test_an_input_in_the_output_folder_with_a_name_that_the_verb_makes_is_refused(data, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("words.txt", "mine"):
        (out / name).write_text("a\n")
    assert "would be overwritten by --out" in refusal(Example(data, out / "words.txt", out=out))
    declared_paths.declare(Example(data, out / "mine", out=out))


def test_two_outputs_with_one_path_are_refused(data, tmp_path):
    message = refusal(Example(data, page=tmp_path / "x"), log=tmp_path / "y" / ".." / "x")
    assert "is named by --page and by --log" in message


def test_a_folder_that_is_updated_may_be_the_output(data):
    declared_paths.declare(InPlace(data, data))


def test_a_file_for_a_folder_and_a_folder_for_a_file_are_refused(data, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is not a folder; --out names a folder" in refusal(Example(data, out=tmp_path / "file"))
    assert "is a folder; --page names a file" in refusal(Example(data, page=tmp_path))


@pytest.mark.parametrize("name", ["/proc/yibian/out", "/dev/null/out", "x" * 300, "loop/out"])
def test_a_path_that_cannot_be_written_is_refused_before_any_work(data, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert refusal(Example(data, out=Path(name))).startswith(f"{name}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "loop"]


def test_the_probe_leaves_no_file(data, tmp_path):
    declared_paths.declare(Example(data, out=tmp_path / "a" / "b", page=tmp_path / "page"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_link_in_the_output_folder_to_an_input_is_not_overwritten(data, tmp_path):
    """It is noticed only when the file is about to be replaced."""
    table, out = tmp_path / "table", tmp_path / "out"
    table.write_text("a b\n")
    out.mkdir()
    (out / "copy").symlink_to(table)
    declared_paths.declare(Example(data, table, out=out))
    with pytest.raises(InputError, match=r"is read \(--table\)"), atomic(out / "copy") as handle:
        handle.write("x")
    assert table.read_text() == "a b\n"
