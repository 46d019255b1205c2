"""Data directories of what a recipe found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from corpus_samples import gathered, sound

from asr.corpus.data_tables import Segment
from asr.corpus.datadir import DataDir
from asr.corpus.gather import CorpusSettings, Found, Gathered, write_sets
from asr.corpus.problems import Problem
from asr.errors import InputError
from asr.tables import read_table


def test_sets_that_are_missing_are_cut_and_share_no_sentence(tmp_path: Path):
    write_sets(
        {"train": gathered(tmp_path / "c", "a", 30)},
        CorpusSettings(out=tmp_path / "d", dev_fraction=0.1, test_fraction=0.2),
    )
    sets = {name: DataDir.read(tmp_path / "d" / name) for name in ("train", "dev", "test")}
    assert [len(data.utt2spk) for data in sets.values()] == [21, 3, 6]
    texts = [set(data.text.values()) for data in sets.values()]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert read_table(tmp_path / "d" / "train" / "utt2dur")["s0-a00"] == "0.100"


def test_a_sound_that_is_in_test_leaves_train_whatever_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train, test = gathered(tmp_path / "c", "a", 25), gathered(tmp_path / "t", "b", 2, first=50)
    shutil.copy(test.found[0].sound, train.found[4].sound)
    write_sets({"train": train, "test": test}, CorpusSettings(out=tmp_path / "d"))
    printed = capsys.readouterr().out
    file = train.found[4].sound
    assert f"dropped: {file}: s0-a04: its sound is in test too as s0-b50 and is kept only there\n" in printed
    assert "s0-b50" in DataDir.read(tmp_path / "d" / "test").text
    assert "s0-a04" not in DataDir.read(tmp_path / "d" / "train").text


def test_two_sounds_under_one_key_in_two_sets_stop_it(tmp_path: Path):
    train, test = gathered(tmp_path / "c", "a", 8), gathered(tmp_path / "t", "a", 2)
    test.found = [Found("s0-a04", "s0", test.found[1].sound, "好", tmp_path / "x.txt", 1)]
    sound(test.found[0].sound, seconds=0.2, seed=99)
    with pytest.raises(InputError, match=r"list\.txt:5: s0-a04: is in test too, with another sound: one of the two"):
        write_sets({"train": train, "test": test}, CorpusSettings(out=tmp_path / "d"))
    assert not (tmp_path / "d").exists()


def test_of_a_key_that_occurs_twice_none_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train = gathered(tmp_path / "c", "a", 30)
    again = train.found[3]
    train.found.append(Found(again.key, "s1", again.sound, "别的", tmp_path / "list.txt", 31))
    write_sets({"train": train}, CorpusSettings(out=tmp_path / "d"))
    where = f"dropped: {tmp_path}/list.txt:31: s1-a03: "
    assert (
        f"{where}this utterance has occurred before, with another sound or text (line 4)\n" in capsys.readouterr().out
    )


def test_too_much_lost_is_refused_and_nothing_written(tmp_path: Path):
    train = gathered(tmp_path / "c", "a", 10)
    train.problems.append(Problem("no transcript", "has no transcript", "c/x.wav", None, "x"))
    with pytest.raises(InputError, match=r"c/x.wav: x: has no transcript \(1 of 11 utterances, 9.1 %, would be"):
        write_sets({"train": train}, CorpusSettings(out=tmp_path / "d"))
    assert not (tmp_path / "d").exists()


def test_transcripts_are_written_in_one_form(tmp_path: Path):
    train = gathered(tmp_path / "c", "a", 30)
    train.found[0] = Found("s0-a00", "s0", train.found[0].sound, "乾隆覺得ＴＶ，3個", tmp_path / "l", 1)
    for latin, written in (("word", "乾隆觉得TV三个"), ("letter", "乾隆觉得T V三个")):
        settings = CorpusSettings(out=tmp_path / latin, simplified=True, latin=latin)
        write_sets({"train": Gathered(train.name, list(train.found))}, settings)
        texts = [DataDir.read(tmp_path / latin / name).text.get("s0-a00") for name in ("train", "dev", "test")]
        assert written in texts


def test_segments_of_one_recording(tmp_path: Path):
    train = gathered(tmp_path / "c", "a", 30)
    long = sound(tmp_path / "long.wav", seconds=2.0, channels=2)
    for place in range(2):
        part = Segment("long", 0.5 * place, 0.5 * place + 0.4, 1)
        train.found.append(Found(f"s1-l{place}", "s1", long, "长" * (place + 1), tmp_path / "l", place, part))
    write_sets({"train": train}, CorpusSettings(out=tmp_path / "d", dev_fraction=0.04, test_fraction=0.04))
    lines = [(tmp_path / "d" / name / "segments").read_text() for name in ("train", "dev", "test")]
    assert "s1-l1 long 0.5 0.9 1\n" in "".join(lines)
