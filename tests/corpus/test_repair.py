from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import data_dir, write_lines

from asr.cli import main


def test_max_missing_is_a_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = data_dir(tmp_path / "all", {f"s1u{n:02}": "今天天气很好" for n in range(20)})
    (tmp_path / "all_sounds" / "s1u03.wav").unlink()
    out = tmp_path / "out"
    assert main(["repair", "--data", str(data), "--out", str(out), "--nj", "1"]) == 0  # 1 of 20 is 5 %
    printed = capsys.readouterr().out
    assert f"dropped: {tmp_path}/all_sounds/s1u03.wav: s1u03: no such sound file\n" in printed
    assert f"{out}: 19 utterances\n" in printed
    (tmp_path / "all_sounds" / "s1u07.wav").write_bytes(b"")
    again = tmp_path / "again"
    assert main(["repair", "--data", str(data), "--out", str(again), "--nj", "1"]) == 2
    line = capsys.readouterr().err
    assert "(2 of 20 utterances, 10.0 %, would be dropped: more than --max-missing)" in line
    assert line.count("\n") == 1
    assert not again.exists()


def test_a_recording_that_contradicts_takes_its_segments_along(data: Path, sounds: Path, tmp_path: Path) -> None:
    write_lines(data / "wav.scp", [f"a {sounds}/s1u1.wav", f"a {sounds}/s1u2.wav", f"b {sounds}/s2u1.wav"])
    write_lines(data / "segments", ["s1u1 a 0 0.1", "s1u2 b 0 0.1", "s2u1 b 0.1 0.2", "s2u2 b 0.2 0.3"])
    out = tmp_path / "out"
    assert main(["repair", "--data", str(data), "--out", str(out), "--max-missing", "0.5"]) == 0
    assert (out / "wav.scp").read_text() == f"b {sounds}/s2u1.wav\n"
    assert [line.split()[0] for line in (out / "segments").read_text().splitlines()] == ["s1u2", "s2u1", "s2u2"]


def test_mended_values(data: Path, tmp_path: Path) -> None:
    text = (
        "s1u2  打开ＡＢ１　空调。 \r\n\r\ns1u1 今\u200b天\ufeff天气，很好\r\ns2u1 明天\r\ns2u2 谢谢\r\ns2u2 谢谢\r\n"
    )
    (data / "text").write_bytes(b"\xef\xbb\xbf" + text.encode())
    out = tmp_path / "out"
    assert main(["repair", "--data", str(data), "--out", str(out)]) == 0
    assert (out / "text").read_bytes().decode() == "s1u1 今天天气，很好\ns1u2 打开AB1 空调。\ns2u1 明天\ns2u2 谢谢\n"
