from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import write_lines
from repository import ROOT

from asr.corpus.data_tables import Segment, absolute, c_sorted
from asr.corpus.datadir import DataDir, Utterance
from asr.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_read_is_written(data: Path, tmp_path: Path) -> None:
    written = DataDir.read(data).write(tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(data)
    assert [path.name for path in written] == ["wav.scp", "text", "utt2spk", "spk2utt"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_any_order_in_c_order_out(data: Path, tmp_path: Path) -> None:
    before = contents(data)
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        write_lines(data / name, (data / name).read_text(encoding="utf-8").splitlines()[::-1])
    DataDir.read(data).write(tmp_path / "copy")
    assert contents(tmp_path / "copy") == before
    assert c_sorted(["b", "é", "a", "B", "中", "a1", "_"]) == ["B", "_", "a", "a1", "b", "é", "中"]


def test_utterances_without_and_with_segments(data: Path, sounds: Path) -> None:
    first = next(DataDir.read(data).utterances())
    assert first == Utterance("s1u1", "s1u1", str(sounds / "s1u1.wav"), None, None, None)
    write_lines(data / "wav.scp", [f"call {sounds}/s1u1.wav"])
    lines = ["s1u1 call 0 0.1", "s1u2 call 0.125 0.2", "s2u1 call 0.2 -1", "s2u2 call 0 0.3 B"]
    write_lines(data / "segments", lines)
    read = DataDir.read(data)
    path = str(sounds / "s1u1.wav")
    assert list(read.utterances()) == [
        Utterance("s1u1", "call", path, None, 0.0, 0.1),
        Utterance("s1u2", "call", path, None, 0.125, 0.2),
        Utterance("s2u1", "call", path, None, 0.2, None),
        Utterance("s2u2", "call", path, 1, 0.0, 0.3),
    ]
    assert read.segments is not None
    written = [f"{key} {read.segments[key].line()}" for key in read.keys]
    assert written == [*lines[:3], "s2u2 call 0 0.3 1"]
    assert Segment("long", 12345.678, 12345.679).line() == "long 12345.678 12345.679"


def test_segments_that_are_gone_do_not_stay(data: Path, sounds: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "segments", ["x x 0 1"])
    DataDir.read(data).write(tmp_path)
    assert not (tmp_path / "segments").exists()


def test_restricted_keeps_only_the_recordings_in_use(data: Path) -> None:
    piece = DataDir.read(data).restricted(["s2u1", "absent"])
    assert (piece.keys, list(piece.recordings), piece.spk2utt) == (["s2u1"], ["s2u1"], {"s2": ["s2u1"]})


def test_relative_paths(data: Path, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(data / "wav.scp", [f"{key} train_sounds/{key}.wav" for key in ("s1u1", "s1u2", "s2u1", "s2u2")])
    assert DataDir.read(data).recordings["s1u1"] == str(sounds / "s1u1.wav")
    assert absolute("asr/corpus/datadir.py") == str(ROOT / "asr" / "corpus" / "datadir.py")
    assert absolute("../nowhere/x.wav") == str(tmp_path.parent / "nowhere" / "x.wav")
    assert absolute("sox x.wav |") == "sox x.wav |"


def test_without_utt2spk(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "utt2spk").unlink()
    assert DataDir.read(data).spk2utt == {"s1": ["s1u1", "s1u2"], "s2": ["s2u1", "s2u2"]}
    capsys.readouterr()
    (data / "spk2utt").unlink()
    assert DataDir.read(data).utt2spk == {key: key for key in ("s1u1", "s1u2", "s2u1", "s2u2")}
    assert capsys.readouterr().err.count("each utterance is its own speaker") == 1


def test_pipes_are_refused_unless_allowed(data: Path) -> None:
    write_lines(data / "wav.scp", [f"{key} cat x.wav |" for key in ("s1u1", "s1u2", "s2u1", "s2u2")])
    with pytest.raises(InputError, match=r"wav.scp:1: s1u1: is a pipe"):
        DataDir.read(data)
    assert DataDir.read(data, allow_pipes=True).recordings["s1u1"] == "cat x.wav |"


def test_failure_leaves_the_folder_as_it_was(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, before = DataDir.read(data), contents(data)

    def full(path: Path, table: dict[str, str]) -> None:
        if path.name == "utt2spk":
            raise OSError("no space left on device")
        path.write_text("half")

    monkeypatch.setattr("asr.corpus.datadir.write_table", full)
    with pytest.raises(OSError, match="no space"):
        read.write(data)
    assert contents(data) == before
    assert not [path for path in data.parent.iterdir() if path.name.startswith(".")]


def test_real_directory(aishell_sample: Path) -> None:
    read = DataDir.read(aishell_sample / "data" / "train")
    assert (len(read.keys), list(read.spk2utt)) == (780, ["BAC009S0150", "BAC009S0252"])
    assert all(Path(utterance.source).is_file() for utterance in read.utterances())
    assert read.text["BAC009S0150W0084"] == "一三一零八三七三幺四八"
