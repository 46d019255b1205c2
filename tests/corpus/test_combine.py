from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import data_dir, write_lines

from asr.cli import main
from asr.corpus.datadir import DataDir


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return data_dir(tmp_path / "other", {"s0u1": "再见", "s1u9": "你好"})


def test_all_of_both(data: Path, other: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["combine", "--data", f"{data},{other}", "--out", str(out)]) == 0
    whole = DataDir.read(out)
    assert whole.keys == ["s0u1", "s1u1", "s1u2", "s1u9", "s2u1", "s2u2"]
    assert whole.spk2utt["s1"] == ["s1u1", "s1u2", "s1u9"]
    assert (whole.text["s1u9"], whole.segments) == ("你好", None)


def test_segments_beside_none(data: Path, other: Path, tmp_path: Path) -> None:
    source = (other / "wav.scp").read_text().split()[1]
    write_lines(other / "wav.scp", [f"call {source}"])
    write_lines(other / "segments", ["s0u1 call 0 0.1", "s1u9 call 0.1 0.25"])
    out = tmp_path / "out"
    assert main(["combine", "--data", str(data), "--data", str(other), "--out", str(out)]) == 0
    lines = (out / "segments").read_text().splitlines()
    assert lines[:2] == ["s0u1 call 0 0.1", "s1u1 s1u1 0 -1"] and len(lines) == 6
    assert main(["validate", "--data", str(out)]) == 0


def test_duplicates_are_refused(data: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("wav.scp", "text", "utt2spk"):
        (other / name).write_text((other / name).read_text().replace("s1u9", "s1u2"))
    (other / "spk2utt").unlink()
    out = tmp_path / "out"
    assert main(["combine", "--data", f"{data},{other}", "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"{other}: s1u2: this utterance is in {data} too\n"
    assert main(["combine", "--data", f"{data}", "--out", str(out)]) == 2
    assert main(["combine", "--data", f"{data},{other}", "--out", str(other)]) == 2
    assert not out.exists()
