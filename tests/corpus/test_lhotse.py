"""Lhotse manifests out and in, with lhotse's own reading of Kaldi's folders as the oracle."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import lhotse
import pytest
import soundfile
from corpus_samples import data_dir, sound, write_lines

from asr.cli import main
from asr.corpus.datadir import DataDir


def _there_and_back(data: Path, tmp_path: Path, *options: str) -> DataDir:
    out = tmp_path / "manifests"
    assert main(["lhotse-out", "--data", str(data), "--out", str(out), *options]) == 0
    names = ["--recordings", f"{out}/recordings.jsonl.gz", "--supervisions", f"{out}/supervisions.jsonl.gz"]
    assert main(["lhotse-in", *names, "--out", str(tmp_path / "back")]) == 0
    return DataDir.read(tmp_path / "back")


def test_whole_recordings_there_and_back(tmp_path: Path) -> None:
    data = data_dir(tmp_path / "train", {"说话人1-一": "今天天气很好", "说话人2-二": "谢谢 再见"}, speaker_letters=4)
    sounds = tmp_path / "train_sounds"
    samples, _ = soundfile.read(sounds / "说话人1-一.wav")
    soundfile.write(sounds / "一.mp3", samples, 16000)
    write_lines(data / "wav.scp", [f"说话人1-一 {sounds}/一.mp3", f"说话人2-二 {sounds}/说话人2-二.wav"])
    assert _there_and_back(data, tmp_path) == DataDir.read(data)


def test_segments_of_two_channels_there_and_back(data: Path, tmp_path: Path) -> None:
    sound(tmp_path / "call.flac", seconds=2.0, channels=2)
    write_lines(data / "wav.scp", [f"call {tmp_path}/call.flac"])
    write_lines(
        data / "segments", ["s1u1 call 0 0.5 0", "s1u2 call 0.5 1 0", "s2u1 call 0 0.75 1", "s2u2 call 1 1.5 1"]
    )
    assert _there_and_back(data, tmp_path, "--cuts", "true") == DataDir.read(data)
    cuts = ["lhotse-in", "--cuts", str(tmp_path / "manifests" / "cuts.jsonl.gz"), "--out", str(tmp_path / "cut")]
    assert main(cuts) == 0
    assert DataDir.read(tmp_path / "cut") == DataDir.read(data)


def test_lhotse_reads_from_a_folder_what_we_write(data: Path, tmp_path: Path) -> None:
    """lhotse's own Kaldi reader returns the manifests that lhotse-out writes."""
    _there_and_back(data, tmp_path)
    recordings, supervisions, _ = lhotse.kaldi.load_kaldi_data_dir(data, sampling_rate=16000)
    ours = lhotse.RecordingSet.from_file(tmp_path / "manifests" / "recordings.jsonl.gz")
    assert {item.id: (item.num_samples, item.sources) for item in ours} == {
        item.id: (item.num_samples, item.sources) for item in recordings
    }
    printed = lhotse.SupervisionSet.from_file(tmp_path / "manifests" / "supervisions.jsonl.gz")
    assert {item.id: (item.text, item.speaker, item.duration) for item in printed} == {
        item.id: (item.text, item.speaker, item.duration) for item in supervisions
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"text": ""}, "supervisions.jsonl: s1u1: has no text"),
        ({"recording_id": "x"}, "supervisions.jsonl: s1u1: its recording x is not in {f}/recordings.jsonl"),
        ({"id": "a b"}, "supervisions.jsonl: 'a b': white space in a supervision's id"),
        ({"id": "s1u2"}, "supervisions.jsonl: s1u2: this supervision has occurred before"),
        ({"duration": 9.0}, "supervisions.jsonl: s1u1: lasts from 0 to 9 s, its recording 0.3 s"),
        ({"channel": [0, 1]}, "supervisions.jsonl: s1u1: has channels [0, 1]; an utterance has one"),
        ({"start": "soon"}, "supervisions.jsonl: s1u1: 'soon' and '0.3' are not times in seconds"),
        ({"nonsense": 1}, "supervisions.jsonl: lhotse cannot read item 1: TypeError: "),
        (
            {"sources": [{"type": "url", "channels": [0], "source": "http://x"}]},
            "recordings.jsonl: s1u1: its sound is a url, not a file",
        ),
        (
            {"sources": [{"type": "command", "channels": [0], "source": "rm x"}]},
            "recordings.jsonl: s1u1: its sound is a command, not a file; pass --allow-pipes if you trust it",
        ),
    ],
)
def test_what_a_data_directory_cannot_say(data: Path, tmp_path: Path, refused, change: dict, line: str) -> None:
    _there_and_back(data, tmp_path)
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("recordings", "supervisions"):
        with gzip.open(tmp_path / "manifests" / f"{name}.jsonl.gz", "rt") as handle:
            items = [json.loads(item) for item in handle]
        if ("sources" in change) == (name == "recordings"):
            items[0].update(change)
        write_lines(folder / f"{name}.jsonl", [json.dumps(item) for item in items])
    names = ["--recordings", folder / "recordings.jsonl", "--supervisions", folder / "supervisions.jsonl"]
    printed = refused(["lhotse-in", *names, "--out", tmp_path / "no"])
    file = line.partition(":")[0] if "sources" not in change else "supervisions.jsonl"
    assert printed.startswith(f"{folder}/{file}:{line.partition(':')[2]}".format(f=folder))
    assert not (tmp_path / "no").exists()


def test_names_of_manifests(tmp_path: Path, refused) -> None:
    assert "name --recordings and --supervisions, or --cuts alone" in refused(["lhotse-in", "--out", tmp_path / "o"])
    missing = ["lhotse-in", "--out", tmp_path / "o", "--cuts", tmp_path / "no.jsonl"]
    assert refused(missing) == f"{tmp_path}/no.jsonl: no such manifest"


def test_without_lhotse(data: Path, tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lhotse", None)
    printed = refused(["lhotse-out", "--data", data, "--out", tmp_path / "o"])
    assert printed.startswith("lhotse cannot be imported (") and printed.endswith("or lhotse and urllib3")


def test_recordings_without_a_supervision_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "manifests"
    assert main(["lhotse-out", "--data", str(data), "--out", str(out)]) == 0
    with gzip.open(out / "supervisions.jsonl.gz", "rt", encoding="utf-8") as handle:
        kept = [line for line in handle if '"s1u1"' not in line]
    with gzip.open(out / "supervisions.jsonl.gz", "wt", encoding="utf-8") as handle:
        handle.writelines(kept)
    capsys.readouterr()
    names = ["--recordings", f"{out}/recordings.jsonl.gz", "--supervisions", f"{out}/supervisions.jsonl.gz"]
    assert main(["lhotse-in", *names, "--out", str(tmp_path / "back")]) == 0
    printed = capsys.readouterr().err
    assert printed == "warning: 1 recordings or cuts have no supervision and are left out: s1u1\n"
    assert len(DataDir.read(tmp_path / "back").text) == 3
