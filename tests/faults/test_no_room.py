"""A disk that is full: one line that names the file, status 2, and nothing half-written."""

from __future__ import annotations

import os
import subprocess

import pytest

from asr.tables import write_table


@pytest.fixture
def small(tmp_path):
    """A file system of 16 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("verb", ["lang", "score"])
def test_a_full_disk_is_one_line(small, tmp_path, refused, verb):
    write_table(tmp_path / "text", {f"u{n:03d}": "今天天气很好我们去公园" for n in range(300)})
    options = {
        "lang": ["--text", tmp_path / "text"],
        "score": ["--ref", tmp_path / "text", "--hyp", tmp_path / "text"],
    }
    line = refused([verb, *options[verb], "--out", small / "out", *(["--allow-incomplete"] * (verb == "score"))])
    assert line.startswith(f"{small}/out") and line.endswith(": no space left on device")
    assert not [path for path in small.rglob("*") if path.name.endswith(".tmp")]


def test_a_disk_that_is_full_already_is_known_before_any_work(small, tmp_path, refused):
    (small / "filler").write_bytes(bytes(16384))
    write_table(tmp_path / "text", {"u1": "今天"})
    line = refused(["lang", "--text", tmp_path / "text", "--out", small / "out"])
    assert line == f"{small}/out: cannot be written: no space left on device"
    assert [path.name for path in small.iterdir()] == ["filler"]
