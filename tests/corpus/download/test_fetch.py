"""Downloads from a local server with the usual failures."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asr.corpus.download import fetch as module
from asr.corpus.download.fetch import Remote, fetch
from asr.errors import InputError

CONTENT = bytes(range(256)) * 4000  # 1 MB
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """A server of one file at every address but /missing. cut: bytes of each of the next answers."""

    def __init__(self) -> None:
        self.content, self.tag, self.ranges = CONTENT, '"one"', True
        self.cut: list[int] = []
        self.fail: list[int] = []
        self.pause_s = 0.0
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def url(self, path: str = "/data.tgz") -> str:
        return f"http://127.0.0.1:{self.httpd.server_port}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.headers.get("Range", ""))
        if request.path == "/missing" or self.fail:
            request.send_error(404 if request.path == "/missing" else self.fail.pop(0))
            return
        start = 0
        if self.ranges and request.headers.get("If-Range") == self.tag:
            start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", self.tag)
        request.end_headers()
        if self.cut:
            body = body[: self.cut.pop(0)]
        for place in range(0, len(body), 50_000):
            request.wfile.write(body[place : place + 50_000])
            request.wfile.flush()
            time.sleep(self.pause_s)
        request.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "WAITS_S", (0.0, 0.0))
    served = Server()
    yield served
    served.httpd.shutdown()


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    remote = Remote("data.tgz", (server.url(),), MD5)
    assert fetch(remote, tmp_path / "c").read_bytes() == CONTENT
    fetch(remote, tmp_path / "c")
    assert server.asked == [""] and _left(tmp_path / "c") == [".data.tgz.checked", "data.tgz"]


def test_a_connection_that_ends_is_taken_up_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.cut = [300_000, 200_000]
    assert fetch(Remote("d", (server.url(),), MD5), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=300000-", "bytes=500000-"]


def test_a_killed_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.pause_s = 0.05
    code = "import sys; from pathlib import Path; from asr.corpus.download.fetch import Remote, fetch\n"
    code += f"fetch(Remote('d', ({server.url()!r},), {MD5!r}), Path(sys.argv[1]))"
    running = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 20
    while not ((tmp_path / "d.part").exists() and (tmp_path / "d.part").stat().st_size > 100_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    have = (tmp_path / "d.part").stat().st_size
    server.pause_s = 0.0
    assert fetch(Remote("d", (server.url(),), MD5), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={have}-" and have > 0


def test_a_file_that_has_changed_meanwhile_starts_anew(server: Server, tmp_path: Path) -> None:
    server.cut = [300_000, 0, 0]
    with pytest.raises(InputError, match="the same command resumes at 300000 bytes"):
        fetch(Remote("d", (server.url(),), MD5), tmp_path)
    server.content, server.tag = CONTENT[::-1], '"two"'
    with pytest.raises(InputError, match=f"d: came with MD5 [0-9a-f]+, not {MD5}, and is removed: try again"):
        fetch(Remote("d", (server.url(),), MD5), tmp_path)
    assert _left(tmp_path) == []


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut = False, [300_000]
    assert fetch(Remote("d", (server.url(),), MD5), tmp_path).read_bytes() == CONTENT


def test_all_was_there_already(server: Server, tmp_path: Path) -> None:
    (tmp_path / "d.part").write_bytes(CONTENT)
    (tmp_path / ".d.part.tag").write_text('"one"')
    assert fetch(Remote("d", (server.url(),), MD5), tmp_path).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn_and_an_overloaded_server_again(server: Server, tmp_path: Path) -> None:
    server.fail = [503]
    urls = (server.url("/missing"), server.url())
    assert fetch(Remote("d", urls, MD5), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3
    with pytest.raises(InputError, match=f"e: cannot be fetched: {urls[0]}: the server answers 404 Not Found"):
        fetch(Remote("e", urls[:1]), tmp_path)


def test_a_file_of_another_sum_is_not_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"d: has MD5 [0-9a-f]+, not .*; remove it and it is fetched again"):
        fetch(Remote("d", (server.url(),), MD5), tmp_path)
    assert server.asked == []


def test_the_disk_is_looked_at_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 2_000_000))
    with pytest.raises(InputError, match=r"2.2 MB are needed, only 2.0 MB are free"):
        fetch(Remote("d", (server.url(),)), tmp_path, unpacked=1.0)
    assert _left(tmp_path) == []


def test_only_http(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file:///etc/passwd: not an http or https address"):
        fetch(Remote("d", ("file:///etc/passwd",)), tmp_path)
