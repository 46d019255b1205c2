"""The feature stage on made-up sounds: tables, shards, resuming, and errors."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import re

import numpy as np
import pytest
import soundfile

from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.errors import InputError
from asr.features import extract
from asr.features.compute import FeatureConfig, compute
from asr.features.reader import FeatureReader
from asr.kaldi.archives import MatrixReader
from asr.tables import read_table, write_table


@pytest.fixture
def data(tmp_path):
    """Five utterances of two speakers, about half a second each."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "data"
    keys = [f"s{number % 2}-u{number}" for number in range(5)]
    for number, key in enumerate(keys):
        samples = (rng.normal(0, 2000, size=8000 + 160 * number)).astype(np.int16)
        soundfile.write(tmp_path / f"{key}.wav", samples, 16000)
    write_table(folder / "wav.scp", {key: f"{tmp_path / key}.wav" for key in keys})
    write_table(folder / "text", dict.fromkeys(keys, "你好"))
    write_table(folder / "utt2spk", {key: key[:2] for key in keys})
    return folder


def run(data, *options) -> int:
    return main(["features", "--data", str(data), "--out", str(data.parent / "out"), "--nj", "1", *options])


def test_tables(data, monkeypatch):
    assert run(data) == 0
    frames = {key: int(value) for key, value in read_table(data / "utt2num_frames").items()}
    assert frames == {f"s{n % 2}-u{n}": 48 + n for n in range(5)}
    samples, _ = soundfile.read(data.parent / "s0-u2.wav", dtype="int16")
    wanted = compute(samples.astype(np.float32), FeatureConfig())
    np.testing.assert_allclose(MatrixReader(data / "feats.scp")["s0-u2"], wanted, atol=1e-5)
    reader = FeatureReader(data, {"kind": "fbank", "dim": 43})
    speaker = np.concatenate([reader[key] for key in reader if key.startswith("s0")])
    np.testing.assert_allclose(speaker.mean(axis=0), 0, atol=1e-4)
    assert read_table(data / "cmvn.scp").keys() == {"s0", "s1"}


def test_a_second_run_does_nothing_until_a_sound_changes(data, capsys):
    assert run(data) == 0
    capsys.readouterr()
    assert run(data) == 0
    assert capsys.readouterr().out == "features: up to date\n"
    soundfile.write(data.parent / "s0-u2.wav", np.ones(4000, np.int16), 16000)
    assert run(data) == 0
    assert read_table(data / "utt2num_frames")["s0-u2"] == "23"


def test_a_run_after_a_kill_makes_only_the_missing_shards(data, monkeypatch, capsys):
    monkeypatch.setattr(extract, "SHARD_UTTERANCES", 2)
    assert run(data) == 0
    archives = sorted((data.parent / "out").glob("feats.*.ark"))
    assert len(archives) == 3
    before = {path: path.stat().st_mtime_ns for path in archives}
    tables = {path.name: path.read_bytes() for path in data.iterdir() if path.name != ".done.features.json"}
    (data / ".done.features.json").unlink()
    (data / "feats.scp").unlink()
    next((data.parent / "out").glob("stats.2.*")).unlink()  # the second shard was not finished
    capsys.readouterr()
    assert run(data) == 0
    assert "2 of 3 archives are already there" in capsys.readouterr().out
    changed = [path.name.split(".")[1] for path in archives if path.stat().st_mtime_ns != before[path]]
    assert changed == ["2"]
    assert tables == {path.name: path.read_bytes() for path in data.iterdir() if path.name != ".done.features.json"}


def test_the_number_of_processes_changes_nothing(data, monkeypatch):
    assert run(data) == 0
    first = next((data.parent / "out").glob("feats.*.ark")).read_bytes()
    (data / ".done.features.json").unlink()
    for path in (data.parent / "out").iterdir():
        path.unlink()
    assert run(data, "--nj", "2") == 0
    assert next((data.parent / "out").glob("feats.*.ark")).read_bytes() == first


@pytest.mark.parametrize(("norm", "keys"), [("utterance", 5), ("none", None)])
def test_other_normalisations(data, norm, keys):
    assert run(data, "--norm", norm, "--compress", "true", "--pitch", "false") == 0
    reader = FeatureReader(data)
    if keys is None:
        assert not (data / "cmvn.scp").exists()
        assert reader["s0-u0"].mean() > 5
    else:
        assert len(read_table(data / "cmvn.scp")) == keys
        np.testing.assert_allclose(reader["s0-u0"].mean(axis=0), 0, atol=0.05)
    assert reader["s0-u0"].shape == (48, 40)


def test_a_bad_sound_stops_the_stage_unless_max_missing_allows_it(data, refused, capsys):
    path = data.parent / "s1-u3.wav"
    path.write_bytes(path.read_bytes()[:5000])
    argv = ["features", "--data", data, "--out", data.parent / "out", "--nj", "1"]
    line = refused(argv)
    assert line.startswith(f"{path}: s1-u3: is truncated") and "1 of 5 utterances fail" in line
    assert not (data / "feats.scp").exists()
    assert refused(argv) == line, "the second run must not take the archives for whole"
    assert run(data, "--max-missing", "0.2") == 0
    assert "1 left out: s1-u3" in capsys.readouterr().out
    assert set(read_table(data / "feats.scp")) == {"s0-u0", "s0-u2", "s0-u4", "s1-u1"}


def test_utterances_that_an_earlier_run_left_out_count_too(data, monkeypatch):
    """The first shard is complete without an unreadable utterance; the bound holds for all shards."""
    monkeypatch.setattr(extract, "SHARD_UTTERANCES", 2)
    path = data.parent / "s0-u0.wav"
    path.write_bytes(path.read_bytes()[:5000])
    assert run(data, "--max-missing", "0.2") == 0
    archives = list((data.parent / "out").glob("stats.*.ark"))
    settings = extract.Settings(data=data, out=data.parent / "out", nj=1, max_missing=0.2)
    tables = DataDir.read(data)
    shards = extract._shards(settings, list(tables.utterances()), dict(extract._sound_files(data / "wav.scp")))
    assert extract._left_out(settings, shards, tables, []) == ["s0-u0"]
    strict = dataclasses.replace(settings, max_missing=0.1)
    with pytest.raises(InputError, match=r"s0-u0: 1 of 5 utterances have no features, --max-missing allows 0\.1"):
        extract._left_out(strict, shards, tables, [])
    assert sorted(path.name[:8] for path in archives if not path.exists()) == ["stats.1."]


def test_features_of_another_kind_than_the_models_are_refused(data, tmp_path):
    assert run(data) == 0
    with pytest.raises(Exception, match=r"features.json: kind is fbank, but the model was trained with mfcc"):
        FeatureReader(data, {"kind": "mfcc"})
    content = json.loads((data / "features.json").read_text())
    assert content["dim"] == 43 and content["norm"] == "speaker"


def test_a_killed_worker_is_named_and_the_same_command_completes_the_work(data, monkeypatch, capsys):
    """The sound of the third utterance is a command that kills the process that runs it, as the kernel would."""
    monkeypatch.setattr(extract, "SHARD_UTTERANCES", 2)
    table = (data / "wav.scp").read_text()
    lines = table.splitlines()
    lines[2] = f"{lines[2].split()[0]} kill -9 $PPID |"
    (data / "wav.scp").write_text("\n".join(lines) + "\n")
    assert run(data, "--nj", "2", "--allow-pipes") == 1
    said = capsys.readouterr().err.strip()
    assert re.fullmatch(
        r"features: data: process \d+ was killed by SIGKILL \(out of memory\?\) while it worked on "
        r"feats\.\d\.\w+\.ark \(s\d-u\d to s\d-u\d\); the same command goes on from here",
        said.splitlines()[-1],
    )
    assert "Traceback" not in said and multiprocessing.active_children() == []
    assert not (data / "feats.scp").exists()
    (data / "wav.scp").write_text(table)
    assert run(data) == 0 and len(read_table(data / "feats.scp")) == 5
